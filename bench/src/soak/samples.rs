//! The daemon over time, once a second: what the operating system says of it, what it says of itself, what clients see.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use http_body_util::BodyExt as _;
use teleport_runtime::TaskGroup;

use super::{cluster::Places, tally::Tally};
use crate::{
    system,
    target::{Protocol, Target},
};

const EVERY: Duration = Duration::from_secs(1);

/// The daemon at a moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Vitals {
    pub(super) resident_mib: f64,
    pub(super) descriptors: usize,
    pub(super) threads: usize,
    pub(super) tasks: usize,
    /// Connections at the front door.
    pub(super) connections: usize,
    /// Requests under way in the kubernetes service.
    pub(super) requests: usize,
}

/// One second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) at: Duration,
    pub(super) resident_mib: Option<f64>,
    pub(super) descriptors: Option<f64>,
    pub(super) watches: f64,
    pub(super) events: f64,
    pub(super) longest: Duration,
}

/// Takes samples until it is dropped.
pub(super) struct Sampler {
    begun: Instant,
    pid: Arc<Mutex<Option<u32>>>,
    taken: Arc<Mutex<Vec<Sample>>>,
    _tasks: TaskGroup,
}

impl Sampler {
    /// Begins.
    pub(super) fn start(tally: Arc<Tally>) -> Self {
        let (pid, taken) = (Arc::<Mutex<Option<u32>>>::default(), Arc::<Mutex<Vec<Sample>>>::default());
        let (begun, tasks) = (Instant::now(), TaskGroup::new("sampler"));
        let (daemon, into) = (Arc::clone(&pid), Arc::clone(&taken));
        tasks.spawn("samples", async move {
            let mut ticks = tokio::time::interval(EVERY);
            let (mut before, mut then) = (0, Instant::now());
            loop {
                ticks.tick().await;
                let daemon = *daemon.lock().unwrap_or_else(PoisonError::into_inner);
                let events = tally.counts().events;
                let passed = then.elapsed().as_secs_f64().max(0.1);
                let sample = Sample {
                    at: begun.elapsed(),
                    resident_mib: daemon.map(|pid| system::resident_kib(pid) as f64 / 1024.0).filter(|mib| *mib > 0.0),
                    descriptors: daemon.and_then(descriptors).map(|count| count as f64),
                    watches: tally.all_open() as f64,
                    events: (events - before) as f64 / passed,
                    longest: tally.take_longest(),
                };
                (before, then) = (events, Instant::now());
                into.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
            }
        });
        Self { begun, pid, taken, _tasks: tasks }
    }

    /// Says which process is looked at; `None` while there is none.
    pub(super) fn look_at(&self, pid: Option<u32>) {
        *self.pid.lock().unwrap_or_else(PoisonError::into_inner) = pid;
    }

    /// Returns how long ago it began.
    pub(super) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Returns all that was taken.
    pub(super) fn taken(&self) -> Vec<Sample> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Vitals {
    /// Looks at a process, and asks it.
    ///
    /// # Errors
    /// When it is gone, or does not say how it is.
    pub(super) async fn look(pid: u32, places: &Places) -> Result<Self> {
        let told = ask(&places.diag()).await?;
        let number = |name: &str| told.get(name).copied().with_context(|| format!("/metrics has no {name}"));
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let threads = status.lines().find_map(|line| line.strip_prefix("Threads:")?.trim().parse().ok());
        Ok(Self {
            resident_mib: system::resident_kib(pid) as f64 / 1024.0,
            descriptors: descriptors(pid).context("the daemon is gone")?,
            threads: threads.context("no number of threads")?,
            tasks: number("teleport_tasks")?,
            connections: number("teleport_proxy_open_connections")?,
            requests: number("teleport_kube_open_requests")?,
        })
    }
}

fn descriptors(pid: u32) -> Option<usize> {
    Some(std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count())
}

/// Reads what the daemon says of itself: whole numbers without labels.
async fn ask(diag: &Target) -> Result<BTreeMap<String, usize>> {
    let reply = diag.connect(Protocol::Http1).await?.open("/metrics").await?;
    let text = reply.into_body().collect().await?.to_bytes();
    let text = String::from_utf8_lossy(&text);
    let numbers = text.lines().filter_map(|line| {
        let (name, value) = line.split_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    });
    Ok(numbers.collect())
}
