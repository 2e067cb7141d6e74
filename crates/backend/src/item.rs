//! What is kept, and what a watcher sees of it.

use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;

use crate::{Key, Prefix};

/// Largest value, in bytes.
pub const VALUE_MAX: usize = 1024 * 1024;

/// A point in the history of the whole store: every change has its own, later ones are greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Revision(u64);

impl Revision {
    /// Before the first change.
    pub const ZERO: Self = Self(0);

    /// Makes a revision from its number.
    pub fn new(number: u64) -> Self {
        Self(number)
    }

    /// Returns the number.
    pub fn number(self) -> u64 {
        self.0
    }

    /// Reads the decimal form that `Display` gives.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One item as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its name.
    pub key: Key,
    /// Its bytes, at most [`VALUE_MAX`].
    pub value: Bytes,
    /// The change that wrote it.
    pub revision: Revision,
    /// When it ceases to be, to the microsecond; `None` is never.
    pub expires: Option<Timestamp>,
}

/// One item to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Its name.
    pub key: Key,
    /// Its bytes, at most [`VALUE_MAX`].
    pub value: Bytes,
    /// When it ceases to be; `None` is never.
    pub expires: Option<Timestamp>,
}

impl Write {
    /// Makes an item that does not expire.
    pub fn new(key: Key, value: impl Into<Bytes>) -> Self {
        Self { key, value: value.into(), expires: None }
    }

    /// Sets when the item ceases to be.
    pub fn expires(mut self, at: Timestamp) -> Self {
        self.expires = Some(at);
        self
    }
}

/// Which items to list, in the order of their keys' bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// Below which path.
    pub prefix: Prefix,
    /// At most how many.
    pub limit: usize,
    /// Only keys after this one: [`Page::next`] of the page before.
    pub after: Option<Key>,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The items, in the order of their keys.
    pub items: Vec<Item>,
    /// The store's revision when the page was read. A watch from the first page's revision misses nothing of the list.
    pub revision: Revision,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<Key>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An item was written.
    Put(Item),
    /// An item was deleted, or its time was over.
    Delete {
        /// Which one.
        key: Key,
        /// The change that deleted it.
        revision: Revision,
    },
}

impl Event {
    /// Returns the revision of the change.
    pub fn revision(&self) -> Revision {
        match self {
            Self::Put(item) => item.revision,
            Self::Delete { revision, .. } => *revision,
        }
    }

    /// Returns the key of the item that changed.
    pub fn key(&self) -> &Key {
        match self {
            Self::Put(item) => &item.key,
            Self::Delete { key, .. } => key,
        }
    }
}
