//! What only the SQLite engine can get wrong: the file, its mode, damage, a second process, a full disk.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use teleport_backend::{Backend, Error, Key, Prefix, Range, Revision, Sqlite, Write, sqlite::Options};
use teleport_runtime::Clock;

fn options(folder: &Path) -> Options {
    Options::new(folder.join("data/state.db"), Clock::system())
}

fn write(n: usize, size: usize) -> Write {
    Write::new(Key::parse(&format!("/k/{n}")).expect("a key"), vec![1; size])
}

async fn refusal(options: Options) -> (Error, String) {
    let error = Sqlite::open(options).await.expect_err("it does not open");
    let text = error.to_string();
    assert!(!text.contains('\n'), "one line: {text}");
    (error, text)
}

#[tokio::test]
async fn files_are_for_their_owner_only() {
    let folder = tempfile::tempdir().expect("temp dir");
    let path = folder.path().join("data/state.db");
    fs::create_dir(folder.path().join("data")).expect("mkdir");
    fs::write(&path, "").expect("an empty file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("chmod");
    let store = Sqlite::open(options(folder.path())).await.expect("opens");
    store.put(write(1, 10)).await.expect("put");
    let mut seen = 0;
    for entry in fs::read_dir(folder.path().join("data")).expect("list") {
        let entry = entry.expect("an entry");
        assert_eq!(entry.metadata().expect("stat").permissions().mode() & 0o777, 0o600, "{:?}", entry.file_name());
        seen += 1;
    }
    assert!(seen >= 3, "the database, its log and its lock");
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_second_process_is_refused_until_the_first_ends() {
    let folder = tempfile::tempdir().expect("temp dir");
    let store = Sqlite::open(options(folder.path())).await.expect("opens");
    let (error, text) = refusal(options(folder.path())).await;
    assert!(matches!(error, Error::InUse { .. }), "{text}");
    store.close().await.expect("closes");
    Sqlite::open(options(folder.path())).await.expect("opens").close().await.expect("closes");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_in_one_line() {
    let folder = tempfile::tempdir().expect("temp dir");
    fs::create_dir(folder.path().join("data")).expect("mkdir");
    fs::write(folder.path().join("data/state.db"), "not a database, whatever its name".repeat(100)).expect("write");
    let (error, text) = refusal(options(folder.path())).await;
    assert!(matches!(error, Error::Damaged { .. }), "{text}");
    assert!(text.contains("state.db") && text.contains("backup") && text.contains("move it away"), "{text}");
}

#[tokio::test]
async fn a_damaged_database_is_refused_in_one_line() {
    let folder = tempfile::tempdir().expect("temp dir");
    let store = Sqlite::open(options(folder.path())).await.expect("opens");
    for n in 0..200 {
        store.put(write(n, 500)).await.expect("put");
    }
    store.close().await.expect("closes");
    let path = folder.path().join("data/state.db");
    let mut bytes = fs::read(&path).expect("read");
    let end = bytes.len() - 4096;
    bytes[8192..end].fill(0xA5);
    fs::write(&path, bytes).expect("write");
    let (error, text) = refusal(options(folder.path())).await;
    assert!(matches!(error, Error::Damaged { .. }), "{text}");
    assert!(text.contains("backup"), "{text}");
}

#[tokio::test]
async fn a_truncated_database_is_refused() {
    let folder = tempfile::tempdir().expect("temp dir");
    let store = Sqlite::open(options(folder.path())).await.expect("opens");
    for n in 0..200 {
        store.put(write(n, 500)).await.expect("put");
    }
    store.close().await.expect("closes");
    let path = folder.path().join("data/state.db");
    let bytes = fs::read(&path).expect("read");
    fs::write(&path, &bytes[..bytes.len() / 2]).expect("write");
    let (error, text) = refusal(options(folder.path())).await;
    assert!(matches!(error, Error::Damaged { .. }), "{text}");
}

#[tokio::test]
async fn somebody_elses_database_and_a_newer_format_are_refused() {
    let folder = tempfile::tempdir().expect("temp dir");
    fs::create_dir(folder.path().join("data")).expect("mkdir");
    let path = folder.path().join("data/state.db");
    let other = rusqlite::Connection::open(&path).expect("opens");
    other.execute_batch("CREATE TABLE theirs (x)").expect("a table");
    let (error, text) = refusal(options(folder.path())).await;
    assert!(matches!(error, Error::Damaged { .. }), "{text}");
    other.execute_batch("DROP TABLE theirs").expect("no table");
    drop(other);
    Sqlite::open(options(folder.path())).await.expect("opens").close().await.expect("closes");
    let newer = rusqlite::Connection::open(&path).expect("opens");
    newer.execute_batch("PRAGMA user_version = 99").expect("set");
    drop(newer);
    let (error, text) = refusal(options(folder.path())).await;
    assert!(matches!(error, Error::Newer { found: 99, .. }), "{text}");
}

#[tokio::test]
async fn a_full_disk_is_its_own_error_and_passes() {
    let folder = tempfile::tempdir().expect("temp dir");
    let mut small = options(folder.path());
    small.max_bytes = Some(2 << 20);
    small.log_events = 4;
    let store = Sqlite::open(small).await.expect("opens");
    let mut kept = 0;
    let error = loop {
        match store.put(write(kept, 100_000)).await {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 100, "two MiB hold less");
    };
    assert!(matches!(error, Error::Full { .. }), "{error}");
    assert!(error.to_string().contains("no space is left"), "{error}");
    let range = Range { prefix: Prefix::all(), limit: 1000, after: None };
    assert_eq!(store.range(range).await.expect("reads go on").items.len(), kept);
    for n in 0..kept {
        store.delete(&write(n, 0).key, None).await.expect("making room works");
    }
    store.put(write(0, 100_000)).await.expect("there is room again");
    store.close().await.expect("closes");
}

/// Small and large writes wait together; the large ones that do not fit must not take the small ones with them.
#[tokio::test]
async fn on_a_full_disk_each_caller_gets_its_own_answer() {
    let folder = tempfile::tempdir().expect("temp dir");
    let mut small = options(folder.path());
    small.max_bytes = Some(2 << 20);
    small.log_events = 4;
    let store = Sqlite::open(small).await.expect("opens");
    let sizes = |n: usize| if n.is_multiple_of(2) { 900_000 } else { 10 };
    let answers = futures_util::future::join_all((0..20).map(|n| store.put(write(n, sizes(n))))).await;
    let mut refused = 0;
    for (n, answer) in answers.iter().enumerate() {
        let found = store.get(&write(n, 0).key).await.expect("an answer");
        assert_eq!(found.is_some(), answer.is_ok(), "{n}: what was answered is what was done");
        match answer {
            Ok(_) => {}
            Err(Error::Full { .. }) => refused += 1,
            Err(other) => panic!("{other}"),
        }
        assert!(sizes(n) > 10 || answer.is_ok(), "{n}: a small write fits");
    }
    assert!((1..=10).contains(&refused), "{refused}");
    store.close().await.expect("closes");
}

#[tokio::test]
async fn the_log_is_bounded_in_bytes_too() {
    let folder = tempfile::tempdir().expect("temp dir");
    let mut small = options(folder.path());
    small.log_bytes = 1 << 20;
    let store = Sqlite::open(small).await.expect("opens");
    for n in 0..30 {
        store.put(write(n, 100_000)).await.expect("put");
    }
    let all = Prefix::all();
    assert!(matches!(store.watch(&all, Revision::new(15)).await, Err(Error::Compacted { .. })));
    store.watch(&all, Revision::new(22)).await.expect("the last of them are there");
    store.close().await.expect("closes");
}
