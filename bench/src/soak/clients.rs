//! The clients: connections with many watches each, which begin again where they were whenever one ends.

use std::{
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use teleport_runtime::{Backoff, Stop, TaskGroup};
use tokio::sync::{Mutex, Semaphore, watch};

use super::{
    objects::{self, Asked, OBJECTS, Pace},
    tally::{PerUser, Tally, User},
};
use crate::target::{Protocol, Sender, Target};

/// Watches on one connection.
const STREAMS: usize = 200;
/// Watches that are being opened at a time: clients of a real cluster are no single burst either.
const OPENING: usize = 128;
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// How long a small request may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// A number that no change has: nothing has come yet.
const NONE: u64 = u64::MAX;

/// The certificates that are used for new connections, by user.
pub(super) struct Targets {
    current: PerUser<watch::Sender<Target>>,
    /// All there ever were: connections made with one live no longer than it.
    all: std::sync::Mutex<Vec<Target>>,
}

/// Every client.
pub(super) struct Clients {
    targets: Arc<Targets>,
    tally: Arc<Tally>,
    watches: Vec<Arc<Watch>>,
    pace: Pace,
    tasks: TaskGroup,
}

struct Shared {
    targets: Arc<Targets>,
    tally: Arc<Tally>,
    pace: Pace,
    opening: Semaphore,
}

/// A connection that is made again when it breaks.
struct Link {
    user: User,
    current: Mutex<(u64, Option<Sender>)>,
}

struct Watch {
    object: u64,
    last: AtomicU64,
}

impl Targets {
    /// Takes one for each user.
    pub(super) fn new(targets: PerUser<Target>) -> Self {
        let all = std::sync::Mutex::new(targets.0.to_vec());
        Self { current: PerUser(targets.0.map(watch::Sender::new)), all }
    }

    /// Returns where a user's next connection goes.
    pub(super) fn of(&self, user: User) -> Target {
        self.current.of(user).borrow().clone()
    }

    /// Puts a renewed certificate in place.
    pub(super) fn renew(&self, user: User, target: Target) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).push(target.clone());
        self.current.of(user).send_replace(target);
    }

    /// Closes every connection that is left.
    async fn close(&self) {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for target in all {
            target.close().await;
        }
    }
}

impl Clients {
    /// Begins to open watches, and to ask small questions beside them.
    pub(super) fn start(targets: Arc<Targets>, pace: Pace, count: usize, tally: Arc<Tally>) -> Self {
        let tasks = TaskGroup::new("clients");
        let shared = Arc::new(Shared {
            targets: Arc::clone(&targets),
            tally: Arc::clone(&tally),
            pace,
            opening: Semaphore::new(OPENING),
        });
        let mut watches = Vec::with_capacity(count);
        for (index, first) in (0..count).step_by(STREAMS).enumerate() {
            // One connection in eight has short certificates, and one in eight loses its rights.
            let user = match index % 8 {
                1 => User::Brief,
                2 => User::Revoked,
                _ => User::Steady,
            };
            let link = Arc::new(Link { user, current: Mutex::default() });
            for number in first..count.min(first + STREAMS) {
                let watch = Arc::new(Watch { object: number as u64 % OBJECTS, last: AtomicU64::new(NONE) });
                watches.push(Arc::clone(&watch));
                let (shared, link) = (Arc::clone(&shared), Arc::clone(&link));
                let stop = tasks.stop_signal();
                tasks.spawn("watch", async move {
                    tokio::select! {
                        () = follow(&shared, &link, &watch) => {}
                        () = stop.requested() => {}
                    }
                });
            }
        }
        tasks.spawn("questions", questions(Arc::clone(&shared), tasks.stop_signal()));
        Self { targets, tally, watches, pace, tasks }
    }

    /// Returns what they see.
    pub(super) fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// Returns the certificates.
    pub(super) fn targets(&self) -> &Arc<Targets> {
        &self.targets
    }

    /// Returns how many watches there are.
    pub(super) fn len(&self) -> usize {
        self.watches.len()
    }

