//! Listening, dialling, ClientHello routing, TLS accept and byte relay: the only crate that touches sockets.
//!
//! Everything above a socket is generic over [`Io`], so that memory or a simulation can take its place.

pub mod conn;
pub mod dial;
pub mod error;
pub mod memory;

pub use conn::{BoxIo, ClientAddr, Conn, Io, Remote};
pub use dial::{Dialer, TcpDialer};
pub use error::NetError;
