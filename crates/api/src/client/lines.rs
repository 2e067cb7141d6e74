//! An answer read line by line, for the watch and for exports.

use bytes::{Buf as _, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::ClientError;

/// The longest line accepted; a stored document has at most 1 MiB.
const LINE_MAX: usize = 4 * 1024 * 1024;

/// Lines of an answer, as they come.
#[derive(Debug)]
pub struct Lines {
    body: Incoming,
    buffer: BytesMut,
    searched: usize,
}

impl Lines {
    pub(super) fn new(body: Incoming) -> Self {
        Self { body, buffer: BytesMut::new(), searched: 0 }
    }

    /// Waits for the next line, without its end; `None` when the answer is over. Cancel safe.
    ///
    /// # Errors
    /// When the connection breaks, in the middle of a line too, or a line is too long.
    pub async fn next(&mut self) -> Result<Option<BytesMut>, ClientError> {
        loop {
            if let Some(end) = self.buffer.iter().skip(self.searched).position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(self.searched + end);
                self.buffer.advance(1);
                self.searched = 0;
                return Ok(Some(line));
            }
            self.searched = self.buffer.len();
            if self.buffer.len() > LINE_MAX {
                return Err(ClientError::broken("a line of the answer is too long"));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Err(ClientError::broken(error)),
                None if self.buffer.is_empty() => return Ok(None),
                None => return Err(ClientError::broken("the answer ends in the middle of a line")),
            }
        }
    }
}
