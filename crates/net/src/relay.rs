//! Carries bytes between two connections until both ends are done or someone says stop.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};

use crate::Io;

/// Bytes held for each direction.
const BUFFER: usize = 16 * 1024;

/// What a relay carried and why it ended.
#[derive(Debug)]
pub struct Relayed {
    /// Bytes read from the first connection.
    pub from_first: u64,
    /// Bytes read from the second connection.
    pub from_second: u64,
    /// Why it ended.
    pub end: RelayEnd,
}

/// Why a relay ended.
#[derive(Debug)]
pub enum RelayEnd {
    /// Both ends closed.
    Closed,
    /// The guard said stop.
    Stopped,
    /// One end broke.
    Broken(io::Error),
}

/// Relays both ways. An end that closes its writing half has it closed at the other end, and may go on reading; silence
/// may last as long as it likes. Ends when both have closed, one breaks, or `stop` completes.
pub async fn relay(first: &mut impl Io, second: &mut impl Io, stop: impl Future<Output = ()> + Send) -> Relayed {
    let mut first = Counted { io: first, read: 0 };
    let mut second = Counted { io: second, read: 0 };
    let end = tokio::select! {
        // A stop that was there first wins over bytes that are there too.
        biased;
        () = stop => RelayEnd::Stopped,
        ended = copy_bidirectional_with_sizes(&mut first, &mut second, BUFFER, BUFFER) => match ended {
            Ok(_) => RelayEnd::Closed,
            Err(error) => RelayEnd::Broken(error),
        },
    };
    Relayed { from_first: first.read, from_second: second.read, end }
}

/// Counts what is read, so that the numbers are known however the relay ends.
struct Counted<'a, T> {
    io: &'a mut T,
    read: u64,
}

impl<T: Io> AsyncRead for Counted<'_, T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut *self.io).poll_read(cx, buf);
        self.read += u64::try_from(buf.filled().len().saturating_sub(before)).unwrap_or(0);
        polled
    }
}

impl<T: Io> AsyncWrite for Counted<'_, T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_shutdown(cx)
    }
}
