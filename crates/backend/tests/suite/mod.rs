//! The compliance suite, over the trait alone.

pub(crate) mod crash;
pub(crate) mod items;
pub(crate) mod races;
pub(crate) mod time;
pub(crate) mod watches;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use teleport_backend::{Backend, Error, Event, Key, Page, Prefix, Range, Revision, Watcher, Write};

pub(crate) type Store = Arc<dyn Backend>;

/// How many changes the log of the store under test keeps.
pub(crate) const LOG_EVENTS: u64 = 50;

/// Where the manual clocks of the suite stand at first.
pub(crate) fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().expect("a timestamp")
}

pub(crate) fn key(text: &str) -> Key {
    Key::parse(text).expect("a key")
}

pub(crate) fn prefix(text: &str) -> Prefix {
    Prefix::new(text.split('/').filter(|s| !s.is_empty())).expect("a prefix")
}

pub(crate) fn write(at: &str, value: &str) -> Write {
    Write::new(key(at), value.as_bytes().to_vec())
}

pub(crate) async fn list(store: &Store, below: &str) -> Page {
    store.range(Range { prefix: prefix(below), limit: 1000, after: None }).await.expect("a list")
}

pub(crate) async fn names(store: &Store, below: &str) -> Vec<String> {
    list(store, below).await.items.iter().map(|item| item.key.to_string()).collect()
}

pub(crate) async fn value(store: &Store, at: &str) -> Option<String> {
    let item = store.get(&key(at)).await.expect("an answer");
    item.map(|item| String::from_utf8(item.value.to_vec()).expect("text"))
}

/// Waits for the next change; a watcher that hangs fails the test instead of stopping it.
pub(crate) async fn next(watcher: &mut Box<dyn Watcher>) -> Result<Event, Error> {
    tokio::time::timeout(Duration::from_secs(30), watcher.next()).await.expect("the watcher hears something")
}

pub(crate) async fn watch(store: &Store, below: &str, after: Revision) -> Box<dyn Watcher> {
    store.watch(&prefix(below), after).await.expect("the watch begins")
}

/// Writes an event as `put /key value` or `delete /key`.
pub(crate) fn line(event: &Event) -> String {
    match event {
        Event::Put(item) => format!("put {} {}", item.key, String::from_utf8_lossy(&item.value)),
        Event::Delete { key, .. } => format!("delete {key}"),
    }
}
