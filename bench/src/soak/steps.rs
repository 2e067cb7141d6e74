//! What happens in a soak, one step after the other, and what must hold in each.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use teleport_runtime::TaskGroup;

use super::{
    clients::{Clients, Targets},
    cluster::{Cluster, End, Places},
    objects::{self, Pace},
    samples::{Sample, Sampler, Vitals},
    tally::{Counts, Lateness, PerUser, USERS, User},
    trouble::{HalfOpen, Slow, Stalled},
};

/// How long watches may take to be open again, all of them.
const REOPENING: Duration = Duration::from_secs(240);
/// What was due so long ago must have come.
const SETTLED: Duration = Duration::from_secs(5);
/// How long a change of roles may take to reach running watches, once the command that made it is done.
const CUT: Duration = Duration::from_secs(1);
/// How long a stalled reader could hold up others for all we know; a reader who stands still blocks for ever.
const HELD_UP: Duration = Duration::from_secs(5);
/// Half-open handshakes have ten seconds.
const HALF_OPEN: Duration = Duration::from_secs(30);
/// Connections to the upstream are kept for 90 s.
const RETURN: Duration = Duration::from_secs(150);
/// How much more than at the start the daemon may have at the end; memory, how much more than after the first round.
pub(super) const MARGIN: Vitals =
    Vitals { resident_mib: 16.0, descriptors: 16, threads: 4, tasks: 16, connections: 0, requests: 0 };
/// Certificates of a minute are renewed so often.
const RENEWAL: Duration = Duration::from_secs(25);
const MINUTE: &str = "1m";
const DAY: &str = "24h";

/// What is to be run.
pub(super) struct Plan {
    pub(super) dir: PathBuf,
    pub(super) teleport: PathBuf,
    pub(super) watches: usize,
    /// All steps together.
    pub(super) lasts: Duration,
    pub(super) pace: Pace,
}

/// What came of it.
pub(super) struct Outcome {
    pub(super) steps: Vec<Step>,
    pub(super) checks: Vec<Check>,
    pub(super) samples: Vec<Sample>,
    pub(super) start: Vitals,
    pub(super) busy: Vitals,
    pub(super) first: Vitals,
    pub(super) end: Vitals,
}

/// One step.
pub(super) struct Step {
    pub(super) name: &'static str,
    /// From the start of the run.
    pub(super) from: Duration,
    pub(super) to: Duration,
    pub(super) counts: Counts,
    pub(super) lateness: Lateness,
}

/// Something that must hold.
pub(super) struct Check {
    pub(super) what: String,
    pub(super) holds: bool,
}

struct Run<'a> {
    plan: &'a Plan,
    cluster: Cluster,
    clients: Clients,
    sampler: Sampler,
    steps: Vec<Step>,
    checks: Vec<Check>,
    /// Counts when the step began, and when that was.
    since: (Counts, Duration),
}

/// Runs all steps.
///
/// # Errors
/// When something cannot be done at all; what does not hold is in the outcome.
pub(super) async fn run(plan: &Plan) -> Result<Outcome> {
    let cluster = Cluster::start(&plan.dir, &plan.teleport, plan.pace).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    // Before the users are made, whose passwords cost memory once.
    let start = Vitals::look(cluster.daemon().context("no daemon")?, cluster.places()).await?;
    let targets = people(cluster.places()).await?;

    let clients = Clients::start(Arc::new(targets), plan.pace, plan.watches, Arc::default());
    let sampler = Sampler::start(Arc::clone(clients.tally()));
    sampler.look_at(cluster.daemon());
    let renewing = TaskGroup::new("renewal");
    renewing.spawn("renewal", renew(Arc::clone(cluster.places()), Arc::clone(clients.targets())));
    let since = (Counts::default(), Duration::ZERO);
    let mut run = Run { plan, cluster, clients, sampler, steps: Vec::new(), checks: Vec::new(), since };

    run.all_open("opening").await?;
    run.restarts().await?;
    run.rest(0.15).await?;
    run.quiet_step("steady");
    let busy = run.vitals().await?;
    run.roles().await?;
    run.token().await?;
    run.stalled_readers().await?;
    run.slow_clients().await?;
    run.upstream_restarts().await?;
    run.rest(0.15).await?;
    run.quiet_step("steady again");
    run.nothing_missed().await;
    run.clients.close().await;
    run.step("closed");
    let first = run.at_rest(&start, "at rest").await?;
    let end = run.second_round(&start, &first).await?;
    renewing.drain(Duration::ZERO).await;
    run.sampler.look_at(None);
    let samples = run.sampler.taken();
    Ok(Outcome { steps: run.steps, checks: run.checks, samples, start, busy, first, end })
}

