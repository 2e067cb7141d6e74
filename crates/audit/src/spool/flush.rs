//! The thread that brings the spool to the disk, grouped, and tends what waits for room.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::{Arc, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use super::{
    Shared, segment,
    state::{Reserve, State, reserve_path},
};

/// How long records gather before a sync; together with the sync itself this stays within 100 ms.
const GATHER: Duration = Duration::from_millis(50);

/// How often a disk that fails, a full one, or a lost reserve is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How far the disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Synced {
    /// The last record that is on the disk.
    pub(super) seq: u64,
    /// Why the last sync failed.
    pub(super) trouble: Option<io::ErrorKind>,
}

pub(super) fn start(shared: Arc<Shared>) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("audit-flush".to_owned()).spawn(move || run(&shared))
}

fn run(shared: &Shared) {
    loop {
        let mut state = wait_for_work(shared);
        let closing = state.closed;
        if !state.owed.is_empty() {
            // What still finds no room stays owed, and was reported when it first did.
            let _ = state.settle();
        }
        let wants_reserve = state.reserve == Reserve::Released && state.reserve_fits();
        let bytes = state.limits.reserve_bytes;
        sync(shared, state);
        if wants_reserve && hold_reserve(&shared.dir, bytes).is_ok() {
            shared.state().reserve = Reserve::Held;
        }
        if closing {
            return;
        }
    }
}

/// Returns when there is something to do: at once for whoever waits, else after a while of gathering.
fn wait_for_work(shared: &Shared) -> MutexGuard<'_, State> {
    let pause = |state, span| {
        let idle = |state: &mut State| !state.hurry && !state.closed;
        shared.work.wait_timeout_while(state, span, idle).unwrap_or_else(PoisonError::into_inner).0
    };
    let state = shared.state();
    if state.trouble.is_some() {
        return pause(state, RETRY);
    }
    let idle = |state: &mut State| !state.dirty && !state.hurry && !state.closed;
    let tends = !state.owed.is_empty() || state.reserve == Reserve::Released;
    let state = if tends {
        shared.work.wait_timeout_while(state, RETRY, idle).unwrap_or_else(PoisonError::into_inner).0
    } else {
        shared.work.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner)
    };
    if state.dirty { pause(state, GATHER) } else { state }
}

/// Syncs what was appended until now, without the lock, and tells who waits.
fn sync(shared: &Shared, mut state: MutexGuard<'_, State>) {
    let target = state.last();
    let mut files = state.left.clone();
    let left = files.len();
    files.push(Arc::clone(&state.file));
    state.dirty = false;
    state.hurry = false;
    drop(state);

    let result = files.iter().try_for_each(|file| file.sync_data());
    // A new file's name must be on the disk before its records count.
    let result = result.and_then(|()| if left > 0 { segment::sync_dir(&shared.dir) } else { Ok(()) });

    let mut state = shared.state();
    let trouble = result.err();
    if let Some(error) = &trouble {
        tracing::error!(%error, spool = %shared.dir.display(), "the audit spool cannot be synced; nothing is admitted");
        state.dirty = true;
    } else {
        state.left.drain(..left);
    }
    state.trouble = trouble.map(|error| error.kind());
    let trouble = state.trouble;
    drop(state);
    shared.synced.send_modify(|synced| {
        synced.trouble = trouble;
        if trouble.is_none() {
            synced.seq = target;
        }
    });
}

/// Makes the file that keeps space back, with real blocks.
pub(super) fn hold_reserve(dir: &Path, bytes: u64) -> io::Result<()> {
    let path = reserve_path(dir);
    let filled = fill(&path, bytes);
    if filled.is_err() {
        let _ = fs::remove_file(&path);
    }
    filled
}

fn fill(path: &Path, bytes: u64) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|found| found.len() == bytes) {
        return Ok(());
    }
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let block = [0; 64 * 1024];
    let mut left = bytes;
    while left > 0 {
        let now = left.min(block.len() as u64);
        let part = usize::try_from(now).ok().and_then(|now| block.get(..now)).unwrap_or(&block);
        file.write_all(part)?;
        left -= now;
    }
    file.sync_all()
}
