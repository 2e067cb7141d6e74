//! Items: reading, writing, listing, sizes.

use teleport_backend::{Error, Page, Range, Revision, VALUE_MAX, Write};
use teleport_runtime::Clock;

use super::{Store, key, list, names, prefix, value, write};

pub(crate) async fn an_item_reads_back_as_written(store: &Store, clock: &Clock) {
    let expires = clock.now().saturating_add(std::time::Duration::from_secs(60)).expect("a time");
    let bytes: Vec<u8> = (0..=255).collect();
    let revision = store.create(Write::new(key("/a/b"), bytes.clone()).expires(expires)).await.expect("created");
    let item = store.get(&key("/a/b")).await.expect("an answer").expect("an item");
    assert_eq!(
        (item.key, item.value.to_vec(), item.revision, item.expires),
        (key("/a/b"), bytes, revision, Some(expires))
    );
    assert_eq!(store.get(&key("/a/c")).await.expect("an answer"), None);
}

pub(crate) async fn create_refuses_what_is_there(store: &Store, _clock: &Clock) {
    store.create(write("/a", "1")).await.expect("created");
    let refused = store.create(write("/a", "2")).await.expect_err("it is there");
    assert!(matches!(refused, Error::Exists(_)), "{refused}");
    assert_eq!(value(store, "/a").await.as_deref(), Some("1"));
}

pub(crate) async fn put_replaces(store: &Store, _clock: &Clock) {
    let first = store.put(write("/a", "1")).await.expect("put");
    let second = store.put(write("/a", "2")).await.expect("put");
    assert!(second > first);
    assert_eq!(value(store, "/a").await.as_deref(), Some("2"));
}

pub(crate) async fn delete_tells_whether_there_was_anything(store: &Store, _clock: &Clock) {
    let first = store.put(write("/a", "1")).await.expect("put");
    let second = store.put(write("/a", "2")).await.expect("put");
    let changed = store.delete(&key("/a"), Some(first)).await.expect_err("an old revision");
    assert!(matches!(changed, Error::Changed { current, .. } if current == second), "{changed}");
    let gone = store.delete(&key("/a"), Some(second)).await.expect("deleted");
    assert!(gone > second);
    let missing = store.delete(&key("/a"), None).await.expect_err("nothing is there");
    assert!(matches!(missing, Error::NotFound(_)), "{missing}");
}

pub(crate) async fn a_prefix_ends_at_the_slash(store: &Store, _clock: &Clock) {
    for at in ["/a", "/a/b", "/a/c/d", "/a-b/c", "/ab", "/ab/c", "/a0/b", "/b"] {
        store.put(write(at, "x")).await.expect("put");
    }
    assert_eq!(names(store, "/a").await, ["/a/b", "/a/c/d"]);
    assert_eq!(names(store, "/a/c").await, ["/a/c/d"]);
    assert_eq!(names(store, "/").await.len(), 8);
}

pub(crate) async fn pages_join_into_the_whole_list(store: &Store, _clock: &Clock) {
    let mut expected = Vec::new();
    for n in 0..23 {
        expected.push(format!("/p/{n:02}"));
        store.put(write(&format!("/p/{n:02}"), "x")).await.expect("put");
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let Page { items, next, .. } =
            store.range(Range { prefix: prefix("/p"), limit: 5, after }).await.expect("a page");
        assert!(items.len() <= 5);
        seen.extend(items.iter().map(|item| item.key.to_string()));
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, expected);
    let exact = store.range(Range { prefix: prefix("/p"), limit: 23, after: None }).await.expect("a page");
    assert_eq!(exact.next, None, "a page that holds the last item is the last page");
}

pub(crate) async fn a_value_of_one_mebibyte_fits_and_one_byte_more_is_refused(store: &Store, _clock: &Clock) {
    store.put(Write::new(key("/big"), vec![7; VALUE_MAX])).await.expect("it fits");
    let item = store.get(&key("/big")).await.expect("an answer").expect("an item");
    assert!(item.value.len() == VALUE_MAX && item.value.iter().all(|byte| *byte == 7));
    for refused in [
        store.put(Write::new(key("/big"), vec![8; VALUE_MAX + 1])).await,
        store.create(Write::new(key("/new"), vec![8; VALUE_MAX + 1])).await,
        store.compare_and_swap(Write::new(key("/big"), vec![8; VALUE_MAX + 1]), item.revision).await,
    ] {
        let refused = refused.expect_err("too large");
        assert!(matches!(refused, Error::TooLarge { size, .. } if size == VALUE_MAX + 1), "{refused}");
    }
    assert_eq!(list(store, "/").await.revision, item.revision, "a refusal changes nothing");
}

pub(crate) async fn delete_range_takes_what_is_below_and_nothing_else(store: &Store, _clock: &Clock) {
    for at in ["/a", "/a/b", "/a/c/d", "/ab", "/b/c"] {
        store.put(write(at, "x")).await.expect("put");
    }
    assert_eq!(store.delete_range(&prefix("/a")).await.expect("deleted"), 2);
    assert_eq!(names(store, "/").await, ["/a", "/ab", "/b/c"]);
    assert_eq!(store.delete_range(&prefix("/a")).await.expect("deleted"), 0);
}

pub(crate) async fn a_closed_store_says_so(store: &Store, _clock: &Clock) {
    store.put(write("/a", "1")).await.expect("put");
    store.close().await.expect("closed");
    assert!(matches!(store.put(write("/a", "2")).await, Err(Error::Closed)));
    assert!(matches!(store.get(&key("/a")).await, Err(Error::Closed)));
}

/// Fills a store for [`is_filled`].
pub(crate) async fn fill(store: &Store) -> Revision {
    for n in 0..20 {
        store.put(write(&format!("/f/{n}"), &n.to_string())).await.expect("put");
    }
    store.delete(&key("/f/7"), None).await.expect("deleted")
}

/// Checks what [`fill`] left, and that revisions go on from there.
pub(crate) async fn is_filled(store: &Store, before: Revision) {
    let page = list(store, "/f").await;
    assert_eq!((page.items.len(), page.revision), (19, before));
    assert_eq!(value(store, "/f/8").await.as_deref(), Some("8"));
    assert!(store.put(write("/f/7", "again")).await.expect("put") > before);
}
