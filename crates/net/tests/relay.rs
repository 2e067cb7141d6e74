//! Relaying bytes: half-close, stop, breakage, and the numbers.

use std::{
    future::pending,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use teleport_net::{RelayEnd, Relayed, relay};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf},
    sync::oneshot,
    task::JoinHandle,
};

struct Rig {
    first: DuplexStream,
    second: DuplexStream,
    stop: oneshot::Sender<()>,
    relay: JoinHandle<Relayed>,
}

fn rig() -> Rig {
    let (first, mut near) = tokio::io::duplex(1024);
    let (second, mut far) = tokio::io::duplex(1024);
    let (stop, stopped) = oneshot::channel();
    let relay = tokio::spawn(async move {
        let stop = async {
            if stopped.await.is_err() {
                pending::<()>().await;
            }
        };
        relay(&mut near, &mut far, stop).await
    });
    Rig { first, second, stop, relay }
}

#[tokio::test]
async fn an_end_that_is_done_writing_still_gets_the_answer() {
    let mut rig = rig();
    rig.first.write_all(b"request").await.expect("writes");
    rig.first.shutdown().await.expect("closes its half");
    let mut request = String::new();
    rig.second.read_to_string(&mut request).await.expect("reads to the end");
    assert_eq!(request, "request");
    rig.second.write_all(b"a longer answer").await.expect("writes");
    rig.second.shutdown().await.expect("closes its half");
    let mut answer = String::new();
    rig.first.read_to_string(&mut answer).await.expect("reads to the end");
    assert_eq!(answer, "a longer answer");
    let relayed = rig.relay.await.expect("joins");
    assert!(matches!(relayed.end, RelayEnd::Closed), "{relayed:?}");
    assert_eq!((relayed.from_first, relayed.from_second), (7, 15));
}

#[tokio::test]
async fn a_stop_cuts_both_ends_and_keeps_the_numbers() {
    let mut rig = rig();
    rig.first.write_all(b"abc").await.expect("writes");
    let mut three = [0; 3];
    rig.second.read_exact(&mut three).await.expect("reads");
    rig.stop.send(()).expect("the relay listens");
    let relayed = rig.relay.await.expect("joins");
    assert!(matches!(relayed.end, RelayEnd::Stopped), "{relayed:?}");
    assert_eq!((relayed.from_first, relayed.from_second), (3, 0));
    assert_eq!(rig.first.read(&mut three).await.expect("reads"), 0);
    assert_eq!(rig.second.read(&mut three).await.expect("reads"), 0);
}

#[tokio::test]
async fn an_end_that_goes_away_ends_the_other() {
    let Rig { first, mut second, stop: _stop, relay } = rig();
    drop(first);
    let mut rest = Vec::new();
    second.read_to_end(&mut rest).await.expect("reads to the end");
    // Nobody is left to read this: writing on must fail and end the relay.
    let written = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            if let Err(error) = second.write_all(&[0; 512]).await {
                return error;
            }
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(written.await.expect("fails").kind(), io::ErrorKind::BrokenPipe);
    let relayed = relay.await.expect("joins");
    assert!(matches!(relayed.end, RelayEnd::Closed), "it closed, and said so: {relayed:?}");
}

#[tokio::test]
async fn what_an_end_sent_before_it_took_no_more_still_arrives() {
    let (mut first, mut near) = tokio::io::duplex(4096);
    let (mut second, mut far) = tokio::io::duplex(4096);
    second.write_all(&[7; 3000]).await.expect("writes");
    drop(second);
    first.write_all(b"too late").await.expect("writes");
    let relay = tokio::spawn(async move { relay(&mut near, &mut far, pending()).await });
    let mut received = Vec::new();
    first.read_to_end(&mut received).await.expect("reads to the end");
    assert_eq!(received, [7; 3000]);
    drop(first);
    assert_eq!(relay.await.expect("joins").from_second, 3000);
}

/// A connection that was reset.
struct Reset;

impl AsyncRead for Reset {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
    }
}

impl AsyncWrite for Reset {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
    }
}

#[tokio::test]
async fn a_reset_end_is_told_apart_from_one_that_closed() {
    let (mut first, mut near) = tokio::io::duplex(4096);
    first.write_all(b"hello").await.expect("writes");
    let relay = tokio::spawn(async move { relay(&mut near, &mut Reset, pending()).await });
    assert_eq!(first.read(&mut [0; 8]).await.expect("reads"), 0, "the other end is told");
    drop(first);
    let relayed = relay.await.expect("joins");
    assert!(matches!(relayed.end, RelayEnd::Broken(_)), "{relayed:?}");
}

#[tokio::test]
async fn megabytes_pass_unchanged_in_both_directions_at_once() {
    const SIZE: usize = 3 << 20;
    let rig = rig();
    let up: Vec<u8> = (0..SIZE).map(|i| u8::try_from(i * 31 % 251).expect("small")).collect();
    let down: Vec<u8> = up.iter().rev().copied().collect();
    let exchange = |stream: DuplexStream, to_send: Vec<u8>| async move {
        let (mut read, mut write) = tokio::io::split(stream);
        let mut received = Vec::new();
        let send = async {
            write.write_all(&to_send).await.expect("writes");
            write.shutdown().await.expect("closes its half");
        };
        let (read, ()) = tokio::join!(read.read_to_end(&mut received), send);
        read.expect("reads");
        received
    };
    let (at_first, at_second) = tokio::join!(exchange(rig.first, up.clone()), exchange(rig.second, down.clone()));
    assert!(at_first == down && at_second == up, "the bytes are the same");
    let relayed = rig.relay.await.expect("joins");
    assert_eq!((relayed.from_first, relayed.from_second), (SIZE as u64, SIZE as u64));
}
