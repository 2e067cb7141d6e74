//! Writing: every event has its begin before the work and its close on every end, in one unbroken chain.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use std::{collections::HashSet, fs, io::Write as _};

use common::*;
use teleport_audit::{AuditError, Emitter, Patch, record::Part};

#[test]
fn a_begin_is_in_the_file_before_begin_returns() {
    let dir = tempfile::tempdir().unwrap();
    let emitter = emitter(dir.path());
    let entry = emitter.begin(request("/api/v1/pods")).expect("begun");
    let records = spooled(dir.path());
    assert_eq!(records.len(), 1);
    assert!(matches!(records[0].part(), Part::Begin(_)));
    assert_eq!(json(&records[0])["uid"], entry.uid().to_string());
    entry.complete(Patch::success());
}

#[test]
fn complete_writes_the_final_fields() {
    let dir = tempfile::tempdir().unwrap();
    let emitter = emitter(dir.path());
    let mut entry = emitter.begin(request("/api/v1/pods")).expect("begun");
    entry.amend(Patch::default().impersonated(vec!["alice".to_owned()], vec!["dev".to_owned()]));
    entry.complete(Patch::success().response_code(200));
    let end = json(&spooled(dir.path())[1]);
    assert_eq!(end["success"], true);
    assert_eq!(end["response_code"], 200);
    assert_eq!(end["kubernetes_groups"][0], "dev");
    assert!(end.get("outcome").is_none());
}

#[test]
fn an_entry_that_is_dropped_is_interrupted_and_keeps_what_was_known() {
    let dir = tempfile::tempdir().unwrap();
    let emitter = emitter(dir.path());
    let mut entry = emitter.begin(request("/api/v1/pods")).expect("begun");
    entry.amend(Patch::success().response_code(200));
    drop(entry);
    let end = json(&spooled(dir.path())[1]);
    assert_eq!((end["outcome"].as_str(), end["success"].as_bool()), (Some("interrupted"), Some(false)));
    assert_eq!(end["response_code"], 200);
}

#[test]
fn a_torn_last_line_is_cut_kept_aside_and_the_chain_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    {
        let emitter = emitter(dir.path());
        emitter.emit(attempt("one")).unwrap();
        emitter.emit(attempt("two")).unwrap();
    }
    let segment = dir.path().join(format!("{:020}.ndjson", 1));
    let mut file = fs::OpenOptions::new().append(true).open(&segment).unwrap();
    file.write_all(br#"{"writer":"half a li"#).unwrap();
    emitter(dir.path()).emit(attempt("three")).unwrap();
    let records = spooled(dir.path());
    assert_eq!(records.len(), 3);
    assert_chain(&records);
    let aside = fs::read(dir.path().join(format!("torn-{:020}", 3))).expect("the torn bytes are kept");
    assert_eq!(aside, br#"{"writer":"half a li"#);
}

#[test]
fn damage_before_the_end_is_named_and_not_written_over() {
    let dir = tempfile::tempdir().unwrap();
    {
        let emitter = Emitter::open_with(dir.path(), noon(), info(), small(1 << 20, 1000)).unwrap();
        for _ in 0..10 {
            emitter.emit(attempt("one")).unwrap();
        }
    }
    let segment = dir.path().join(format!("{:020}.ndjson", 1));
    let damaged = fs::read_to_string(&segment).unwrap().replacen("one", "two", 1);
    fs::write(&segment, &damaged).unwrap();
    let error = Emitter::open(dir.path(), noon(), info()).expect_err("damage is not repaired in silence");
    assert!(matches!(&error, AuditError::Damaged { line: 2, .. }), "{error}");
    assert_eq!(fs::read_to_string(&segment).unwrap(), damaged);
}

#[test]
fn a_chain_goes_on_over_segments_and_restarts() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let emitter = Emitter::open_with(dir.path(), noon(), info(), small(1 << 20, 2000)).unwrap();
        for _ in 0..10 {
            emitter.begin(request("/api")).unwrap().complete(Patch::success());
        }
    }
    let records = spooled(dir.path());
    assert_eq!(records.len(), 60);
    assert_chain(&records);
    assert!(fs::read_dir(dir.path()).unwrap().count() > 8, "there are several segments");
}

