//! What the pods' main processes print: a few lines each, more when a test or an attached client adds them, and a tick
//! per follower so that `logs -f` is alive.

use std::{
    collections::{HashMap, VecDeque},
    sync::Mutex,
    time::Duration,
};

use bytes::Bytes;
use jiff::Timestamp;
use teleport_runtime::{Clock, TaskGroup};
use tokio::sync::{broadcast, mpsc};

use super::{
    body::{self, Reply},
    query::Query,
};

/// Lines that a pod keeps.
const KEEP: usize = 1_000;
/// How often a follower gets a line of its own.
const TICK: Duration = Duration::from_millis(500);

type Line = (Timestamp, String);

/// The logs of all pods, by namespace and name.
#[derive(Default)]
pub(super) struct Logs {
    pods: Mutex<HashMap<(String, String), Pod>>,
}

struct Pod {
    lines: VecDeque<Line>,
    new: broadcast::Sender<Line>,
}

impl Pod {
    fn new(name: &str) -> Self {
        let now = Clock::system().now();
        let lines = (1..=3).map(|number| (now, format!("{name} line {number}")));
        Self { lines: lines.collect(), new: broadcast::channel(KEEP).0 }
    }
}

impl Logs {
    /// Adds a line to a pod's log; followers see it at once.
    pub(super) fn append(&self, namespace: &str, pod: &str, text: &str) {
        let line = (Clock::system().now(), text.to_owned());
        let mut pods = self.pods.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let log = pods.entry((namespace.to_owned(), pod.to_owned())).or_insert_with(|| Pod::new(pod));
        if log.lines.len() == KEEP {
            log.lines.pop_front();
        }
        log.lines.push_back(line.clone());
        // Nobody may be following.
        let _ = log.new.send(line);
    }

    /// Forgets a pod, which ends its followers.
    pub(super) fn forget(&self, namespace: &str, pod: &str) {
        let mut pods = self.pods.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        pods.remove(&(namespace.to_owned(), pod.to_owned()));
    }

    /// Returns the lines so far and those to come.
    pub(super) fn read(&self, namespace: &str, pod: &str) -> (Vec<Line>, broadcast::Receiver<Line>) {
        let mut pods = self.pods.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let log = pods.entry((namespace.to_owned(), pod.to_owned())).or_insert_with(|| Pod::new(pod));
        (log.lines.iter().cloned().collect(), log.new.subscribe())
    }

    /// Answers `pods/log`.
    pub(super) fn answer(&self, (namespace, pod): (&str, &str), query: &Query, tasks: &TaskGroup) -> Reply {
        let (mut lines, new) = self.read(namespace, pod);
        if let Some(tail) = query.number("tailLines").and_then(|tail| usize::try_from(tail).ok()) {
            lines = lines.split_off(lines.len().saturating_sub(tail));
        }
        let stamped = query.flag("timestamps");
        if !query.flag("follow") {
            let text: String = lines.iter().map(|line| worded(line, stamped)).collect();
            return body::whole(http::StatusCode::OK, "text/plain", text);
        }
        let (out, pieces) = mpsc::channel(16);
        let stop = tasks.stop_signal();
        tasks.spawn("log follower", async move {
            let gone = out.clone();
            tokio::select! {
                () = follow(lines, new, out, stamped) => {}
                () = gone.closed() => {}
                () = stop.requested() => {}
            }
        });
        body::stream("text/plain", pieces)
    }
}

async fn follow(lines: Vec<Line>, mut new: broadcast::Receiver<Line>, out: mpsc::Sender<Bytes>, stamped: bool) {
    for line in &lines {
        if out.send(worded(line, stamped).into()).await.is_err() {
            return;
        }
    }
    let mut tick = tokio::time::interval_at(tokio::time::Instant::now() + TICK, TICK);
    let mut count = 0u64;
    loop {
        let line = tokio::select! {
            line = new.recv() => match line {
                Ok(line) => line,
                Err(broadcast::error::RecvError::Lagged(_)) => continue,
                Err(broadcast::error::RecvError::Closed) => return,
            },
            _ = tick.tick() => {
                count += 1;
                (Clock::system().now(), format!("tick {count}"))
            }
        };
        if out.send(worded(&line, stamped).into()).await.is_err() {
            return;
        }
    }
}

fn worded((when, text): &Line, stamped: bool) -> String {
    if stamped { format!("{when:.9} {text}\n") } else { format!("{text}\n") }
}
