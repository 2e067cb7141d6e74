//! Listening, dialling, ClientHello routing, TLS accept and byte relay: the only crate that touches sockets.
//!
//! Everything above a socket is generic over [`Io`], so that memory or a simulation can take its place.

pub mod accept;
pub mod conn;
pub mod dial;
pub mod error;
pub mod hello;
pub mod http_proxy;
mod keepalive;
pub mod listen;
pub mod memory;
pub mod relay;
pub mod service;
pub mod tls;
pub mod unix;

pub use accept::Accept;
pub use conn::{BoxIo, ClientAddr, Conn, Io, Remote};
pub use dial::{BoxFuture, Dialer, TcpDialer};
pub use error::NetError;
pub use hello::{Hello, HelloLimits, Opening};
pub use http_proxy::{HttpProxy, ProxiedDialer};
pub use listen::Listener;
pub use memory::{MemoryDialer, MemoryListener};
pub use relay::{RelayEnd, Relayed, relay};
pub use service::ConnService;
pub use tls::TlsConn;
pub use unix::{UnixDialer, UnixListener};
