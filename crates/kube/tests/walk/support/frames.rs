//! HTTP/2 frame by frame (RFC 9113), for what no client library would send.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{DEADLINE, TlsConn};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection on which a test writes the frames it likes.
pub struct Frames {
    pub conn: TlsConn,
    pending: Vec<u8>,
}

/// Writes one frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Writes the header block of a request, nothing indexed but the names (RFC 7541 §6.2.2).
pub fn block(method: &str, path: &str) -> Vec<u8> {
    let literal = |name: u8, value: &str| {
        let length = u8::try_from(value.len()).ok().filter(|length| *length < 127).expect("a short value");
        [&[name, length], value.as_bytes()].concat()
    };
    [literal(2, method), vec![0x87], literal(4, path), literal(1, "x")].concat()
}

impl Frames {
    /// Opens the connection, settings included.
    pub async fn new(mut conn: TlsConn) -> Self {
        conn.write_all(PREFACE).await.expect("written");
        conn.write_all(&frame(SETTINGS, 0, 0, b"")).await.expect("written");
        conn.flush().await.expect("flushed");
        Self { conn, pending: Vec::new() }
    }

    /// Writes; `Err` when the far end has closed, or takes nothing any more.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), ()> {
        let written = async {
            self.conn.write_all(bytes).await?;
            self.conn.flush().await
        };
        match tokio::time::timeout(std::time::Duration::from_secs(2), written).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(()),
        }
    }

    /// Reads a frame; `None` when the far end has closed.
    pub async fn next(&mut self) -> Option<(u8, u32, Vec<u8>)> {
        let read = async {
            loop {
                if let Some((head, rest)) = self.pending.split_first_chunk::<9>() {
                    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                    if let Some(payload) = rest.get(..length) {
                        let (kind, stream) = (head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]));
                        let payload = payload.to_vec();
                        self.pending.drain(..9 + length);
                        return Some((kind, stream, payload));
                    }
                }
                if self.conn.read_buf(&mut self.pending).await.unwrap_or(0) == 0 {
                    return None;
                }
            }
        };
        tokio::time::timeout(DEADLINE, read).await.expect("the far end says something in time")
    }

    /// Reads until a stream is answered with headers or reset; returns the frame's kind and payload.
    pub async fn answer(&mut self, stream: u32) -> Option<(u8, Vec<u8>)> {
        loop {
            let (kind, on, payload) = self.next().await?;
            if on == stream && matches!(kind, HEADERS | RST_STREAM) {
                return Some((kind, payload));
            }
        }
    }
}

/// Tells whether a header block begins with status 200, which has an index of its own.
pub fn is_ok(answer: Option<(u8, Vec<u8>)>) -> bool {
    // A change of the table's size may stand before it.
    answer.is_some_and(|(kind, block)| kind == HEADERS && block.iter().take(4).any(|byte| *byte == 0x88))
}
