//! The one error of this crate.

use std::{io, time::Duration};

/// What went wrong between two machines.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// Nobody answers there, or the system refused.
    #[error("cannot connect to {addr}")]
    Dial {
        /// Where to.
        addr: String,
        /// What the system said.
        source: io::Error,
    },
    /// A step took longer than it may.
    #[error("{step} took longer than {} s", .limit.as_secs_f32())]
    Deadline {
        /// Which step.
        step: &'static str,
        /// How long it may take.
        limit: Duration,
    },
    /// An address cannot be used to listen on.
    #[error("cannot listen on {addr}")]
    Listen {
        /// Which.
        addr: String,
        /// What the system said.
        source: io::Error,
    },
    /// The TLS session could not be made.
    #[error("TLS handshake failed")]
    Handshake(#[source] io::Error),
    /// The peer sent something that is not what this port speaks.
    #[error("{0}")]
    Protocol(&'static str),
    /// The peer closed before it said anything, as health checks do.
    #[error("the peer closed the connection")]
    Closed,
    /// An HTTP proxy on the way did not open the tunnel.
    #[error("the HTTP proxy refused: {0:?}")]
    ProxyRefused(String),
    /// The connection broke.
    #[error("the connection broke")]
    Io(#[from] io::Error),
    /// The other side of a memory connection is gone.
    #[error("the service in this process has stopped")]
    Gone,
}
