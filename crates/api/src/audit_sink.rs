//! The sink of a service's audit spool: auth, through the client.

use teleport_audit::{Batch, Sink, SinkError};

use crate::Client;

/// Delivers to the auth service.
#[derive(Clone)]
pub struct AuditSink(pub Client);

impl Sink for AuditSink {
    async fn deliver(&self, batch: &Batch) -> Result<(), SinkError> {
        let reply = self.0.deliver_records(batch).await.map_err(|error| SinkError::Unavailable(error.into()))?;
        match batch.records.last() {
            Some(last) if reply.next <= last.seq() => Err(SinkError::Rewind { expected: reply.next }),
            _ => Ok(()),
        }
    }
}
