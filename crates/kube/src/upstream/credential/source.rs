//! Where a text of the configuration is: in it, or in a file that may change.

use std::{fmt, path::PathBuf};

use tokio::io::AsyncReadExt as _;
use zeroize::Zeroizing;

use super::CredentialError;

/// Longest file read.
const LONGEST: u64 = 1 << 20;

/// A text given in the configuration, or the file that holds it. Never printed.
#[derive(Clone)]
pub enum Source {
    /// The text itself.
    Inline(Zeroizing<Vec<u8>>),
    /// The file it is in, read again as it changes.
    File(PathBuf),
}

impl Source {
    /// Reads the text; `what` names it in errors.
    pub(super) async fn read(&self, what: &'static str) -> Result<Zeroizing<Vec<u8>>, CredentialError> {
        let path = match self {
            Self::Inline(text) => return Ok(text.clone()),
            Self::File(path) => path,
        };
        let read = async {
            let file = tokio::fs::File::open(path).await?;
            let mut text = Zeroizing::new(Vec::new());
            file.take(LONGEST + 1).read_to_end(&mut text).await?;
            Ok(text)
        };
        let text =
            read.await.map_err(|source| CredentialError::File { what, path: path.display().to_string(), source })?;
        if text.len() as u64 > LONGEST {
            return Err(CredentialError::Unusable { what, reason: format!("its file is longer than {LONGEST} bytes") });
        }
        Ok(text)
    }

    pub(super) fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(_) => f.write_str("Inline(..)"),
            Self::File(path) => write!(f, "File({})", path.display()),
        }
    }
}
