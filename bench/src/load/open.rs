//! The open loop: requests are due at set times, and one that had to wait for a free connection has waited.
//!
//! Latency counts from the time a request was due, so a server that stalls is charged for everyone who would have come
//! meanwhile (no coordinated omission).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Result;
use futures_util::future::try_join_all;
use tokio::sync::Semaphore;

use super::{Outcome, Plan, pacer::Pacer};
use crate::target::Sender;

/// Requests that are due: connections take them one by one, in order.
struct Due {
    ready: Semaphore,
    taken: AtomicU64,
    all: u64,
    begun: Instant,
    every: Duration,
}

/// Sends `rate` requests a second until the time or the number is used up.
pub(super) async fn run(plan: &Plan, rate: f64, senders: Vec<Sender>) -> Result<Outcome> {
    let every = Duration::from_secs_f64(1.0 / rate);
    let all = ((plan.lasts.as_secs_f64() * rate) as u64).min(plan.most);
    let due = Arc::new(Due { ready: Semaphore::new(0), taken: AtomicU64::new(0), all, begun: Instant::now(), every });
    let connections = senders.len();
    let clock = Arc::clone(&due);
    let clock = tokio::task::spawn_blocking(move || release(&clock, connections));
    let workers = senders.into_iter().map(|sender| work(plan, sender, &due));
    let parts = try_join_all(workers).await?;
    clock.await??;
    let mut outcome = Outcome::new();
    for part in &parts {
        outcome.merge(part);
    }
    outcome.took = due.begun.elapsed();
    Ok(outcome)
}

/// Makes requests due as their time comes.
fn release(due: &Due, connections: usize) -> Result<()> {
    let mut pacer = Pacer::start(due.every)?;
    let mut released = 0;
    while released < due.all {
        let ticks = pacer.ticks()?.min(due.all - released);
        due.ready.add_permits(usize::try_from(ticks)?);
        released += ticks;
    }
    // Each connection comes once more, and finds that all are taken.
    due.ready.add_permits(connections);
    Ok(())
}

async fn work(plan: &Plan, mut sender: Sender, due: &Due) -> Result<Outcome> {
    let mut outcome = Outcome::new();
    while let Some(when) = due.next().await {
        outcome.bytes += sender.get(&plan.path).await?;
        outcome.latencies.record(when.elapsed());
    }
    Ok(outcome)
}

impl Due {
    /// Takes the next request and returns when it was due; `None` when there will be no more.
    async fn next(&self) -> Option<Instant> {
        self.ready.acquire().await.ok()?.forget();
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        // The first tick comes after one interval.
        let after = Duration::from_nanos(self.every.as_nanos() as u64 * (number + 1));
        (number < self.all).then(|| self.begun + after)
    }
}
