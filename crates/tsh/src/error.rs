//! Every way `tsh` can fail, by whose fault it is, and the one line that says so.

use std::{error::Error as StdError, fmt, io, path::Path};

use jiff::Timestamp;
use teleport_api::ApiError;

use teleport_terminal::escape;
pub(crate) use teleport_terminal::reason;

type Source = Box<dyn StdError + Send + Sync>;

/// A failure, ready to be told to the user as `ERROR: what happened; what to do`.
#[derive(Debug)]
pub enum Error {
    /// The command line or the environment asks for something that cannot be.
    Usage {
        /// What is wrong.
        what: String,
        /// What to do.
        hint: String,
    },
    /// There is no login for this proxy.
    LoggedOut {
        /// The proxy as the user knows it; empty when none was ever used.
        proxy: String,
    },
    /// There was a login and it is over.
    Expired {
        /// The proxy as the user knows it.
        proxy: String,
        /// When it ended.
        at: Timestamp,
    },
    /// A file on this machine cannot be read or written.
    File {
        /// What was tried with which file.
        what: String,
        /// What to do.
        hint: String,
        /// Why not.
        source: Option<Source>,
    },
    /// The kubeconfig is in no state to be changed.
    Kubeconfig {
        /// What is wrong.
        what: String,
        /// What to do.
        hint: String,
    },
    /// Another `tsh` holds what is needed.
    Busy {
        /// What it holds.
        what: String,
        /// What to do.
        hint: String,
    },
    /// The proxy, or auth behind it, cannot be reached or does not answer as one.
    Unreachable {
        /// Who, and what was tried.
        what: String,
        /// What to do.
        hint: String,
        /// Why not.
        source: Option<Source>,
    },
    /// Somebody answers who cannot prove to be who they should.
    Untrusted {
        /// What did not match.
        what: String,
        /// What to do.
        hint: String,
        /// Why not.
        source: Option<Source>,
    },
    /// The auth service understood and said no.
    Refused(ApiError),
}

impl Error {
    /// Makes the error of a file operation named by its verb.
    pub(crate) fn file(verb: &str, path: &Path, source: io::Error) -> Self {
        Self::File {
            what: format!("cannot {verb} {}: {}", path.display(), reason(&source)),
            hint: teleport_terminal::advice(&source).into(),
            source: Some(source.into()),
        }
    }

    /// Makes a [`Error::Usage`].
    pub(crate) fn usage(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { what: what.into(), hint: hint.into() }
    }

    /// Returns what happened and what to do; the second is empty when there is nothing to say.
    pub(crate) fn texts(&self) -> (String, String) {
        match self {
            Self::Usage { what, hint }
            | Self::File { what, hint, .. }
            | Self::Kubeconfig { what, hint }
            | Self::Busy { what, hint }
            | Self::Unreachable { what, hint, .. }
            | Self::Untrusted { what, hint, .. } => (what.clone(), hint.clone()),
            Self::LoggedOut { proxy } if proxy.is_empty() => {
                ("you are not logged in".into(), "run: tsh login --proxy=HOST".into())
            }
            Self::LoggedOut { proxy } => {
                (format!("you are not logged in to {proxy}"), format!("run: tsh login --proxy={proxy}"))
            }
            Self::Expired { proxy, at } => (
                format!("your login to {proxy} expired at {}", crate::output::time::local(*at)),
                format!("run: tsh login --proxy={proxy}"),
            ),
            Self::Refused(error) => (error.message.clone(), error.hint.clone()),
        }
    }
}

/// Escaped: parts of it come from servers and files.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, hint) = self.texts();
        f.write_str(&escape(&what))?;
        if !hint.is_empty() {
            write!(f, "; {}", escape(&hint))?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::File { source, .. } | Self::Unreachable { source, .. } | Self::Untrusted { source, .. } => {
                source.as_deref().map(|source| source as &(dyn StdError + 'static))
            }
            _ => None,
        }
    }
}

impl From<ApiError> for Error {
    fn from(error: ApiError) -> Self {
        Self::Refused(error)
    }
}
