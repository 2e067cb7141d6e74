//! What the tests of the audit crate share: emitters in temp dirs, and the lines they leave.
#![allow(dead_code, clippy::indexing_slicing, reason = "each test file uses a part")]

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use teleport_audit::{
    Batch, Body, Emitter, Event, Hash, Limits, Record, Refused, Store, WriterInfo,
    event::{AuthAttempt, KubeRequest, KubeTarget, UserLogin},
    record::Part,
};
use teleport_runtime::Clock;
use teleport_types::{ClusterName, KubeClusterName, ServiceId};

pub(crate) const SERVER: &str = "0b1f3c1e-7b0e-4d4e-9b1a-6f0f6c1f2a3b";

pub(crate) fn server() -> ServiceId {
    ServiceId::parse(SERVER).expect("id")
}

pub(crate) fn info() -> WriterInfo {
    WriterInfo { cluster: ClusterName::parse("main.example").expect("name"), server: server() }
}

pub(crate) fn noon() -> Clock {
    Clock::manual("2026-05-04T12:00:00.5Z".parse().expect("time"))
}

pub(crate) fn emitter(dir: &Path) -> Emitter {
    Emitter::open(dir, noon(), info()).expect("the spool opens")
}

pub(crate) fn small(spool_bytes: u64, segment_bytes: u64) -> Limits {
    Limits { spool_bytes, reserve_bytes: 4096, segment_bytes }
}

pub(crate) fn kube_target() -> KubeTarget {
    KubeTarget::named(KubeClusterName::parse("prod").expect("name"))
}

pub(crate) fn request(path: &str) -> Event {
    Event::new(Body::KubeRequest(KubeRequest {
        target: kube_target(),
        request_path: path.to_owned(),
        verb: "GET".to_owned(),
        response_code: None,
        resource_api_group: None,
        resource_namespace: Some("default".to_owned()),
        resource_kind: Some("pods".to_owned()),
        resource_name: None,
    }))
}

pub(crate) fn attempt(message: &str) -> Event {
    Event::new(Body::Auth(AuthAttempt::default())).message(message)
}

pub(crate) fn login() -> Event {
    Event::new(Body::UserLogin(UserLogin::local())).by_claimed("alice").succeeded()
}

/// All whole lines of a spool, in order.
pub(crate) fn spooled(dir: &Path) -> Vec<Record> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir)
        .expect("list")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "ndjson"))
        .collect();
    files.sort();
    let content: String = files.iter().map(|path| fs::read_to_string(path).expect("read")).collect();
    content.lines().map(|line| Record::parse(line.as_bytes()).expect("a record")).collect()
}

pub(crate) fn json(record: &Record) -> Value {
    serde_json::from_str(record.part().json()).expect("JSON")
}

/// Panics unless the records are one chain from the first on.
pub(crate) fn assert_chain(records: &[Record]) {
    let mut before: Option<&Record> = None;
    for record in records {
        match before {
            None => assert_eq!((record.seq(), record.prev()), (1, Hash::NONE)),
            Some(before) => assert_eq!((record.seq(), record.prev()), (before.seq() + 1, before.hash())),
        }
        before = Some(record);
    }
}

/// The ends by the id of their event.
pub(crate) fn ends(records: &[Record]) -> HashMap<String, Value> {
    let ends = records.iter().filter(|record| matches!(record.part(), Part::End(_))).map(json);
    ends.map(|end| (end["uid"].as_str().expect("uid").to_owned(), end)).collect()
}

/// Records of a writer of their own, without a spool behind.
pub(crate) fn batch(records: &[Record]) -> Batch {
    Batch { oldest: records.first().map_or(1, Record::seq), records: records.to_vec() }
}

pub(crate) fn open_store(dir: &Path) -> Store {
    Store::open(dir, noon(), Vec::new()).expect("the store opens")
}

pub(crate) fn take(store: &Store, records: &[Record]) -> Result<(), Refused> {
    store.intake(&server(), &batch(records))
}

/// Emits `count` events in a spool of its own and returns its records.
pub(crate) fn chain(count: usize) -> Vec<Record> {
    let dir = tempfile::tempdir().expect("temp dir");
    let emitter = emitter(dir.path());
    for number in 0..count {
        emitter.emit(attempt(&format!("event {number}"))).expect("emitted");
    }
    spooled(dir.path())
}

/// Runs one test of this binary again as another process, with `dir` in the environment.
pub(crate) fn as_child(test: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the test binary"));
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env("AUDIT_TEST_DIR", dir);
    command
}

/// The folder for a child, or `None` in the ordinary run.
pub(crate) fn child_dir() -> Option<PathBuf> {
    std::env::var_os("AUDIT_TEST_DIR").map(PathBuf::from)
}

pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
