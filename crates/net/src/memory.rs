//! Connections between services of one process, with the same shape as those over the network.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::{Conn, Dialer, NetError, dial::BoxFuture};

/// Bytes that may be under way in each direction of a connection.
const BUFFER: usize = 64 * 1024;
/// Connections that may wait to be accepted.
const BACKLOG: usize = 128;
/// How long a dialler waits for a place among them.
const DEADLINE: Duration = Duration::from_secs(10);

/// The dialling half.
#[derive(Clone, Debug)]
pub struct MemoryDialer {
    name: &'static str,
    to: mpsc::Sender<Conn>,
}

/// The accepting half.
#[derive(Debug)]
pub struct MemoryListener {
    from: mpsc::Receiver<Conn>,
}

/// Makes a dialer and the listener it leads to.
pub fn pair(name: &'static str) -> (MemoryDialer, MemoryListener) {
    let (to, from) = mpsc::channel(BACKLOG);
    (MemoryDialer { name, to }, MemoryListener { from })
}

impl MemoryDialer {
    /// Hands over a connection that came from elsewhere, with its client's address.
    ///
    /// # Errors
    /// When the listener is gone, or takes no connections for ten seconds.
    pub async fn hand_over(&self, conn: Conn) -> Result<(), NetError> {
        match tokio::time::timeout(DEADLINE, self.to.send(conn)).await {
            Ok(sent) => sent.map_err(|_| NetError::Gone),
            Err(_) => Err(NetError::Deadline { step: "connecting", limit: DEADLINE }),
        }
    }
}

impl Dialer for MemoryDialer {
    fn dial(&self) -> BoxFuture<'_, Result<Conn, NetError>> {
        Box::pin(async move {
            let (near, far) = tokio::io::duplex(BUFFER);
            self.hand_over(Conn::new(far, None)).await?;
            Ok(Conn::new(near, None))
        })
    }

    fn target(&self) -> String {
        format!("the {} service in this process", self.name)
    }
}

impl MemoryListener {
    /// Waits for the next connection; `None` when no dialer is left. Cancel safe.
    pub async fn accept(&mut self) -> Option<Conn> {
        self.from.recv().await
    }
}
