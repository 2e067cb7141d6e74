//! Killed in mid-write: a child process writes in a loop, tells what was acknowledged, and is killed at a random moment.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use futures_util::future::join_all;
use teleport_backend::{Key, Range, Revision, Write};

use super::{Store, key, list, prefix};

pub(crate) const ROUNDS: u32 = 8;

const FOLDER: &str = "CRASH_TEST_FOLDER";
const ROUND: &str = "CRASH_TEST_ROUND";

/// What children said was acknowledged, and how far the store had come.
#[derive(Default)]
pub(crate) struct Written {
    values: BTreeMap<String, u64>,
    revision: Revision,
}

impl Written {
    pub(crate) fn acknowledged(&self) -> usize {
        self.values.len()
    }
}

/// Runs the test `child` of this binary in a process of its own and kills it after a random number of acknowledged writes.
pub(crate) fn run_and_kill(folder: &Path, child: &str, round: u32, written: &mut Written) {
    let mut process = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", child, "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the child starts");
    let random: [u8; 2] = teleport_runtime::random::bytes();
    let last = 1 + u32::from(u16::from_le_bytes(random)) % 150;
    let mut lines = BufReader::new(process.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let note = |line: String, written: &mut Written| {
        let mut words = line.split(' ');
        if let (Some("acknowledged"), Some(at), Some(seed)) = (words.next(), words.next(), words.next()) {
            // The kill may cut the last line short.
            if let (true, Ok(seed)) = (at.len() == 11, seed.parse()) {
                written.values.insert(at.to_owned(), seed);
            }
        }
    };
    lines.by_ref().take(last as usize).for_each(|line| note(line, written));
    process.kill().expect("SIGKILL is sent");
    process.wait().expect("the child ends");
    // What the child had printed before it died was acknowledged too.
    lines.for_each(|line| note(line, written));
}

/// Checks that every acknowledged write is there and that whatever is there is whole.
pub(crate) async fn is_whole(store: &Store, written: &mut Written) {
    let (mut after, mut found) = (None, BTreeMap::new());
    loop {
        let page = store.range(Range { prefix: prefix("/crash"), limit: 100, after }).await.expect("a page");
        for item in &page.items {
            let seed = u64::from_le_bytes(item.value[..8].try_into().expect("eight bytes"));
            assert_eq!(item.value, value(seed), "{} is half written", item.key);
            assert!(item.revision <= page.revision);
            found.insert(item.key.to_string(), seed);
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    for (at, seed) in &written.values {
        assert_eq!(found.get(at), Some(seed), "{at} was acknowledged");
    }
    let revision = list(store, "/none").await.revision;
    assert!(revision >= written.revision, "revisions never go back");
    written.revision = store.put(Write::new(key("/between"), "x")).await.expect("the store can be written");
    assert_eq!(written.revision.number(), revision.number() + 1);
}

/// The process to be killed.
pub(crate) struct Child {
    folder: PathBuf,
    round: u32,
}

impl Child {
    pub(crate) fn from_environment() -> Option<Self> {
        let round = std::env::var(ROUND).ok()?.parse().ok()?;
        Some(Self { folder: std::env::var_os(FOLDER)?.into(), round })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes with several tasks at once, so that batches are cut too.
    pub(crate) async fn write_until_killed(&self, store: &Store) {
        join_all((0..4_u64).map(|task| self.write(store, task))).await;
    }

    async fn write(&self, store: &Store, task: u64) {
        // No key is written twice, so that what was acknowledged is also the newest.
        for n in 0..100_u64 {
            let at = Key::parse(&format!("/crash/{}{task}{n:02}", self.round)).expect("a key");
            let seed = u64::from(self.round) << 32 | task << 24 | n;
            store.put(Write::new(at.clone(), value(seed))).await.expect("put");
            let mut out = std::io::stdout().lock();
            writeln!(out, "acknowledged {at} {seed}").and_then(|()| out.flush()).expect("the parent reads");
        }
    }
}

/// A value of which every byte follows from its first eight, of up to 200 kB.
fn value(seed: u64) -> Vec<u8> {
    let length = 8 + usize::try_from(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 46).expect("18 bits fit");
    let start = usize::from(seed.to_le_bytes()[0]);
    let filler = (0..length).map(|n| u8::try_from((n + start) % 251).expect("below 256"));
    seed.to_le_bytes().into_iter().chain(filler).collect()
}
