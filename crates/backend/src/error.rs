//! What can go wrong in a store, by whose fault.

use std::path::PathBuf;

use crate::{Key, Revision};

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller's: the item to create is there.
    #[error("{0} exists already")]
    Exists(Key),
    /// The caller's: there is no such item, or its time is over.
    #[error("{0} does not exist")]
    NotFound(Key),
    /// The caller's: somebody else changed the item.
    #[error("{key} was changed by somebody else: it has revision {current}, not {expected}")]
    Changed {
        /// The item.
        key: Key,
        /// The revision the caller named.
        expected: Revision,
        /// The revision it has.
        current: Revision,
    },
    /// The caller's: a value over [`crate::VALUE_MAX`].
    #[error("the value of {key} has {size} bytes, at most 1048576 can be stored")]
    TooLarge {
        /// The item.
        key: Key,
        /// The size of its value, in bytes.
        size: usize,
    },
    /// The watcher's: the log does not reach back, or not forward, to where it stands. List again, then watch from there.
    #[error("changes after revision {after} are no longer known; list again")]
    Compacted {
        /// Where the watcher stood.
        after: Revision,
    },
    /// The disk's: nothing can be written until there is room.
    #[error("no space is left to write {}; free some or move the data to a larger disk", path.display())]
    Full {
        /// The database.
        path: PathBuf,
    },
    /// The disk's: the content makes no sense.
    #[error("the database {} is damaged ({what}); restore it from a backup, or move it away to start anew", path.display())]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What does not fit, in the engine's words.
        what: String,
    },
    /// The operator's: another process has it.
    #[error("the database {} is in use by another process; stop that one first", path.display())]
    InUse {
        /// The database.
        path: PathBuf,
    },
    /// The operator's: a newer version has written it.
    #[error("the database {} has format {found}, this version reads up to {known}; run the newer version", path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format this version reads.
        known: i64,
    },
    /// Ours: the store has been closed.
    #[error("the store is closed")]
    Closed,
    /// Anything else the engine or the file system says.
    #[error("cannot {doing} in the database {}", path.display())]
    Engine {
        /// What was being done, as a verb and its object.
        doing: &'static str,
        /// The database.
        path: PathBuf,
        /// What the engine says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
