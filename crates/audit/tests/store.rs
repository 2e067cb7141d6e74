//! Taking in: exactly once in the log however often it is delivered, and never another's words.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use std::{fs, io::Write as _, time::Duration};

use common::*;
use teleport_audit::{
    Batch, Emitter, Patch, Record, Refused, Store,
    event::Outcome,
    store::{Filter, Logged, Outlet, Problem, verify},
};
use teleport_types::ServiceId;

fn all(store: &Store) -> Vec<Logged> {
    store.query(&Filter::default(), usize::MAX).unwrap()
}

fn clean(dir: &std::path::Path) -> bool {
    verify(dir, |_, _| true).unwrap().is_clean()
}

#[test]
fn a_batch_that_comes_again_is_taken_once() {
    let dir = tempfile::tempdir().unwrap();
    let records = chain(10);
    let store = open_store(dir.path());
    for range in [0..6, 0..6, 3..8, 0..10, 9..10] {
        take(&store, &records[range]).unwrap();
    }
    drop(store);
    let store = open_store(dir.path());
    take(&store, &records).unwrap();
    assert_eq!(all(&store).len(), 10);
    assert!(clean(dir.path()));
}

#[test]
fn a_hole_is_refused_with_the_number_to_go_on_from() {
    let dir = tempfile::tempdir().unwrap();
    let records = chain(10);
    let store = open_store(dir.path());
    take(&store, &records[..3]).unwrap();
    let late = Batch { oldest: 1, records: records[6..].to_vec() };
    let refused = store.intake(&server(), &late);
    assert!(matches!(refused, Err(Refused::Expected { expected: 4, .. })), "{refused:?}");
    let partly = Batch { oldest: 5, records: records[6..].to_vec() };
    let refused = store.intake(&server(), &partly);
    assert!(matches!(refused, Err(Refused::Expected { expected: 5, .. })), "{refused:?}");
}

#[test]
fn what_the_writer_does_not_have_any_more_is_noted_as_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let records = chain(10);
    let store = open_store(dir.path());
    take(&store, &records[..3]).unwrap();
    take(&store, &records[6..]).unwrap();
    assert_eq!(all(&store).len(), 7);
    let report = verify(dir.path(), |_, _| true).unwrap();
    assert_eq!(report.findings.len(), 1, "{:?}", report.findings);
    assert_eq!((report.findings[0].problem, report.findings[0].seq), (Problem::NotedGap, Some(7)));
}

#[test]
fn a_chain_that_contradicts_itself_is_kept_and_noted() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, before) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let emit = |count: usize, what: &str| {
        let emitter = emitter(spool.path());
        (0..count).for_each(|_| emitter.emit(attempt(what)).unwrap());
    };
    let store = open_store(dir.path());
    emit(5, "first");
    for entry in fs::read_dir(spool.path()).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, before.path().join(path.file_name().unwrap())).unwrap();
    }
    emit(5, "then");
    take(&store, &spooled(spool.path())).unwrap();
    // The service's disk is restored from a backup, and the same numbers are used again.
    fs::remove_dir_all(spool.path()).unwrap();
    fs::rename(before.keep(), spool.path()).unwrap();
    emit(2, "again");
    take(&store, &spooled(spool.path())[5..]).unwrap();
    emit(1, "later");
    take(&store, &spooled(spool.path())[7..]).unwrap();
    assert_eq!(all(&store).len(), 13);
    let report = verify(dir.path(), |_, _| true).unwrap();
    let found: Vec<_> = report.findings.iter().map(|finding| (finding.problem, finding.seq)).collect();
    assert_eq!(found, [(Problem::NotedDivergence, Some(6))]);
}

#[test]
fn a_service_cannot_speak_for_another() {
    let dir = tempfile::tempdir().unwrap();
    let records = chain(3);
    let store = open_store(dir.path());
    let other = ServiceId::random();
    let refused = store.intake(&other, &batch(&records));
    assert!(matches!(refused, Err(Refused::NotYours { seq: 1 })), "{refused:?}");
    take(&store, &records[..2]).unwrap();
    drop(store);
    let refused = open_store(dir.path()).intake(&other, &batch(&records[2..]));
    assert!(matches!(refused, Err(Refused::NotYours { seq: 3 })), "{refused:?}");
}

#[test]
fn records_that_are_no_chain_are_the_senders_fault() {
    let dir = tempfile::tempdir().unwrap();
    let records = chain(3);
    let store = open_store(dir.path());
    let swapped = [records[0].clone(), records[2].clone(), records[1].clone()];
    assert!(matches!(take(&store, &swapped), Err(Refused::Broken { seq: 3 })));
    let forged = Record::parse(records[1].line().replace("event 1", "event X").as_bytes()).unwrap();
    let changed = [records[0].clone(), forged, records[2].clone()];
    assert!(matches!(take(&store, &changed), Err(Refused::Broken { seq: 3 })));
    assert!(all(&store).is_empty());
}

