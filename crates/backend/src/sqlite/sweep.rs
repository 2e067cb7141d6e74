//! Deletes items when their time is over, so that watchers hear of it. Reads do not wait for it.

use std::time::Duration;

use jiff::Timestamp;
use teleport_runtime::{Backoff, Clock, Stop};
use tokio::sync::{mpsc, watch};

use super::{apply::Operation, submit, writer::Command};
use crate::Error;

/// Waits for the next end and has the writer sweep, until the store closes.
pub(super) async fn run(
    clock: Clock,
    mut next_expiry: watch::Receiver<Option<Timestamp>>,
    commands: mpsc::WeakSender<Command>,
    stop: Stop,
) {
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(60));
    loop {
        let next = *next_expiry.borrow_and_update();
        tokio::select! {
            () = stop.requested() => return,
            changed = next_expiry.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
            () = clock.sleep_until(next.unwrap_or(Timestamp::MAX)), if next.is_some() => {}
        }
        let Some(commands) = commands.upgrade() else { return };
        match submit(&commands, Operation::Sweep).await {
            Ok(_) => backoff.reset(),
            Err(Error::Closed) => return,
            Err(error) => {
                tracing::warn!(%error, "cannot delete expired items from the store");
                tokio::select! {
                    () = stop.requested() => return,
                    () = tokio::time::sleep(backoff.next_wait()) => {}
                }
            }
        }
    }
}