#[test]
fn two_processes_never_write_one_chain() {
    let dir = tempfile::tempdir().unwrap();
    let _first = emitter(dir.path());
    let second = Emitter::open(dir.path(), noon(), info());
    assert!(matches!(second, Err(AuditError::InUse { .. })));
}

#[test]
fn ten_thousand_concurrent_events_are_ten_thousand_records_in_one_chain() {
    let dir = tempfile::tempdir().unwrap();
    let emitter = emitter(dir.path());
    std::thread::scope(|scope| {
        for thread in 0..20 {
            let emitter = emitter.clone();
            scope.spawn(move || {
                for number in 0..250 {
                    let entry = emitter.begin(request(&format!("/{thread}/{number}"))).expect("begun");
                    entry.complete(Patch::success().response_code(200));
                }
            });
        }
    });
    let records = spooled(dir.path());
    assert_eq!(records.len(), 10_000);
    assert_chain(&records);
    let begins = records.iter().filter(|record| matches!(record.part(), Part::Begin(_)));
    let uids: HashSet<String> = begins.map(|begin| json(begin)["uid"].to_string()).collect();
    assert_eq!((uids.len(), ends(&records).len()), (5000, 5000));
}

#[tokio::test]
async fn synced_waits_for_the_disk_and_only_synced_records_are_shipped() {
    let dir = tempfile::tempdir().unwrap();
    let emitter = emitter(dir.path());
    for _ in 0..100 {
        emitter.emit(attempt("x")).unwrap();
    }
    emitter.synced().await.expect("the disk syncs");
    let batch = emitter.spool().unshipped(1000).unwrap().expect("all are shipped");
    assert_eq!(batch.records.len(), 100);
}

#[tokio::test]
async fn confirmed_segments_are_removed_and_the_chain_still_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    {
        let emitter = Emitter::open_with(dir.path(), noon(), info(), small(1 << 20, 2000)).unwrap();
        for _ in 0..50 {
            emitter.emit(attempt("x")).unwrap();
        }
        emitter.synced().await.unwrap();
        let mut shipped = 0;
        while let Some(batch) = emitter.spool().unshipped(7).unwrap() {
            assert_eq!(batch.records[0].seq(), shipped + 1);
            shipped = batch.records.last().unwrap().seq();
            emitter.spool().confirm(shipped).unwrap();
        }
        assert_eq!(shipped, 50);
    }
    let left = spooled(dir.path());
    assert!(!left.is_empty() && left.len() < 10, "{} records are left", left.len());
    let emitter = emitter(dir.path());
    assert!(emitter.spool().unshipped(7).unwrap().is_none(), "nothing is shipped again");
    emitter.emit(attempt("later")).unwrap();
    let records = spooled(dir.path());
    let (before, last) = (&records[records.len() - 2], &records[records.len() - 1]);
    assert_eq!((last.seq(), last.prev()), (51, before.hash()));
}

#[tokio::test]
async fn a_begin_whose_segment_is_gone_is_still_closed_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let uid = {
        let emitter = Emitter::open_with(dir.path(), noon(), info(), small(1 << 20, 2000)).unwrap();
        let watch = emitter.begin(request("/watch")).unwrap();
        let uid = watch.uid();
        for _ in 0..50 {
            emitter.emit(attempt("x")).unwrap();
        }
        emitter.synced().await.unwrap();
        while let Some(batch) = emitter.spool().unshipped(100).unwrap() {
            emitter.spool().confirm(batch.records.last().unwrap().seq()).unwrap();
        }
        assert!(!dir.path().join(format!("{:020}.ndjson", 1)).exists(), "the begin is gone");
        // As a crash does: the entry never closes, and the folder is let go.
        let copy = tempfile::tempdir().unwrap().keep();
        for entry in fs::read_dir(dir.path()).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
        }
        drop(watch);
        drop(emitter);
        fs::remove_dir_all(dir.path()).unwrap();
        fs::rename(copy, dir.path()).unwrap();
        uid.to_string()
    };
    let _emitter = emitter(dir.path());
    let ends = ends(&spooled(dir.path()));
    assert_eq!(ends[&uid]["error"], "interrupted by a crash of the service");
    assert_eq!(ends[&uid]["outcome"], "interrupted");
}
