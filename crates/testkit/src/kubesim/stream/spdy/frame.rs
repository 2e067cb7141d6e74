//! Frames of SPDY/3.1: reading within bounds, writing.

use std::io;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::headers::{Deflate, Inflate};

/// Longest frame that is read.
const MAX_FRAME: usize = 1 << 20;
const FIN: u8 = 1;
const VERSION: u16 = 3;

/// The frames that mean something here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    Open {
        id: u32,
        fin: bool,
        headers: Vec<(String, String)>,
    },
    Reply {
        id: u32,
    },
    Data {
        id: u32,
        fin: bool,
        data: Bytes,
    },
    Reset {
        id: u32,
    },
    Ping {
        id: u32,
    },
    GoAway,
    /// A frame that changes nothing: settings, window updates.
    Other,
}

/// Types of control frames.
mod kind {
    pub(super) const SYN_STREAM: u16 = 1;
    pub(super) const SYN_REPLY: u16 = 2;
    pub(super) const RST_STREAM: u16 = 3;
    pub(super) const PING: u16 = 6;
    pub(super) const GOAWAY: u16 = 7;
    pub(super) const HEADERS: u16 = 8;
}

/// Reads frames.
pub(super) struct FrameReader<R> {
    from: R,
    inflate: Inflate,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Reads from the start of a session.
    pub(super) fn new(from: R) -> Self {
        Self { from, inflate: Inflate::new() }
    }

    /// Returns the next frame; `None` when the peer has closed between frames. Not cancel safe.
    pub(super) async fn next(&mut self) -> io::Result<Option<Frame>> {
        let mut head = [0; 8];
        if self.from.read(head.get_mut(..1).unwrap_or_default()).await? == 0 {
            return Ok(None);
        }
        self.from.read_exact(head.get_mut(1..).unwrap_or_default()).await?;
        let [a, b, c, d, flags, high, middle, low] = head;
        let length = usize::try_from(u32::from_be_bytes([0, high, middle, low])).unwrap_or(usize::MAX);
        if length > MAX_FRAME {
            return Err(broken("a frame is too long"));
        }
        let mut payload = vec![0; length];
        self.from.read_exact(&mut payload).await?;
        let payload = Bytes::from(payload);
        let word = u32::from_be_bytes([a, b, c, d]);
        if word >> 31 == 0 {
            return Ok(Some(Frame::Data { id: word, fin: flags & FIN != 0, data: payload }));
        }
        if u16::from_be_bytes([a & 0x7f, b]) != VERSION {
            return Err(broken("the version is not 3"));
        }
        self.control(u16::from_be_bytes([c, d]), flags, payload).map(Some)
    }

    fn control(&mut self, of: u16, flags: u8, mut payload: Bytes) -> io::Result<Frame> {
        let fin = flags & FIN != 0;
        let number = |payload: &mut Bytes| payload.try_get_u32().map_err(|_| broken("a frame is too short"));
        Ok(match of {
            kind::SYN_STREAM => {
                let id = number(&mut payload)? & 0x7fff_ffff;
                number(&mut payload)?;
                payload.try_get_u16().map_err(|_| broken("a frame is too short"))?;
                Frame::Open { id, fin, headers: self.inflate.block(&payload)? }
            }
            kind::SYN_REPLY | kind::HEADERS => {
                number(&mut payload)?;
                // The compression state runs through every header block of the session.
                self.inflate.block(&payload)?;
                Frame::Other
            }
            kind::RST_STREAM => Frame::Reset { id: number(&mut payload)? & 0x7fff_ffff },
            kind::PING => Frame::Ping { id: number(&mut payload)? },
            kind::GOAWAY => Frame::GoAway,
            _ => Frame::Other,
        })
    }
}

/// Writes frames.
pub(super) struct FrameWriter<W> {
    to: W,
    deflate: Deflate,
}

impl<W: AsyncWrite + Unpin> FrameWriter<W> {
    /// Writes from the start of a session.
    pub(super) fn new(to: W) -> Self {
        Self { to, deflate: Deflate::new() }
    }

    /// Writes and flushes a frame. Not cancel safe.
    pub(super) async fn write(&mut self, frame: Frame) -> io::Result<()> {
        let bytes = self.encode(frame)?;
        self.to.write_all(&bytes).await?;
        self.to.flush().await
    }

    fn encode(&mut self, frame: Frame) -> io::Result<BytesMut> {
        let mut payload = BytesMut::new();
        let (of, flags) = match frame {
            Frame::Data { id, fin, data } => {
                let mut bytes = BytesMut::with_capacity(8 + data.len());
                bytes.put_u32(id);
                put_length(&mut bytes, u8::from(fin), data.len());
                bytes.put_slice(&data);
                return Ok(bytes);
            }
            Frame::Open { id, fin, headers } => {
                payload.put_u32(id);
                payload.put_u32(0);
                payload.put_u16(0);
                payload.put_slice(&self.deflate.block(&headers)?);
                (kind::SYN_STREAM, u8::from(fin))
            }
            Frame::Reply { id } => {
                payload.put_u32(id);
                payload.put_slice(&self.deflate.block(&[])?);
                (kind::SYN_REPLY, 0)
            }
            Frame::Reset { id } => {
                payload.put_u32(id);
                // REFUSED_STREAM
                payload.put_u32(3);
                (kind::RST_STREAM, 0)
            }
            Frame::Ping { id } => {
                payload.put_u32(id);
                (kind::PING, 0)
            }
            Frame::GoAway => {
                payload.put_u64(0);
                (kind::GOAWAY, 0)
            }
            Frame::Other => return Ok(payload),
        };
        let mut bytes = BytesMut::with_capacity(8 + payload.len());
        bytes.put_u16(0x8000 | VERSION);
        bytes.put_u16(of);
        put_length(&mut bytes, flags, payload.len());
        bytes.put_slice(&payload);
        Ok(bytes)
    }
}

fn put_length(bytes: &mut BytesMut, flags: u8, length: usize) {
    bytes.put_u8(flags);
    bytes.put_uint(u64::try_from(length).unwrap_or(u64::MAX), 3);
}

fn broken(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_are_read_as_they_were_written() {
        let (near, far) = tokio::io::duplex(1 << 16);
        let mut writer = FrameWriter::new(near);
        let mut reader = FrameReader::new(far);
        let headers = vec![("streamtype".to_owned(), "stdin".to_owned()), ("port".to_owned(), "80".to_owned())];
        let frames = [
            Frame::Open { id: 1, fin: false, headers: headers.clone() },
            Frame::Open { id: 3, fin: true, headers },
            Frame::Data { id: 1, fin: true, data: Bytes::from_static(b"hello") },
            Frame::Reset { id: 3 },
            Frame::Ping { id: 7 },
        ];
        for frame in frames {
            writer.write(frame.clone()).await.unwrap();
            assert_eq!(reader.next().await.unwrap(), Some(frame));
        }
        drop(writer);
        assert_eq!(reader.next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn lengths_beyond_the_bound_and_short_frames_are_refused() {
        for bytes in
            [&[0, 0, 0, 1, 0, 0xff, 0xff, 0xff][..], &[0x80, 3, 0, 1, 0, 0, 0, 2, 0, 0], &[0x80, 2, 0, 6, 0, 0, 0, 0]]
        {
            assert!(FrameReader::new(bytes).next().await.is_err());
        }
    }
}
