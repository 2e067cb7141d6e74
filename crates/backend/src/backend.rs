//! The storage trait. `tests/compliance.rs` is what it means; every engine passes it.

use std::{fmt, future::Future, pin::Pin};

use crate::{Error, Event, Item, Key, Page, Prefix, Range, Revision, Write};

/// What an engine answers, some time later.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// A store of items under one growing revision.
///
/// An answer to a write means the write is durable. A caller that stops waiting does not know whether it was done.
/// An item whose time is over is as good as gone for every method, whether it has been swept away yet or not.
pub trait Backend: Send + Sync + fmt::Debug {
    /// Returns an item.
    fn get<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Item>>;

    /// Lists items below a prefix.
    fn range(&self, range: Range) -> Answer<'_, Page>;

    /// Writes an item that must not exist yet; [`Error::Exists`] when it does.
    fn create(&self, write: Write) -> Answer<'_, Revision>;

    /// Writes an item, new or not.
    fn put(&self, write: Write) -> Answer<'_, Revision>;

    /// Replaces an item that still has revision `expected`; else [`Error::Changed`] or [`Error::NotFound`].
    fn compare_and_swap(&self, write: Write, expected: Revision) -> Answer<'_, Revision>;

    /// Deletes an item, with `expected` only in that revision; else [`Error::Changed`] or [`Error::NotFound`].
    fn delete<'a>(&'a self, key: &'a Key, expected: Option<Revision>) -> Answer<'a, Revision>;

    /// Deletes everything below a prefix at once and returns how many items that were.
    fn delete_range<'a>(&'a self, prefix: &'a Prefix) -> Answer<'a, u64>;

    /// Watches what changes below a prefix after revision `after`, in order and without gaps.
    ///
    /// Gives [`Error::Compacted`] at once when the log does not reach back to `after`, or when `after` lies in the future
    /// (an older copy of the store was restored).
    fn watch<'a>(&'a self, prefix: &'a Prefix, after: Revision) -> Answer<'a, Box<dyn Watcher>>;

    /// Ends the store: writes already accepted are finished, everything after gets [`Error::Closed`].
    fn close(&self) -> Answer<'_, ()>;
}

/// One watch on a [`Backend`].
pub trait Watcher: Send + fmt::Debug {
    /// Waits for the next change. Cancel safe.
    ///
    /// A watcher too slow for the log gets [`Error::Compacted`], never a gap; it is of no more use then.
    fn next(&mut self) -> Answer<'_, Event>;
}
