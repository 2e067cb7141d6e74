//! Lines of a file from its end to its beginning, in blocks, so that the newest of a huge log are found at once.

use std::{
    fs::File,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use crate::AuditError;

const BLOCK: u64 = 64 * 1024;

/// A walk over the lines of a file, last one first.
pub(super) struct Lines {
    file: File,
    path: PathBuf,
    /// Where `held` begins in the file.
    start: u64,
    /// Bytes that are read and not returned yet.
    held: Vec<u8>,
}

/// One line, without its line feed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RawLine {
    pub(super) bytes: Vec<u8>,
    pub(super) offset: u64,
    /// Whether a line feed follows.
    pub(super) ended: bool,
}

impl Lines {
    /// Begins at `end` bytes into the file.
    pub(super) fn backward(path: &Path, end: u64) -> Result<Self, AuditError> {
        let file = File::open(path).map_err(AuditError::storage("open", path))?;
        Ok(Self { file, path: path.to_path_buf(), start: end, held: Vec::new() })
    }

    /// Returns the line before the last one returned.
    pub(super) fn previous(&mut self) -> Result<Option<Vec<u8>>, AuditError> {
        Ok(self.previous_raw()?.map(|line| line.bytes))
    }

    /// As [`Lines::previous`], with where the line is.
    pub(super) fn previous_raw(&mut self) -> Result<Option<RawLine>, AuditError> {
        // The line feed that ends this line is not the one that ended the line before.
        let mut searched = 0;
        loop {
            let ended = self.held.last() == Some(&b'\n');
            let body = self.held.len() - usize::from(ended);
            let unsearched = body.saturating_sub(searched);
            let before = self.held.get(..unsearched).and_then(|held| held.iter().rposition(|byte| *byte == b'\n'));
            if let Some(at) = before {
                return Ok(Some(self.split(at + 1, ended)));
            }
            if self.start == 0 {
                return Ok((!self.held.is_empty()).then(|| self.split(0, ended)));
            }
            searched = body;
            self.read_block()?;
        }
    }

    fn split(&mut self, at: usize, ended: bool) -> RawLine {
        let mut bytes = self.held.split_off(at);
        if ended {
            bytes.pop();
        }
        RawLine { bytes, offset: self.start + at as u64, ended }
    }

    fn read_block(&mut self) -> Result<(), AuditError> {
        let size = BLOCK.min(self.start);
        let mut block = vec![0; usize::try_from(size).expect("a block is small")];
        let storage = AuditError::storage("read", self.path.as_path());
        self.file.read_exact_at(&mut block, self.start - size).map_err(storage)?;
        self.start -= size;
        block.append(&mut self.held);
        self.held = block;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backward(content: &[u8]) -> Vec<(Vec<u8>, u64, bool)> {
        let file = tempfile::NamedTempFile::new().expect("temp file");
        std::fs::write(file.path(), content).expect("write");
        let mut lines = Lines::backward(file.path(), content.len() as u64).expect("open");
        std::iter::from_fn(|| lines.previous_raw().expect("read"))
            .map(|line| (line.bytes, line.offset, line.ended))
            .collect()
    }

    #[test]
    fn lines_come_last_first_with_their_places() {
        assert_eq!(backward(b""), []);
        assert_eq!(backward(b"a"), [(b"a".to_vec(), 0, false)]);
        assert_eq!(
            backward(b"a\n\nbc\nd"),
            [(b"d".to_vec(), 6, false), (b"bc".to_vec(), 3, true), (b"".to_vec(), 2, true), (b"a".to_vec(), 0, true)]
        );
    }

    #[test]
    fn lines_longer_than_a_block_are_whole() {
        let long = "x".repeat(200_000);
        let read = backward(format!("first\n{long}\nlast\n").as_bytes());
        assert_eq!(read.iter().map(|line| line.0.len()).collect::<Vec<_>>(), [4, 200_000, 5]);
    }
}
