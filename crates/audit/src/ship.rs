//! The task that carries a spool to the store: at least once, in order, for as long as it takes.
//!
//! Each service runs one over its emitter; auth's own goes to the store in the same process, the others' through `api`.

use std::{error::Error, future::Future, time::Duration};

use teleport_runtime::{Backoff, Stop};

use crate::{AuditError, Batch, Emitter};

/// The most records in one batch: each batch costs its end of the way some syncs, however short it is.
const BATCH: usize = 2000;

/// How long one delivery may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// How long the last deliveries may take once the task is told to stop; what remains is shipped after the next start.
const FAREWELL: Duration = Duration::from_secs(5);

/// Where batches go.
pub trait Sink: Send + Sync + 'static {
    /// Delivers a batch; success means that the store has it on its disk.
    fn deliver(&self, batch: &Batch) -> impl Future<Output = Result<(), SinkError>> + Send;
}

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The store has fewer records than thought, and wants them from this one on.
    #[error("the store continues at record {expected}")]
    Rewind {
        /// The sequence number to go on from.
        expected: u64,
    },
    /// Anything else: it is tried again.
    #[error("the audit store does not take records")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}

/// Ships until told to stop, then ships what is left for a short while.
pub async fn run(emitter: Emitter, sink: impl Sink, stop: Stop) {
    let mut progress = emitter.spool().progress();
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(30));
    while !stop.is_requested() {
        progress.mark_unchanged();
        match step(&emitter, &sink).await {
            Ok(Step::Delivered) => backoff.reset(),
            Ok(Step::Nothing) => {
                tokio::select! {
                    () = stop.requested() => {}
                    changed = progress.changed() => if changed.is_err() { return },
                }
            }
            Err(error) => {
                report(&error);
                tokio::select! {
                    () = stop.requested() => {}
                    () = tokio::time::sleep(backoff.next_wait()) => {}
                }
            }
        }
    }
    let rest = async {
        emitter.synced().await.map_err(StepError::Spool)?;
        while let Step::Delivered = step(&emitter, &sink).await? {}
        Ok::<(), StepError>(())
    };
    match tokio::time::timeout(FAREWELL, rest).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => report(&error),
        Err(_) => tracing::warn!("audit records remain in the spool; they are shipped after the next start"),
    }
}

enum Step {
    Delivered,
    Nothing,
}

#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error("the audit spool cannot be read")]
    Spool(#[source] AuditError),
    #[error("the audit store did not answer in time")]
    Late,
    #[error("audit records were not delivered")]
    Sink(#[source] SinkError),
}

async fn step(emitter: &Emitter, sink: &impl Sink) -> Result<Step, StepError> {
    let Some(batch) = blocking(emitter, |emitter| emitter.spool().unshipped(BATCH)).await? else {
        return Ok(Step::Nothing);
    };
    match tokio::time::timeout(DEADLINE, sink.deliver(&batch)).await {
        Ok(Ok(())) => {
            let last = batch.records.last().map_or(0, crate::Record::seq);
            blocking(emitter, move |emitter| emitter.spool().confirm(last)).await?;
            Ok(Step::Delivered)
        }
        Ok(Err(SinkError::Rewind { expected }))
            if batch.records.first().is_some_and(|first| first.seq() != expected) =>
        {
            tracing::info!(expected, "the audit store asks for earlier records");
            emitter.spool().rewind(expected);
            Ok(Step::Delivered)
        }
        Ok(Err(error)) => Err(StepError::Sink(error)),
        Err(_) => Err(StepError::Late),
    }
}

/// Reads and syncs files off the runtime: unlike an append, these can take milliseconds.
async fn blocking<T: Send + 'static>(
    emitter: &Emitter,
    work: impl FnOnce(&Emitter) -> Result<T, AuditError> + Send + 'static,
) -> Result<T, StepError> {
    let emitter = emitter.clone();
    match tokio::task::spawn_blocking(move || work(&emitter)).await {
        Ok(result) => result.map_err(StepError::Spool),
        Err(_) => Err(StepError::Spool(AuditError::Closed)),
    }
}

fn report(error: &StepError) {
    let source = error.source().map(ToString::to_string).unwrap_or_default();
    let cause = error.source().and_then(Error::source).map(ToString::to_string).unwrap_or_default();
    tracing::warn!(%error, source, cause, "audit records wait in the spool");
}
