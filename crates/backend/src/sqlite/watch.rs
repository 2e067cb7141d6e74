//! A watch: reads the log whenever something was committed. Nothing is queued for it, so nothing can be lost to a full queue.

use std::collections::VecDeque;

use tokio::sync::watch as latest;

use super::reader::{self, Changes, Readers};
use crate::{Answer, Error, Event, Prefix, Revision, Watcher};

/// Changes read at once.
const CHUNK: usize = 64;

/// One watcher's place in the log.
#[derive(Debug)]
pub(super) struct LogWatcher {
    readers: Readers,
    committed: latest::Receiver<Revision>,
    prefix: Prefix,
    after: Revision,
    ready: VecDeque<Event>,
}

/// Begins a watch; tells at once when the log does not reach to `after`.
pub(super) async fn start(
    readers: Readers,
    committed: latest::Receiver<Revision>,
    prefix: Prefix,
    after: Revision,
) -> Result<LogWatcher, Error> {
    let mut watcher = LogWatcher { readers, committed, prefix, after, ready: VecDeque::new() };
    watcher.fill().await?;
    Ok(watcher)
}

impl LogWatcher {
    async fn fill(&mut self) -> Result<(), Error> {
        let (prefix, after) = (self.prefix.clone(), self.after);
        let read = move |connection: &rusqlite::Connection| reader::changes(connection, &prefix, after, CHUNK);
        match self.readers.read("read the log", read).await? {
            Changes::Compacted => Err(Error::Compacted { after }),
            Changes::Read(events, looked) => {
                self.ready.extend(events);
                self.after = looked;
                Ok(())
            }
        }
    }

    async fn wait(&mut self) -> Result<Event, Error> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            let after = self.after;
            self.committed.wait_for(|committed| *committed > after).await.map_err(|_| Error::Closed)?;
            self.fill().await?;
        }
    }
}

impl Watcher for LogWatcher {
    fn next(&mut self) -> Answer<'_, Event> {
        Box::pin(self.wait())
    }
}
