//! `kill -9`: what was acknowledged is there afterwards, and nothing stays open.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use common::*;
use teleport_audit::{Patch, record::Part};

/// Only does something as the child of the test below: emits for ever and says each id once it is acknowledged.
#[test]
fn child_emits_until_killed() {
    let Some(dir) = child_dir() else { return };
    let emitter = emitter(&dir);
    let mut kept = Vec::new();
    for number in 0_u64.. {
        let entry = emitter.begin(request(&format!("/{number}"))).expect("begun");
        println!("ack {}", entry.uid());
        if number % 3 == 0 {
            kept.push(entry);
        } else {
            entry.complete(Patch::success());
        }
    }
}

#[test]
fn every_acknowledged_begin_survives_kill_nine_and_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for _round in 0..5 {
        let mut child = as_child("child_emits_until_killed", dir.path()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let acks = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("ack ").map(str::to_owned));
        // What was on its way when the child died still arrives, so each child's own lines are counted.
        for (number, ack) in acks.enumerate() {
            acknowledged.push(ack);
            if number == 310 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
    }
    drop(emitter(dir.path()));
    let records = spooled(dir.path());
    assert_chain(&records);
    let begins: Vec<String> = records
        .iter()
        .filter(|record| matches!(record.part(), Part::Begin(_)))
        .map(|begin| json(begin)["uid"].as_str().unwrap().to_owned())
        .collect();
    let ends = ends(&records);
    assert!(acknowledged.len() >= 5 * 311);
    for ack in &acknowledged {
        assert!(begins.contains(ack), "{ack} was acknowledged and is not there");
    }
    for begin in &begins {
        assert!(ends.contains_key(begin), "{begin} is still open");
    }
    let cut = ends.values().filter(|end| end["error"] == "interrupted by a crash of the service").count();
    assert!(cut >= acknowledged.len() / 3 - 5, "{cut} were closed as cut by a crash");
}
