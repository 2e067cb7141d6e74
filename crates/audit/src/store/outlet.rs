//! Copies of the log beside the store, for programs that carry logs away: standard output or a file.
//!
//! Lines are the store's own, records and signed heads, so the copy can be verified by itself. A line can come twice
//! (same writer and seq), never not at all: while an outlet fails, services keep their records in the spool.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use crate::AuditError;

/// One copy.
#[derive(Debug)]
pub struct Outlet {
    name: PathBuf,
    to: To,
}

#[derive(Debug)]
enum To {
    Stdout,
    File(File),
}

impl Outlet {
    /// Copies to standard output.
    pub fn stdout() -> Self {
        Self { name: PathBuf::from("standard output"), to: To::Stdout }
    }

    /// Copies to a file, appending; made with mode 0600 when it is missing.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn file(path: &Path) -> Result<Self, AuditError> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
        Ok(Self { name: path.to_path_buf(), to: To::File(file.map_err(AuditError::storage("open", path))?) })
    }

    pub(super) fn write(&mut self, lines: &[u8]) -> Result<(), AuditError> {
        let written = match &mut self.to {
            To::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(lines).and_then(|()| out.flush())
            }
            To::File(file) => file.write_all(lines),
        };
        written.map_err(AuditError::storage("copy to", self.name.as_path()))
    }
}