    /// Returns how many have not got what was due some seconds ago.
    pub(super) fn behind(&self, by: Duration) -> usize {
        let then = objects::now().saturating_sub(by);
        let is_behind = |watch: &&Arc<Watch>| {
            let last = watch.last.load(Ordering::Relaxed);
            last == NONE || last < self.pace.number_at(watch.object, then)
        };
        self.watches.iter().filter(is_behind).count()
    }

    /// Closes everything.
    pub(super) async fn close(&self) {
        self.tasks.drain(Duration::from_secs(10)).await;
        self.targets.close().await;
    }
}

/// Watches for ever.
async fn follow(shared: &Shared, link: &Link, watch: &Watch) {
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    loop {
        match begin(shared, link, watch).await {
            Ok(body) => {
                backoff.reset();
                read(shared, link.user, watch, body).await;
            }
            Err(_) => {
                shared.tally.refused();
                tokio::time::sleep(backoff.next_wait()).await;
            }
        }
    }
}

/// Opens a watch, after the last change that came.
async fn begin(shared: &Shared, link: &Link, watch: &Watch) -> Result<Incoming> {
    let _turn = shared.opening.acquire().await?;
    let last = watch.last.load(Ordering::Relaxed);
    let asked = Asked::Changes { object: watch.object, after: (last != NONE).then_some(last) };
    let (made, mut sender) = link.sender(shared).await?;
    let request = Request::get(format!("https://kubernetes{}", objects::path(asked))).body(Empty::new())?;
    match sender.send(request).await {
        Ok(reply) if reply.status() == StatusCode::OK => Ok(reply.into_body()),
        // A certificate that has ended is of no more use; a role that forbids may change.
        Ok(reply) if reply.status() != StatusCode::UNAUTHORIZED => anyhow::bail!("{}", reply.status()),
        Ok(_) => {
            link.break_off(made).await;
            anyhow::bail!("the certificate has ended")
        }
        Err(error) => {
            link.break_off(made).await;
            Err(error)
        }
    }
}

/// Reads changes until the watch ends.
async fn read(shared: &Shared, user: User, watch: &Watch, mut body: Incoming) {
    let _open = shared.tally.open(user);
    // What was due before now is caught up on, and late for another reason.
    let since = objects::now();
    let mut rest = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        rest.extend_from_slice(&data);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            let Some(number) = objects::number(&line) else { continue };
            let last = watch.last.swap(number, Ordering::Relaxed);
            shared.tally.came((last != NONE).then_some(last), number);
            let due = shared.pace.due(watch.object, number);
            if due > since {
                shared.tally.late(objects::now().saturating_sub(due));
            }
        }
    }
}

impl Link {
    /// Returns the connection, made anew when there is none, and its number.
    async fn sender(&self, shared: &Shared) -> Result<(u64, Sender)> {
        let mut current = self.current.lock().await;
        if let Some(sender) = current.1.as_ref().and_then(Sender::share) {
            return Ok((current.0, sender));
        }
        let sender = shared.targets.of(self.user).connect(Protocol::Http2).await?;
        let shared = sender.share().unwrap_or(sender);
        current.0 += 1;
        current.1 = shared.share();
        Ok((current.0, shared))
    }

    /// Gives up the connection with this number.
    async fn break_off(&self, made: u64) {
        let mut current = self.current.lock().await;
        if current.0 == made {
            current.1 = None;
        }
    }
}

/// Asks for a pod ten times a second, over a connection of its own.
async fn questions(shared: Arc<Shared>, stop: Stop) {
    let mut sender = None;
    while !stop.is_requested() {
        let begun = objects::now();
        let asking = async {
            let mut asked = match sender.take() {
                Some(sender) => sender,
                None => shared.targets.of(User::Steady).connect(Protocol::Http1).await?,
            };
            asked.get(crate::upstream::POD).await?;
            Ok::<_, anyhow::Error>(asked)
        };
        let answer = tokio::select! {
            answer = tokio::time::timeout(PATIENCE, asking) => answer,
            () = stop.requested() => return,
        };
        sender = answer.ok().and_then(Result::ok);
        let took = objects::now().saturating_sub(begun);
        shared.tally.answered(sender.is_some().then_some(took));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
