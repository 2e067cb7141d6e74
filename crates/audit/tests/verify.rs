//! Whatever is done to a log, the check names the first record that is not what was written, and what was done.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use std::{fs, path::Path};

use common::*;
use teleport_audit::{
    Record,
    store::{Problem, Report, verify},
};

const FILE: &str = "2026-05-04.ndjson";

/// A log of 10 records, the first `signed` of them under a signed head.
fn log(signed: usize) -> (tempfile::TempDir, Vec<Record>) {
    let dir = tempfile::tempdir().unwrap();
    let records = chain(10);
    let store = open_store(dir.path());
    if signed > 0 {
        take(&store, &records[..signed]).unwrap();
        store.sign_heads(sign).unwrap();
    }
    take(&store, &records).unwrap();
    (dir, records)
}

fn sign(text: &[u8]) -> Vec<u8> {
    [b"signed:".as_slice(), text].concat()
}

fn check(dir: &Path) -> Report {
    verify(dir, |text, signature| signature == sign(text)).unwrap()
}

/// Changes the lines of the log.
fn tamper(dir: &Path, change: impl FnOnce(&mut Vec<String>)) {
    let path = dir.join(FILE);
    let mut lines: Vec<String> = fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
    change(&mut lines);
    fs::write(&path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
}

/// The first finding: which record, in which line, what.
fn first(dir: &Path) -> (Option<u64>, u64, Problem) {
    let report = check(dir);
    let finding = report.findings.first().expect("something is found");
    (finding.seq, finding.line, finding.problem)
}

#[test]
fn a_log_as_it_was_written_is_clean_and_says_how_far_it_is_signed() {
    let (dir, records) = log(8);
    let report = check(dir.path());
    assert!(report.is_clean(), "{:?}", report.findings);
    assert_eq!((report.records, report.signed_heads, report.unsigned()), (10, 1, 2));
    assert_eq!(report.writers[&records[0].writer()].last, 10);
}

#[test]
fn every_flipped_byte_is_found_and_named() {
    let (dir, _) = log(10);
    let path = dir.path().join(FILE);
    let whole = fs::read(&path).unwrap();
    let line_of = |at: usize| 1 + whole[..at].iter().filter(|byte| **byte == b'\n').count() as u64;
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x01;
        fs::write(&path, &flipped).unwrap();
        let report = check(dir.path());
        let finding = report.findings.first().unwrap_or_else(|| panic!("byte {at} was flipped and not found"));
        let line = line_of(at);
        // A line feed that is gone joins two lines.
        let near = line..=line + u64::from(whole[at] == b'\n');
        assert!(near.contains(&finding.line) || near.contains(&finding.seq.unwrap_or(0)), "byte {at}: {finding}");
    }
}

#[test]
fn a_flipped_byte_is_told_as_a_change_of_that_record() {
    for number in 1..=9_u64 {
        let (dir, _) = log(0);
        let at = usize::try_from(number - 1).unwrap();
        tamper(dir.path(), |lines| lines[at] = lines[at].replace("event ", "Event "));
        assert_eq!(first(dir.path()), (Some(number), number, Problem::Changed));
        assert_eq!(check(dir.path()).findings.len(), 1);
    }
}

#[test]
fn a_flipped_link_is_told_as_a_change_of_the_record_that_holds_it() {
    let (dir, records) = log(0);
    let flipped = "0".repeat(64);
    tamper(dir.path(), |lines| lines[4] = lines[4].replace(&records[4].prev().to_string(), &flipped));
    assert_eq!(first(dir.path()), (Some(5), 5, Problem::Changed));
    assert_eq!(check(dir.path()).findings.len(), 1);
}

#[test]
fn a_changed_last_record_is_told_by_the_signed_head() {
    let (dir, _) = log(10);
    tamper(dir.path(), |lines| lines[9] = lines[9].replace("event 9", "event 0"));
    assert_eq!(first(dir.path()), (Some(10), 10, Problem::Changed));
}

#[test]
fn a_line_that_is_no_record_any_more_is_named_by_its_number() {
    let (dir, _) = log(0);
    tamper(dir.path(), |lines| lines[4] = lines[4].replacen('{', "[", 1));
    assert_eq!(first(dir.path()), (Some(5), 5, Problem::Unreadable));
    assert_eq!(check(dir.path()).findings.len(), 1);
}

