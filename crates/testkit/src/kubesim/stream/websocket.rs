//! WebSocket as carrier: channels of exec and attach, and the tunnel in which port-forward speaks SPDY.

use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::derive_accept_key,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use super::{
    process::Work,
    remote::{Outer, Output, Size, Wanted, pipes},
};

/// How long the client may take to answer our close.
const GOODBYE: Duration = Duration::from_secs(5);
const CHUNK: usize = 32 * 1024;

/// Channels, by the first byte of a message.
mod channel {
    pub(super) const STDIN: u8 = 0;
    pub(super) const STDOUT: u8 = 1;
    pub(super) const STDERR: u8 = 2;
    pub(super) const ERROR: u8 = 3;
    pub(super) const RESIZE: u8 = 4;
    pub(super) const CLOSE: u8 = 255;
}

/// Returns the answer to a `Sec-WebSocket-Key`.
pub(super) fn accept_key(key: &[u8]) -> String {
    derive_accept_key(key)
}

async fn open<IO: AsyncRead + AsyncWrite + Unpin>(io: IO) -> WebSocketStream<IO> {
    let config = WebSocketConfig::default()
        .read_buffer_size(8 * 1024)
        .max_message_size(Some(4 << 20))
        .max_frame_size(Some(4 << 20));
    WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await
}

fn message(channel: u8, piece: &[u8]) -> Message {
    let mut bytes = BytesMut::with_capacity(piece.len() + 1);
    bytes.put_u8(channel);
    bytes.put_slice(piece);
    Message::Binary(bytes.freeze())
}

/// Serves an exec or attach: version 5 of the protocol can also close stdin.
pub(super) async fn remote<IO>(io: IO, can_close: bool, wanted: Wanted, work: Work)
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sink, mut source) = open(io).await.split();
    let (outer, inner) = pipes(wanted);
    let Outer { mut stdin, resize, mut output } = outer;
    let reader = async {
        while let Some(Ok(received)) = source.next().await {
            let Message::Binary(bytes) = received else {
                if received.is_close() {
                    return;
                }
                continue;
            };
            match bytes.split_first() {
                Some((&channel::STDIN, _)) => {
                    if let Some(pipe) = &stdin {
                        // A process that has ended reads no more.
                        let _ = pipe.send(bytes.slice(1..)).await;
                    }
                }
                Some((&channel::RESIZE, text)) => {
                    if let Some(size) = Size::parse(text) {
                        let _ = resize.send(size).await;
                    }
                }
                Some((&channel::CLOSE, [channel::STDIN])) if can_close => drop(stdin.take()),
                _ => {}
            }
        }
    };
    let writer = async {
        // Tells the client that the streams are there.
        let first = if wanted.stdout { channel::STDOUT } else { channel::ERROR };
        sink.send(message(first, &[])).await?;
        let pump = async {
            while let Some(piece) = output.recv().await {
                match piece {
                    Output::Stdout(piece) if wanted.stdout => sink.send(message(channel::STDOUT, &piece)).await?,
                    Output::Stderr(piece) if wanted.stderr => sink.send(message(channel::STDERR, &piece)).await?,
                    _ => {}
                }
            }
            Ok::<(), tokio_tungstenite::tungstenite::Error>(())
        };
        let (status, pumped) = tokio::join!(work.run(inner), pump);
        pumped?;
        sink.send(message(channel::ERROR, status.to_string().as_bytes())).await?;
        sink.send(Message::Close(Some(CloseFrame { code: CloseCode::Normal, reason: "".into() }))).await
    };
    tokio::pin!(reader);
    let finished = tokio::select! {
        () = &mut reader => false,
        written = writer => written.is_ok(),
    };
    if finished {
        // The client says goodbye too; without it the connection goes anyway.
        let _ = tokio::time::timeout(GOODBYE, reader).await;
    }
}

/// Unwraps a tunnel: returns its bytes as a stream, and the future that carries them.
pub(super) async fn tunnel<IO>(io: IO) -> (DuplexStream, impl Future<Output = ()>)
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sink, mut source) = open(io).await.split();
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (mut from_session, mut to_session) = tokio::io::split(near);
    let inbound = async move {
        while let Some(Ok(received)) = source.next().await {
            match received {
                Message::Binary(bytes) if to_session.write_all(&bytes).await.is_err() => break,
                Message::Close(_) => break,
                _ => {}
            }
        }
        // The session may be gone already.
        let _ = to_session.shutdown().await;
    };
    let outbound = async move {
        let mut buffer = BytesMut::with_capacity(CHUNK);
        while let Ok(1..) = from_session.read_buf(&mut buffer).await {
            let piece: Bytes = buffer.split().freeze();
            if sink.send(Message::Binary(piece)).await.is_err() {
                return;
            }
            buffer.reserve(CHUNK);
        }
        // The client may be gone already.
        let _ = sink.close().await;
    };
    (far, async move {
        tokio::join!(inbound, outbound);
    })
}
