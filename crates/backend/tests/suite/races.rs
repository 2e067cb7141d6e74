//! Many callers at once: who wins, and that nobody's write is lost or half done.

use futures_util::future::join_all;
use teleport_backend::{Error, Revision};
use teleport_runtime::Clock;

use super::{Store, key, list, names, value, write};

pub(crate) async fn swap_needs_the_current_revision(store: &Store, _clock: &Clock) {
    let missing = store.compare_and_swap(write("/a", "1"), Revision::new(1)).await.expect_err("nothing is there");
    assert!(matches!(missing, Error::NotFound(_)), "{missing}");
    let first = store.create(write("/a", "1")).await.expect("created");
    let second = store.compare_and_swap(write("/a", "2"), first).await.expect("swapped");
    let stale = store.compare_and_swap(write("/a", "3"), first).await.expect_err("stale");
    assert!(
        matches!(stale, Error::Changed { expected, current, .. } if expected == first && current == second),
        "{stale}"
    );
    assert_eq!(value(store, "/a").await.as_deref(), Some("2"));
}

pub(crate) async fn of_many_swaps_of_one_revision_one_wins(store: &Store, _clock: &Clock) {
    let mut revision = store.create(write("/a", "0")).await.expect("created");
    for _ in 0..10 {
        let swaps = (0..16).map(|n| store.compare_and_swap(write("/a", &n.to_string()), revision));
        let results = join_all(swaps).await;
        let won: Vec<Revision> = results.into_iter().filter_map(Result::ok).collect();
        assert_eq!(won.len(), 1, "{won:?}");
        revision = won[0];
        assert_eq!(store.get(&key("/a")).await.expect("an answer").expect("an item").revision, revision);
    }
}

pub(crate) async fn counters_lose_no_increment(store: &Store, _clock: &Clock) {
    store.create(write("/count", "0")).await.expect("created");
    let tasks = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            for _ in 0..10 {
                loop {
                    let item = store.get(&key("/count")).await.expect("an answer").expect("an item");
                    let count: u32 = std::str::from_utf8(&item.value).expect("text").parse().expect("a number");
                    match store.compare_and_swap(write("/count", &(count + 1).to_string()), item.revision).await {
                        Ok(_) => break,
                        Err(Error::Changed { .. }) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
            }
        })
    });
    for task in join_all(tasks).await {
        task.expect("the task ends");
    }
    assert_eq!(value(store, "/count").await.as_deref(), Some("80"));
}

pub(crate) async fn of_many_creates_one_wins(store: &Store, _clock: &Clock) {
    let results = join_all((0..32).map(|n| store.create(write("/a", &n.to_string())))).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(results.iter().all(|result| matches!(result, Ok(_) | Err(Error::Exists(_)))));
}

pub(crate) async fn a_refused_write_does_not_spoil_its_neighbours(store: &Store, _clock: &Clock) {
    store.create(write("/taken", "x")).await.expect("created");
    let before = list(store, "/").await.revision;
    let results = join_all((0..30).map(|n| {
        let at = if n % 3 == 0 { "/taken".to_owned() } else { format!("/n/{n:02}") };
        store.create(write(&at, "y"))
    }))
    .await;
    for (n, result) in results.iter().enumerate() {
        assert_eq!(result.is_ok(), n % 3 != 0, "{n}: {result:?}");
    }
    assert_eq!(names(store, "/n").await.len(), 20);
    assert_eq!(list(store, "/").await.revision.number(), before.number() + 20, "refusals use no revision");
    assert_eq!(value(store, "/taken").await.as_deref(), Some("x"));
}
