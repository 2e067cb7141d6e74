//! Says no in TLS before there is a session, so that the client prints a reason and not "end of file".

use std::time::Duration;

use teleport_net::Conn;
use tokio::io::AsyncWriteExt as _;

/// The alerts that the front door sends (RFC 8446 section 6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alert {
    /// The service behind cannot be reached.
    InternalError,
    /// Nobody of that name.
    UnrecognizedName,
    /// Somebody of that name, who speaks something else.
    NoApplicationProtocol,
}

impl Alert {
    fn code(self) -> u8 {
        match self {
            Self::InternalError => 80,
            Self::UnrecognizedName => 112,
            Self::NoApplicationProtocol => 120,
        }
    }
}

/// Sends a fatal alert and closes; a client that does not read it in time misses it.
pub async fn send(mut conn: Conn, alert: Alert, deadline: Duration) {
    const FATAL: u8 = 2;
    let record = [0x15, 3, 3, 0, 2, FATAL, alert.code()];
    let write = async {
        conn.write_all(&record).await?;
        conn.shutdown().await
    };
    if !matches!(tokio::time::timeout(deadline, write).await, Ok(Ok(()))) {
        tracing::debug!(?alert, "a client did not wait for the alert");
    }
}
