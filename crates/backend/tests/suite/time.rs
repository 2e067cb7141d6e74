//! Items with an end, and clocks that jump.

use std::time::Duration;

use jiff::Timestamp;
use teleport_backend::{Error, Revision};
use teleport_runtime::Clock;

use super::{Store, key, line, list, names, next, value, watch, write};

fn after(clock: &Clock, seconds: u64) -> Timestamp {
    clock.now().saturating_add(Duration::from_secs(seconds)).expect("a time")
}

pub(crate) async fn an_item_is_gone_when_its_time_is_over(store: &Store, clock: &Clock) {
    store.put(write("/t/short", "x").expires(after(clock, 10))).await.expect("put");
    store.put(write("/t/long", "x").expires(after(clock, 100))).await.expect("put");
    store.put(write("/t/ever", "x")).await.expect("put");
    clock.advance(Duration::from_millis(9_999));
    assert_eq!(names(store, "/t").await.len(), 3);
    clock.advance(Duration::from_millis(1));
    assert_eq!(value(store, "/t/short").await, None, "reads do not wait for the sweep");
    assert_eq!(names(store, "/t").await, ["/t/ever", "/t/long"]);
}

pub(crate) async fn watchers_hear_of_the_end(store: &Store, clock: &Clock) {
    for n in 0..5 {
        store.put(write(&format!("/t/{n}"), "x").expires(after(clock, 10 + n))).await.expect("put");
    }
    let mut watcher = watch(store, "/t", list(store, "/t").await.revision).await;
    clock.advance(Duration::from_secs(12));
    let mut heard = Vec::new();
    for _ in 0..3 {
        heard.push(line(&next(&mut watcher).await.expect("an event")));
    }
    assert_eq!(heard, ["delete /t/0", "delete /t/1", "delete /t/2"]);
    clock.advance(Duration::from_secs(1));
    assert_eq!(line(&next(&mut watcher).await.expect("an event")), "delete /t/3");
}

pub(crate) async fn an_expired_item_can_be_created_anew(store: &Store, clock: &Clock) {
    store.create(write("/t", "old").expires(after(clock, 10))).await.expect("created");
    clock.advance(Duration::from_secs(10));
    store.create(write("/t", "new")).await.expect("the old one counts as gone");
    assert_eq!(value(store, "/t").await.as_deref(), Some("new"));
    clock.advance(Duration::from_secs(3600));
    store.put(write("/other", "x")).await.expect("put");
    assert_eq!(value(store, "/t").await.as_deref(), Some("new"), "the old end does not hold for the new item");
}

pub(crate) async fn an_expired_item_cannot_be_swapped_or_deleted(store: &Store, clock: &Clock) {
    let revision = store.create(write("/t", "old").expires(after(clock, 10))).await.expect("created");
    clock.advance(Duration::from_secs(10));
    assert!(matches!(store.compare_and_swap(write("/t", "new"), revision).await, Err(Error::NotFound(_))));
    assert!(matches!(store.delete(&key("/t"), None).await, Err(Error::NotFound(_))));
}

pub(crate) async fn a_longer_life_replaces_a_shorter_one(store: &Store, clock: &Clock) {
    let first = store.put(write("/t", "1").expires(after(clock, 10))).await.expect("put");
    store.compare_and_swap(write("/t", "2").expires(after(clock, 100)), first).await.expect("swapped");
    clock.advance(Duration::from_secs(50));
    store.put(write("/other", "x")).await.expect("put");
    assert_eq!(value(store, "/t").await.as_deref(), Some("2"));
}

/// Revisions and events are counted, not timed: an hour back changes neither their order nor their number.
pub(crate) async fn the_clock_may_jump_back(store: &Store, clock: &Clock) {
    let mut watcher = watch(store, "/", Revision::ZERO).await;
    let noon = clock.now();
    let first = store.put(write("/t/a", "1").expires(after(clock, 60))).await.expect("put");
    clock.advance(Duration::from_secs(60));
    assert_eq!(line(&next(&mut watcher).await.expect("an event")), "put /t/a 1");
    assert_eq!(line(&next(&mut watcher).await.expect("an event")), "delete /t/a");
    clock.set(noon.saturating_sub(Duration::from_secs(3600)).expect("a time"));
    assert_eq!(value(store, "/t/a").await, None, "what was swept away does not come back");
    let second = store.put(write("/t/b", "2").expires(after(clock, 60))).await.expect("put");
    assert!(second.number() > first.number() + 1);
    assert_eq!(line(&next(&mut watcher).await.expect("an event")), "put /t/b 2");
    clock.advance(Duration::from_secs(59));
    assert_eq!(value(store, "/t/b").await.as_deref(), Some("2"));
    clock.advance(Duration::from_secs(1));
    assert_eq!(line(&next(&mut watcher).await.expect("an event")), "delete /t/b");
    let third = store.put(write("/t/a", "3")).await.expect("put");
    assert_eq!(next(&mut watcher).await.expect("an event").revision(), third);
}
