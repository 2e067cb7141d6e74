//! Finds out that a peer vanished without a word, so that idle streams do not live for ever.

use std::{io, time::Duration};

use rustix::net::sockopt;
use tokio::net::TcpStream;

const IDLE: Duration = Duration::from_secs(60);
const BETWEEN_PROBES: Duration = Duration::from_secs(15);
const PROBES: u32 = 4;

/// Sets what every TCP connection of ours has: no delay, and probes after a minute of silence.
pub(crate) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, IDLE)?;
    sockopt::set_tcp_keepintvl(stream, BETWEEN_PROBES)?;
    sockopt::set_tcp_keepcnt(stream, PROBES)?;
    Ok(())
}