/// Makes roles, users and their certificates.
async fn people(places: &Arc<Places>) -> Result<Targets> {
    places.put_role("watchers", &["default"]).await?;
    places.put_role("revocable", &["default"]).await?;
    let mut targets = Vec::new();
    for user in USERS {
        places.add_user(user.name(), if user == User::Revoked { "revocable" } else { "watchers" }).await?;
        targets.push(places.sign(user.name(), if user == User::Brief { MINUTE } else { DAY }).await?);
    }
    let targets = <[_; 3]>::try_from(targets).ok().context("a target for each user")?;
    Ok(Targets::new(PerUser(targets)))
}

/// Renews the certificates of a minute, for as long as it runs; a renewal that fails is made up for by the next.
async fn renew(places: Arc<Places>, targets: Arc<Targets>) {
    loop {
        if let Ok(target) = places.sign(User::Brief.name(), MINUTE).await {
            targets.renew(User::Brief, target);
        }
        tokio::time::sleep(RENEWAL).await;
    }
}

impl Run<'_> {
    /// Ends the daemon, politely and not, and starts it again; clients come back by themselves.
    async fn restarts(&mut self) -> Result<()> {
        for (end, name) in [(End::Asked, "daemon restarted (SIGTERM)"), (End::Killed, "daemon restarted (SIGKILL)")] {
            self.sampler.look_at(None);
            self.cluster.end_daemon(end).await?;
            self.cluster.start_daemon().await?;
            self.sampler.look_at(self.cluster.daemon());
            self.all_open(name).await?;
        }
        Ok(())
    }

    /// Edits a role so that access stays, then so that it goes, then back.
    async fn roles(&mut self) -> Result<()> {
        let places = Arc::clone(self.cluster.places());
        places.put_role("watchers", &["default", "other"]).await?;
        places.put_role("revocable", &["default", "other"]).await?;
        self.rest(0.05).await?;
        self.quiet_step("roles edited, access kept");

        let tally = Arc::clone(self.clients.tally());
        places.put_role("revocable", &["other"]).await?;
        let done = objects::now();
        self.until("watches are cut", CUT * 20, || tally.open_of(User::Revoked) == 0).await?;
        let took = objects::now().saturating_sub(done);
        self.check(
            format!(
                "watches were cut {} ms after the role no longer allowed them (≤ {} ms)",
                took.as_millis(),
                CUT.as_millis()
            ),
            took <= CUT,
        );
        places.put_role("revocable", &["default"]).await?;
        self.all_open("role taken away and given back").await
    }

    /// Changes the token that the upstream takes; the old one is refused from then on.
    async fn token(&mut self) -> Result<()> {
        for _ in 0..2 {
            self.cluster.rotate_token()?;
            self.rest(0.04).await?;
        }
        self.quiet_step("service-account token rotated twice");
        Ok(())
    }

    async fn stalled_readers(&mut self) -> Result<()> {
        let stalled = Stalled::start(self.clients.targets()).await?;
        self.rest(0.15).await?;
        let readers = stalled.len();
        drop(stalled);
        self.quiet_step("stalled readers");
        self.check(format!("{readers} readers stood still"), readers > 0);
        self.not_held_up("stalled readers");
        Ok(())
    }

    async fn slow_clients(&mut self) -> Result<()> {
        let slow = Slow::start(self.clients.targets()).await?;
        let half_open = HalfOpen::start(self.cluster.places().proxy()).await?;
        self.rest(0.10).await?;
        let closed = half_open.closed(HALF_OPEN).await;
        self.check("half-open handshakes are given up".to_owned(), closed.is_ok());
        drop(slow);
        self.quiet_step("slow clients and half-open handshakes");
        self.not_held_up("slow clients");
        Ok(())
    }

    async fn upstream_restarts(&mut self) -> Result<()> {
        for name in ["upstream killed and started", "upstream killed and started again"] {
            self.cluster.kill_upstream().await?;
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.cluster.start_upstream().await?;
            self.all_open(name).await?;
        }
        Ok(())
    }

    /// Waits until every watch is open and has caught up, and ends the step.
    async fn all_open(&mut self, name: &'static str) -> Result<()> {
        let (tally, wanted) = (Arc::clone(self.clients.tally()), self.clients.len());
        let what = format!("all {wanted} watches are open and have caught up ({name})");
        // The ones with certificates of a minute may be on their way from one to the next.
        let begun = objects::now();
        loop {
            if tally.all_open() == wanted && self.clients.behind(SETTLED) == 0 {
                break;
            }
            ensure!(
                objects::now().saturating_sub(begun) < REOPENING,
                "not after {} s: {what}; {} are open, {} are behind",
                REOPENING.as_secs(),
                tally.all_open(),
                self.clients.behind(SETTLED),
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.step(name);
        Ok(())
    }

    async fn until(&self, what: &str, patience: Duration, holds: impl Fn() -> bool) -> Result<()> {
        let begun = objects::now();
        while !holds() {
            ensure!(objects::now().saturating_sub(begun) < patience, "not after {} s: {what}", patience.as_secs());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Lets a share of the run pass; the daemon must live.
    async fn rest(&self, share: f64) -> Result<()> {
        tokio::time::sleep(self.plan.lasts.mul_f64(share)).await;
        self.vitals().await.map(drop)
    }

    async fn vitals(&self) -> Result<Vitals> {
        Vitals::look(self.cluster.daemon().context("no daemon")?, self.cluster.places()).await
    }

    /// Ends a step.
    fn step(&mut self, name: &'static str) -> &Step {
        let (before, from) = self.since;
        let tally = self.clients.tally();
        let (now, to) = (tally.counts(), self.sampler.elapsed());
        self.since = (now, to);
        self.steps.push(Step { name, from, to, counts: now - before, lateness: tally.take_lateness() });
        let step = self.steps.last().expect("just pushed");
        eprintln!("soak: {name}: {:.0} s, {} events", (to - from).as_secs_f64(), step.counts.events);
        step
    }

    /// Ends a step in which nobody may notice anything, but those whose certificates end.
    fn quiet_step(&mut self, name: &'static str) {
        let counts = self.step(name).counts;
        let cut = counts.ended.of(User::Steady) + counts.ended.of(User::Revoked);
        self.check(format!("no watch was cut: {name} ({cut})"), cut == 0);
        self.check(
            format!("every small request was answered: {name} ({} of {} were not)", counts.failed, counts.asked),
            counts.failed == 0 && counts.asked > 0,
        );
    }

    fn not_held_up(&mut self, by: &str) {
        let longest =
            self.steps.last().map(|step| step.lateness.events.quantile(1.0).max(step.lateness.answers.quantile(1.0)));
        let longest = longest.unwrap_or(Duration::MAX);
        self.check(
            format!("others wait {} ms at most beside {by} (≤ {} ms)", longest.as_millis(), HELD_UP.as_millis()),
            longest <= HELD_UP,
        );
    }

    /// Every change of the whole run has come to every watch, once.
    async fn nothing_missed(&mut self) {
        let begun = objects::now();
        while self.clients.behind(SETTLED) > 0 && objects::now().saturating_sub(begun) < REOPENING {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let (behind, counts) = (self.clients.behind(SETTLED), self.clients.tally().counts());
        self.check(format!("no change was missed ({} of {})", counts.missed, counts.events), counts.missed == 0);
        self.check(format!("no change came twice ({})", counts.repeated), counts.repeated == 0);
        self.check(format!("no watch is silent ({behind})"), behind == 0);
    }

    /// Waits until the daemon holds no more than at its start.
    async fn at_rest(&mut self, start: &Vitals, name: &'static str) -> Result<Vitals> {
        let begun = objects::now();
        let mut now = self.vitals().await?;
        while !is_back(&now, start) && objects::now().saturating_sub(begun) < RETURN {
            tokio::time::sleep(Duration::from_secs(1)).await;
            now = self.vitals().await?;
        }
        self.step(name);
        Ok(now)
    }

    /// Opens and closes all watches once more: what an allocator keeps for the next time is used then, a leak grows.
    async fn second_round(&mut self, start: &Vitals, first: &Vitals) -> Result<Vitals> {
        let tally = Arc::clone(self.clients.tally());
        self.clients = Clients::start(Arc::clone(self.clients.targets()), self.plan.pace, self.plan.watches, tally);
        self.all_open("second round: opening").await?;
        self.clients.close().await;
        self.step("second round: closed");
        let end = self.at_rest(start, "second round: at rest").await?;
        for (what, is, at_most) in [
            ("descriptors", end.descriptors, start.descriptors + MARGIN.descriptors),
            ("threads", end.threads, start.threads + MARGIN.threads),
            ("tasks", end.tasks, start.tasks + MARGIN.tasks),
            ("connections", end.connections, start.connections + MARGIN.connections),
            ("requests under way", end.requests, start.requests + MARGIN.requests),
        ] {
            self.check(format!("{what} return to the start: {is} (≤ {at_most})"), is <= at_most);
        }
        let at_most = first.resident_mib + MARGIN.resident_mib;
        self.check(
            format!(
                "a second round leaves no more memory than the first: {:.0} MiB (≤ {at_most:.0} MiB)",
                end.resident_mib
            ),
            end.resident_mib <= at_most,
        );
        Ok(end)
    }

    fn check(&mut self, what: String, holds: bool) {
        if !holds {
            eprintln!("soak: DOES NOT HOLD: {what}");
        }
        self.checks.push(Check { what, holds });
    }
}

fn is_back(now: &Vitals, start: &Vitals) -> bool {
    now.descriptors <= start.descriptors + MARGIN.descriptors
        && now.threads <= start.threads + MARGIN.threads
        && now.tasks <= start.tasks + MARGIN.tasks
        && now.connections <= start.connections
        && now.requests <= start.requests
}