#[test]
fn missing_records_are_named() {
    let (dir, _) = log(0);
    tamper(dir.path(), |lines| drop(lines.drain(3..6)));
    assert_eq!(first(dir.path()), (Some(4), 4, Problem::Missing { through: 6 }));
    let (dir, _) = log(0);
    tamper(dir.path(), |lines| drop(lines.remove(0)));
    assert_eq!(first(dir.path()), (Some(1), 1, Problem::Missing { through: 1 }));
}

#[test]
fn records_in_another_order_are_named() {
    let (dir, _) = log(0);
    tamper(dir.path(), |lines| lines.swap(3, 4));
    assert_eq!(first(dir.path()), (Some(4), 5, Problem::Reordered));
    assert_eq!(check(dir.path()).findings.len(), 1);
}

#[test]
fn a_record_that_is_there_twice_is_named() {
    let (dir, _) = log(0);
    tamper(dir.path(), |lines| lines.insert(7, lines[2].clone()));
    assert_eq!(first(dir.path()), (Some(3), 8, Problem::Repeated));
}

#[test]
fn a_cut_tail_is_told_apart_from_a_clean_end() {
    let (dir, _) = log(8);
    tamper(dir.path(), |lines| lines.truncate(8));
    assert!(check(dir.path()).is_clean(), "what no head covers may be missing");
    tamper(dir.path(), |lines| lines.truncate(6));
    assert_eq!(first(dir.path()), (Some(7), 6, Problem::Truncated { head: 8 }));
    fs::remove_file(dir.path().join(FILE)).unwrap();
    assert_eq!(first(dir.path()), (Some(1), 0, Problem::Truncated { head: 8 }));
}

#[test]
fn a_cut_tail_whose_records_were_made_again_is_found() {
    let (dir, records) = log(8);
    let forged = records[7].line().replace("event 7", "event x");
    tamper(dir.path(), |lines| {
        lines.truncate(7);
        lines.push(forged);
    });
    assert_eq!(first(dir.path()), (Some(8), 8, Problem::Changed));
}

#[test]
fn forged_moved_or_removed_heads_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let records = chain(10);
    let store = open_store(dir.path());
    for end in [3, 6, 9] {
        take(&store, &records[..end]).unwrap();
        store.sign_heads(sign).unwrap();
    }
    let heads = dir.path().join("heads.ndjson");
    let whole = fs::read_to_string(&heads).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    assert!(check(dir.path()).is_clean());
    for (bad, at) in [
        (format!("{}\n{}\n", lines[0], lines[2]), 2),
        (format!("{}\n{}\n{}\n", lines[1], lines[0], lines[2]), 1),
        (whole.replace("\\\"seq\\\":6", "\\\"seq\\\":5"), 2),
        (whole.replacen("\"signature\":\"", "\"signature\":\"AAAA", 1), 1),
    ] {
        fs::write(&heads, bad).unwrap();
        let report = check(dir.path());
        let finding = report.findings.first().expect("found");
        assert_eq!((finding.problem, finding.line), (Problem::BadHead, at));
    }
}

#[test]
fn chains_of_several_writers_are_checked_side_by_side() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (chain(5), chain(5));
    let store = open_store(dir.path());
    for at in 0..5 {
        take(&store, &one[at..=at]).unwrap();
        take(&store, &two[at..=at]).unwrap();
    }
    assert!(check(dir.path()).is_clean());
    tamper(dir.path(), |lines| drop(lines.remove(3)));
    let report = check(dir.path());
    assert_eq!(report.findings.len(), 1);
    assert_eq!((report.findings[0].writer, report.findings[0].seq), (Some(two[0].writer()), Some(2)));
}

#[test]
fn a_finding_says_where_in_one_line() {
    let (dir, records) = log(0);
    tamper(dir.path(), |lines| drop(lines.remove(3)));
    let finding = check(dir.path()).findings[0].to_string();
    let place = dir.path().join(FILE);
    let writer = records[0].writer();
    assert_eq!(finding, format!("{}:4: record 4 of writer {writer} is missing", place.display()));
}
