//! Where state is kept: one storage trait, its engines, one compliance suite.
//!
//! Only `auth` calls it. An engine keeps items (a key, a value, a revision, perhaps an end) under one revision that only
//! grows, and a bounded log of what changed, so that a watcher sees each change once and in order or is told to list again.

mod backend;
mod error;
mod item;
mod key;
pub mod sqlite;

pub use backend::{Answer, Backend, Watcher};
pub use error::Error;
pub use item::{Event, Item, Page, Range, Revision, VALUE_MAX, Write};
pub use key::{InvalidKey, Key, Prefix};
pub use sqlite::Sqlite;
