//! No room: work is refused, the admin gets in, and no half line stands in front of the next record.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use std::{fs, process::Command, time::Duration};

use common::*;
use teleport_audit::{AuditError, Emitter, Patch};

fn fill(emitter: &Emitter) -> usize {
    for count in 0..100_000 {
        if let Err(error) = emitter.emit(attempt("filling")) {
            assert!(error.is_full(), "{error}");
            return count;
        }
    }
    panic!("the spool never fills");
}

#[test]
fn a_full_spool_refuses_work_and_lets_logins_use_the_reserve() {
    let dir = tempfile::tempdir().unwrap();
    let emitter = Emitter::open_with(dir.path(), noon(), info(), small(20_000, 5_000)).unwrap();
    assert!(fill(&emitter) > 20);
    assert!(dir.path().join("reserve").exists());
    assert!(matches!(emitter.begin(request("/api")), Err(AuditError::Full)));
    emitter.emit(login()).expect("a login gets in");
    emitter.emit(attempt("tctl").by_local(0)).expect("the local admin gets in");
    assert!(!dir.path().join("reserve").exists(), "the reserve was given back to the disk");
    emitter.emit(login().failed("wrong password")).expect_err("a failed login does not");
    emitter.emit(attempt("more")).expect_err("the reserve is not for ordinary work");
    assert_chain(&spooled(dir.path()));
}

#[test]
fn the_reserve_has_an_end_too() {
    let dir = tempfile::tempdir().unwrap();
    let emitter = Emitter::open_with(dir.path(), noon(), info(), small(20_000, 5_000)).unwrap();
    fill(&emitter);
    let logins = (0..1000).take_while(|_| emitter.emit(login()).is_ok()).count();
    assert!((3..100).contains(&logins), "{logins}");
    let bytes: u64 = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes <= 20_100, "{bytes}");
}

#[test]
fn begun_work_can_always_be_closed() {
    let dir = tempfile::tempdir().unwrap();
    let emitter = Emitter::open_with(dir.path(), noon(), info(), small(60_000, 5_000)).unwrap();
    let entries: Vec<_> = std::iter::from_fn(|| emitter.begin(request("/api")).ok()).collect();
    assert!(entries.len() > 10);
    let begun = entries.len();
    entries.into_iter().for_each(|entry| entry.complete(Patch::success()));
    let records = spooled(dir.path());
    assert_chain(&records);
    assert_eq!(ends(&records).len(), begun);
}

#[tokio::test]
async fn delivery_makes_room_and_the_reserve_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let emitter = Emitter::open_with(dir.path(), noon(), info(), small(20_000, 2_000)).unwrap();
    fill(&emitter);
    emitter.emit(login()).unwrap();
    emitter.synced().await.unwrap();
    while let Some(batch) = emitter.spool().unshipped(100).unwrap() {
        emitter.spool().confirm(batch.records.last().unwrap().seq()).unwrap();
    }
    let admitted = async {
        while emitter.emit(attempt("again")).is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), admitted).await.expect("work is admitted again");
    assert!(dir.path().join("reserve").exists());
    assert!(fill(&emitter) > 10);
}

/// Only does something as the child below, whose files may not grow past a limit: a real short write.
#[test]
fn child_writes_until_its_file_may_not_grow() {
    let Some(dir) = child_dir() else { return };
    let emitter = Emitter::open_with(&dir, noon(), info(), small(1 << 20, 1 << 20)).unwrap();
    let entry = emitter.begin(request("/api")).unwrap();
    let error = (0..10_000).find_map(|_| emitter.emit(attempt("growing")).err()).expect("the limit is met");
    assert!(matches!(error, AuditError::Storage { .. }), "{error}");
    let records = spooled(&dir);
    let bytes = fs::metadata(dir.join(format!("{:020}.ndjson", 1))).unwrap().len();
    assert_eq!(bytes, records.iter().map(|record| record.line().len() as u64 + 1).sum::<u64>());
    emitter.emit(attempt("growing")).expect_err("still no room");
    entry.complete(Patch::success());
    println!("child done");
}

#[test]
fn a_short_write_leaves_no_half_line() {
    let dir = tempfile::tempdir().unwrap();
    let child = as_child("child_writes_until_its_file_may_not_grow", dir.path());
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 32; exec \"$0\" \"$@\""]).arg(child.get_program());
    limited.args(child.get_args()).env("AUDIT_TEST_DIR", dir.path());
    let output = limited.output().unwrap();
    assert!(text(&output).contains("child done"), "{}", text(&output));
    emitter(dir.path()).emit(attempt("after")).unwrap();
    let records = spooled(dir.path());
    assert_chain(&records);
    let ends = ends(&records);
    assert_eq!(ends.len(), 1, "the close that found no room is made up for");
}

/// Only does something as the child below, on a file system of its own that really is full.
#[test]
fn child_fills_a_real_disk() {
    let Some(dir) = child_dir() else { return };
    let emitter = Emitter::open(&dir.join("spool"), noon(), info()).unwrap();
    let entry = emitter.begin(request("/api")).unwrap();
    let filler = dir.join("filler");
    let written = fs::write(&filler, vec![0; 8 << 20]);
    assert!(written.is_err(), "the disk is small");
    assert!(fill(&emitter) < 100);
    emitter.emit(login()).expect("the reserve gives room to a login");
    emitter.emit(attempt("more")).expect_err("the reserve is not for ordinary work");
    assert_chain(&spooled(&dir.join("spool")));
    fs::remove_file(&filler).unwrap();
    entry.complete(Patch::success());
    let again = (0..1000).any(|_| {
        std::thread::park_timeout(Duration::from_millis(20));
        emitter.emit(attempt("again")).is_ok()
    });
    assert!(again, "with room, work goes on");
    let records = spooled(&dir.join("spool"));
    assert_chain(&records);
    assert_eq!(ends(&records).len(), 1);
    println!("child done");
}

#[test]
fn a_disk_that_is_really_full_behaves_as_the_limit_does() {
    let dir = tempfile::tempdir().unwrap();
    let child = as_child("child_fills_a_real_disk", dir.path());
    let mut mounted = Command::new("unshare");
    mounted.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
    mounted.arg("mount -t tmpfs -o size=3m none \"$AUDIT_TEST_DIR\" || exit 77; exec \"$0\" \"$@\"");
    mounted.arg(child.get_program()).args(child.get_args()).env("AUDIT_TEST_DIR", dir.path());
    match mounted.output() {
        Ok(output) if text(&output).contains("child done") => {}
        Ok(output) if output.status.code() == Some(77) || text(&output).contains("unshare failed") => {
            eprintln!("SKIPPED: a file system cannot be mounted here: {}", text(&output).trim());
        }
        Ok(output) => panic!("{}", text(&output)),
        Err(error) => eprintln!("SKIPPED: unshare cannot be run: {error}"),
    }
}
