//! Watches: order, no gaps, and a plain word when there would be one.

use futures_util::future::join_all;
use teleport_backend::{Error, Event, Revision};
use teleport_runtime::Clock;

use super::{LOG_EVENTS, Store, key, line, list, names, next, prefix, watch, write};

pub(crate) async fn a_watch_replays_from_its_revision_without_gaps(store: &Store, _clock: &Clock) {
    store.put(write("/w/a", "1")).await.expect("put");
    let middle = store.put(write("/w/b", "2")).await.expect("put");
    store.put(write("/w/a", "3")).await.expect("put");
    store.delete(&key("/w/b"), None).await.expect("deleted");
    let mut watcher = watch(store, "/w", middle).await;
    store.put(write("/w/c", "4")).await.expect("put");
    let mut last = middle;
    for expected in ["put /w/a 3", "delete /w/b", "put /w/c 4"] {
        let event = next(&mut watcher).await.expect("an event");
        assert_eq!(line(&event), expected);
        assert!(event.revision() > last);
        last = event.revision();
    }
}

pub(crate) async fn a_watch_sees_its_prefix_only(store: &Store, _clock: &Clock) {
    let mut watcher = watch(store, "/a", Revision::ZERO).await;
    for at in ["/ab", "/a", "/a/b", "/a-b/c", "/b/a/c", "/a/c"] {
        store.put(write(at, "x")).await.expect("put");
    }
    store.delete_range(&prefix("/")).await.expect("deleted");
    for expected in ["put /a/b x", "put /a/c x", "delete /a/b", "delete /a/c"] {
        assert_eq!(line(&next(&mut watcher).await.expect("an event")), expected);
    }
}

/// A reader that lists and then applies what it watches ends with exactly what is stored, whatever is written meanwhile.
pub(crate) async fn a_list_and_a_watch_from_it_miss_nothing(store: &Store, _clock: &Clock) {
    store.put(write("/w/0", "x")).await.expect("put");
    let writer = {
        let store = store.clone();
        tokio::spawn(async move {
            for n in 0..20_u32 {
                let writes = (0..2).map(|k| store.put(write(&format!("/w/{}", (n * 2 + k) % 7), &n.to_string())));
                assert!(join_all(writes).await.iter().all(Result::is_ok));
            }
            store.put(write("/w/end", "x")).await.expect("put")
        })
    };
    let page = list(store, "/w").await;
    let mut view: std::collections::BTreeMap<_, _> =
        page.items.into_iter().map(|item| (item.key, item.value)).collect();
    let (mut watcher, mut last) = (watch(store, "/w", page.revision).await, page.revision);
    while !view.contains_key(&key("/w/end")) {
        let event = next(&mut watcher).await.expect("an event");
        assert_eq!(event.revision().number(), last.number() + 1, "every change of this store is below the prefix");
        last = event.revision();
        match event {
            Event::Put(item) => view.insert(item.key, item.value),
            Event::Delete { key, .. } => view.remove(&key),
        };
    }
    assert_eq!(writer.await.expect("the writer ends"), last);
    let stored: std::collections::BTreeMap<_, _> =
        list(store, "/w").await.items.into_iter().map(|item| (item.key, item.value)).collect();
    assert_eq!(view, stored);
}

pub(crate) async fn a_watch_from_a_compacted_revision_is_told_to_list(store: &Store, _clock: &Clock) {
    let first = store.put(write("/w/a", "0")).await.expect("put");
    for n in 0..LOG_EVENTS + 5 {
        store.put(write("/w/a", &n.to_string())).await.expect("put");
    }
    let refused = store.watch(&prefix("/w"), first).await.expect_err("too old");
    assert!(matches!(refused, Error::Compacted { after } if after == first), "{refused}");
    let page = list(store, "/w").await;
    let mut watcher = watch(store, "/w", page.revision).await;
    store.put(write("/w/b", "x")).await.expect("put");
    assert_eq!(line(&next(&mut watcher).await.expect("an event")), "put /w/b x");
}

pub(crate) async fn a_watcher_that_falls_behind_is_told_and_never_skips(store: &Store, _clock: &Clock) {
    let mut watcher = watch(store, "/w", Revision::ZERO).await;
    store.put(write("/w/a", "0")).await.expect("put");
    let mut last = next(&mut watcher).await.expect("an event").revision();
    for n in 0..LOG_EVENTS * 3 {
        store.put(write("/w/a", &n.to_string())).await.expect("put");
    }
    let ended = loop {
        match next(&mut watcher).await {
            Ok(event) => {
                assert_eq!(event.revision().number(), last.number() + 1, "no gap before the word");
                last = event.revision();
            }
            Err(error) => break error,
        }
    };
    assert!(matches!(ended, Error::Compacted { .. }), "{ended}");
}

pub(crate) async fn a_watch_from_the_future_is_told_to_list(store: &Store, _clock: &Clock) {
    let now = store.put(write("/w/a", "0")).await.expect("put");
    let refused = store.watch(&prefix("/w"), Revision::new(now.number() + 1)).await.expect_err("not yet");
    assert!(matches!(refused, Error::Compacted { .. }), "{refused}");
    assert_eq!(names(store, "/w").await, ["/w/a"]);
}

pub(crate) async fn a_waiting_watcher_ends_when_the_store_closes(store: &Store, _clock: &Clock) {
    let mut watcher = watch(store, "/w", Revision::ZERO).await;
    let waiting = tokio::spawn(async move { next(&mut watcher).await });
    store.close().await.expect("closed");
    assert!(matches!(waiting.await.expect("the watcher ends"), Err(Error::Closed)));
}
