//! What every engine must do. The functions of `suite` know only the trait; below, each engine runs all of them.

#![allow(clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on says so at once")]

mod suite;

use std::{path::Path, sync::Arc};

use teleport_backend::{Backend, Sqlite, sqlite};
use teleport_runtime::Clock;

/// Opens the engine named in a test's environment, with a log of [`suite::LOG_EVENTS`] changes.
async fn open(folder: &Path, clock: &Clock) -> Arc<dyn Backend> {
    let mut options = sqlite::Options::new(folder.join("state.db"), clock.clone());
    options.log_events = suite::LOG_EVENTS;
    Arc::new(Sqlite::open(options).await.expect("the store opens"))
}

macro_rules! sqlite_complies {
    ($($module:ident: $($name:ident),+;)+) => {$($(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let folder = tempfile::tempdir().expect("temp dir");
            let clock = Clock::manual(suite::start());
            let backend = open(folder.path(), &clock).await;
            suite::$module::$name(&backend, &clock).await;
            backend.close().await.expect("the store closes");
        }
    )+)+};
}

sqlite_complies! {
    items:
        an_item_reads_back_as_written,
        create_refuses_what_is_there,
        put_replaces,
        delete_tells_whether_there_was_anything,
        a_prefix_ends_at_the_slash,
        pages_join_into_the_whole_list,
        a_value_of_one_mebibyte_fits_and_one_byte_more_is_refused,
        delete_range_takes_what_is_below_and_nothing_else,
        a_closed_store_says_so;
    races:
        swap_needs_the_current_revision,
        of_many_swaps_of_one_revision_one_wins,
        counters_lose_no_increment,
        of_many_creates_one_wins,
        a_refused_write_does_not_spoil_its_neighbours;
    time:
        an_item_is_gone_when_its_time_is_over,
        watchers_hear_of_the_end,
        an_expired_item_can_be_created_anew,
        an_expired_item_cannot_be_swapped_or_deleted,
        a_longer_life_replaces_a_shorter_one,
        the_clock_may_jump_back;
    watches:
        a_watch_replays_from_its_revision_without_gaps,
        a_watch_sees_its_prefix_only,
        a_list_and_a_watch_from_it_miss_nothing,
        a_watch_from_a_compacted_revision_is_told_to_list,
        a_watcher_that_falls_behind_is_told_and_never_skips,
        a_watch_from_the_future_is_told_to_list,
        a_waiting_watcher_ends_when_the_store_closes;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("temp dir");
    let clock = Clock::manual(suite::start());
    let backend = open(folder.path(), &clock).await;
    let before = suite::items::fill(&backend).await;
    backend.close().await.expect("the store closes");
    let backend = open(folder.path(), &clock).await;
    suite::items::is_filled(&backend, before).await;
    backend.close().await.expect("the store closes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_kill() {
    let folder = tempfile::tempdir().expect("temp dir");
    let mut written = suite::crash::Written::default();
    for round in 0..suite::crash::ROUNDS {
        suite::crash::run_and_kill(folder.path(), "crash_child", round, &mut written);
        let backend = open(folder.path(), &Clock::system()).await;
        suite::crash::is_whole(&backend, &mut written).await;
        backend.close().await.expect("the store closes");
    }
    assert!(written.acknowledged() > 0, "no round lived long enough to write");
}

/// Not a test by itself: [`what_was_acknowledged_survives_a_kill`] runs it in a process that it kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "only run by what_was_acknowledged_survives_a_kill"]
async fn crash_child() {
    let Some(child) = suite::crash::Child::from_environment() else { return };
    let backend = open(child.folder(), &Clock::system()).await;
    child.write_until_killed(&backend).await;
}
