//! The sink of a service's audit spool: auth, through the client.

use teleport_audit::{Batch, Sink, SinkError};

use crate::{Client, ClientError};

/// Delivers to the auth service.
#[derive(Clone)]
pub struct AuditSink(pub Client);

impl Sink for AuditSink {
    async fn deliver(&self, batch: &Batch) -> Result<(), SinkError> {
        let reply = self.0.deliver_records(batch).await.map_err(|error| SinkError::Unavailable(error.into()))?;
        let Some(last) = batch.records.last() else {
            return Ok(());
        };
        if reply.next > last.seq() {
            return Ok(());
        }
        let ahead = batch.records.first().is_some_and(|first| first.seq() < reply.next);
        if ahead {
            // Auth took a part and stopped: that is its own trouble, not a gap.
            return Err(SinkError::Unavailable(ClientError::Deadline.into()));
        }
        Err(SinkError::Rewind { expected: reply.next })
    }
}
