//! Carries bytes between two connections until both ends are done or someone says stop.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::io::ReadBuf;

use crate::Io;

/// Bytes held for each direction.
const BUFFER: usize = 16 * 1024;

/// How long what is still on its way may take once the other direction has broken.
const LINGER: Duration = Duration::from_secs(10);

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
    /// An end said that it was done, and the other one followed or was gone by then.
    Closed,
    /// The guard said stop.
    Stopped,
    /// Both ends broke without a word.
    Broken(io::Error),
}

/// Relays both ways. An end that closes its writing half has it closed at the other end, and may go on reading; silence
/// may last as long as it likes. Ends when both have closed or broken, or `stop` completes.
///
/// An end that takes no more bytes does not lose those it sent: the directions end apart from one another.
pub async fn relay(first: &mut impl Io, second: &mut impl Io, stop: impl Future<Output = ()> + Send) -> Relayed {
    let (mut forth, mut back) = (OneWay::new(), OneWay::new());
    let both = async {
        let mut linger: Option<Pin<Box<tokio::time::Sleep>>> = None;
        poll_fn(|cx| {
            let forth_done = forth.poll(cx, first, second).is_ready();
            let back_done = back.poll(cx, second, first).is_ready();
            if forth_done && back_done {
                return Poll::Ready(());
            }
            if forth.broke() || back.broke() {
                return linger.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER))).as_mut().poll(cx);
            }
            Poll::Pending
        })
        .await;
    };
    let stopped = tokio::select! {
        // A stop that was there first wins over bytes that are there too.
        biased;
        () = stop => true,
        () = both => false,
    };
    let (from_first, from_second) = (forth.carried, back.carried);
    let end = if stopped { RelayEnd::Stopped } else { end_of(forth, back) };
    Relayed { from_first, from_second, end }
}

fn end_of(forth: OneWay, back: OneWay) -> RelayEnd {
    match (forth.phase, back.phase) {
        // Whoever is told that the other has closed may be gone before it has taken everything: that is its choice.
        (Phase::Done(Ok(())), _) | (_, Phase::Done(Ok(()))) => RelayEnd::Closed,
        (Phase::Done(Err(error)), _) | (_, Phase::Done(Err(error))) => RelayEnd::Broken(error),
        _ => RelayEnd::Broken(io::ErrorKind::TimedOut.into()),
    }
}

/// One direction.
struct OneWay {
    buffer: Box<[u8]>,
    /// Read and not yet written.
    waiting: std::ops::Range<usize>,
    /// Written and not yet flushed.
    unflushed: bool,
    carried: u64,
    phase: Phase,
}

enum Phase {
    Flowing,
    /// The reading end is done; the writing end is told.
    Closing(io::Result<()>),
    /// `Err` when an end broke.
    Done(io::Result<()>),
}

impl OneWay {
    fn new() -> Self {
        let buffer = vec![0; BUFFER].into_boxed_slice();
        Self { buffer, waiting: 0..0, unflushed: false, carried: 0, phase: Phase::Flowing }
    }

    fn broke(&self) -> bool {
        matches!(self.phase, Phase::Done(Err(_)))
    }

    fn poll(&mut self, cx: &mut Context<'_>, from: &mut impl Io, to: &mut impl Io) -> Poll<()> {
        loop {
            match &mut self.phase {
                Phase::Flowing => match ready!(self.poll_flow(cx, from, to)) {
                    Ok(ended) => self.phase = Phase::Closing(ended),
                    Err(error) => self.phase = Phase::Done(Err(error)),
                },
                Phase::Closing(ended) => {
                    // An end that cannot be told has gone already.
                    let _ = ready!(Pin::new(&mut *to).poll_shutdown(cx));
                    self.phase = Phase::Done(std::mem::replace(ended, Ok(())));
                }
                Phase::Done(_) => return Poll::Ready(()),
            }
        }
    }

    /// Carries until the reading end is done, `Ok` with how, or the writing end breaks.
    fn poll_flow(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut impl Io,
        to: &mut impl Io,
    ) -> Poll<io::Result<io::Result<()>>> {
        loop {
            while let Some(bytes) = self.buffer.get(self.waiting.clone()).filter(|bytes| !bytes.is_empty()) {
                match ready!(Pin::new(&mut *to).poll_write(cx, bytes))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    written => self.waiting.start += written,
                }
                self.unflushed = true;
            }
            let mut space = ReadBuf::new(&mut self.buffer);
            match Pin::new(&mut *from).poll_read(cx, &mut space) {
                Poll::Ready(Ok(())) => {
                    let read = space.filled().len();
                    if read == 0 {
                        return Poll::Ready(Ok(Ok(())));
                    }
                    self.waiting = 0..read;
                    self.carried += u64::try_from(read).unwrap_or(0);
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Ok(Err(error))),
                Poll::Pending => {
                    if self.unflushed {
                        ready!(Pin::new(&mut *to).poll_flush(cx))?;
                        self.unflushed = false;
                    }
                    return Poll::Pending;
                }
            }
        }
    }
}