#[test]
fn a_crash_in_the_middle_of_an_append_is_repaired() {
    let dir = tempfile::tempdir().unwrap();
    let records = chain(10);
    take(&open_store(dir.path()), &records[..5]).unwrap();
    let mut file = fs::OpenOptions::new().append(true).open(dir.path().join("2026-05-04.ndjson")).unwrap();
    writeln!(file, "{}", records[5].line()).unwrap();
    write!(file, "{}", &records[6].line()[..50]).unwrap();
    let store = open_store(dir.path());
    assert_eq!(store.heads()[0].seq, 6);
    take(&store, &records[5..]).unwrap();
    assert_eq!(all(&store).len(), 10);
    assert!(clean(dir.path()));
}

#[test]
fn without_its_index_the_log_is_read_instead() {
    let dir = tempfile::tempdir().unwrap();
    let records = chain(10);
    take(&open_store(dir.path()), &records[..5]).unwrap();
    for content in ["", "{", r#"{"upto":{"date":"2026-05-04","offset":99999999},"writers":{}}"#] {
        fs::write(dir.path().join("index.json"), content).unwrap();
        assert_eq!(open_store(dir.path()).heads()[0].seq, 5);
    }
}

#[test]
fn begin_and_end_are_one_event_over_days_and_restarts() {
    let (dir, spool) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let clock = noon();
    let emitter = Emitter::open(spool.path(), clock.clone(), info()).unwrap();
    let take_all = |store: &Store| take(store, &spooled(spool.path())).unwrap();

    let watch = emitter.begin(request("/watch")).unwrap();
    let store = Store::open(dir.path(), clock.clone(), Vec::new()).unwrap();
    take_all(&store);
    let open = all(&store);
    assert_eq!((open.len(), open[0].outcome()), (1, Some(Outcome::InProgress)));
    drop(store);

    clock.advance(Duration::from_secs(3 * 24 * 3600));
    watch.complete(Patch::success().response_code(200));
    let store = Store::open(dir.path(), clock, Vec::new()).unwrap();
    take_all(&store);
    assert!(dir.path().join("2026-05-07.ndjson").exists());
    let mut exported = Vec::new();
    let walked = store.export(&Filter::default(), |event| {
        exported.push(event);
        Ok::<(), ()>(())
    });
    walked.unwrap().unwrap();
    for events in [all(&store), exported] {
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].outcome(), events[0].get("response_code").unwrap().as_u64()), (None, Some(200)));
        assert_eq!(events[0].text("time"), "2026-05-04T12:00:00.500Z");
        assert_eq!(events[0].text("ended"), "2026-05-07T12:00:00.500Z");
    }
}

#[test]
fn a_query_filters_by_time_type_and_user_newest_first() {
    let (dir, spool) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let clock = noon();
    let emitter = Emitter::open(spool.path(), clock.clone(), info()).unwrap();
    for number in 0..5 {
        emitter.emit(attempt(&format!("{number}"))).unwrap();
        emitter.emit(login()).unwrap();
        clock.advance(Duration::from_secs(3600));
    }
    let store = Store::open(dir.path(), clock, Vec::new()).unwrap();
    take(&store, &spooled(spool.path())).unwrap();
    let of = |filter: Filter, limit| store.query(&filter, limit).unwrap();

    let alice = of(Filter { user: Some("alice".to_owned()), ..Filter::default() }, 100);
    assert_eq!((alice.len(), alice[0].code()), (5, "T1000I"));
    let newest = of(Filter { kinds: vec!["auth".to_owned()], ..Filter::default() }, 2);
    assert_eq!(newest.iter().map(|event| event.text("message")).collect::<Vec<_>>(), ["4", "3"]);
    let time = |text: &str| Some(text.parse().unwrap());
    let (from, to) = (time("2026-05-04T13:00:00Z"), time("2026-05-04T15:00:00Z"));
    assert_eq!(of(Filter { from, to, ..Filter::default() }, 100).len(), 4);
}

#[test]
fn outlets_get_every_line_and_every_signed_head() {
    let (dir, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let copy = out.path().join("copy.ndjson");
    let records = chain(3);
    let store = Store::open(dir.path(), noon(), vec![Outlet::file(&copy).unwrap()]).unwrap();
    take(&store, &records).unwrap();
    let signed = store.sign_heads(|_| b"signature".to_vec()).unwrap().expect("the head moved");
    let copied = fs::read_to_string(&copy).unwrap();
    let lines: Vec<&str> = copied.lines().collect();
    assert_eq!(lines[..3], records.iter().map(Record::line).collect::<Vec<_>>());
    assert_eq!(lines[3], serde_json::to_string(&signed).unwrap());
    assert!(store.sign_heads(|_| panic!("nothing moved")).unwrap().is_none());
}

#[test]
fn two_processes_never_write_one_log() {
    let dir = tempfile::tempdir().unwrap();
    let _first = open_store(dir.path());
    Store::open(dir.path(), noon(), Vec::new()).expect_err("the folder is in use");
}

#[test]
fn a_clock_that_goes_back_does_not_break_the_order_of_files() {
    let dir = tempfile::tempdir().unwrap();
    let records = chain(3);
    let clock = noon();
    let store = Store::open(dir.path(), clock.clone(), Vec::new()).unwrap();
    take(&store, &records[..1]).unwrap();
    clock.set("2020-01-01T00:00:00Z".parse().unwrap());
    take(&store, &records[1..]).unwrap();
    drop(store);
    assert!(clean(dir.path()));
    assert_eq!(open_store(dir.path()).heads()[0].seq, 3);
}
