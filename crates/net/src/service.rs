//! Handing whole connections over: from the front door to the service that speaks their protocol.

use crate::{Conn, dial::BoxFuture};

/// A service that takes connections from their first byte on, the ClientHello included.
///
/// Implemented by the Kubernetes service, and by anything that stands in for it.
pub trait ConnService: Send + Sync {
    /// Serves one connection to its end. The caller owns the task; dropping the future cuts the connection.
    fn serve(&self, conn: Conn) -> BoxFuture<'_, ()>;
}
