//! One run of load against one peer, with what it cost; and the best of several runs, taken in turns.
//!
//! Called by the suites.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::{
    load::{Latency, Load, Plan},
    peers::Peer,
    results::Figure,
    system,
};

/// What a run cost and how it went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) requests: u64,
    pub(crate) throughput: f64,
    /// CPU time of the proxy for each request; `None` without a proxy.
    pub(crate) cpu_us: Option<f64>,
    pub(crate) latency: Latency,
    pub(crate) resident_mib: Option<f64>,
    /// Share of the machine that others used meanwhile, in percent.
    pub(crate) foreign: f64,
}

/// Sends a load to a peer and reads the peer's clock before and after.
///
/// # Errors
/// When a request fails or the peer is gone.
pub(crate) async fn measure(peer: &Peer, plan: Plan, upstream: u32) -> Result<Sample> {
    let load = Load::prepare(&peer.target, plan).await?;
    let meter = Meter::start(peer.pid, upstream).await?;
    let outcome = load.run().await?;
    let cost = meter.stop().await?;
    let per_request = |cpu: Duration| cpu.as_secs_f64() * 1e6 / outcome.requests() as f64;
    Ok(Sample {
        requests: outcome.requests(),
        throughput: outcome.throughput(),
        cpu_us: cost.proxy.map(per_request),
        latency: outcome.latency(),
        resident_mib: peer.pid.map(|pid| system::resident_kib(pid) as f64 / 1024.0),
        foreign: cost.foreign,
    })
}

/// What makes one run of a case better than another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Best {
    /// Least CPU time; for the direct way, which has none, the lowest median.
    Cpu,
    /// The lowest median latency.
    Median,
}

/// Runs every case once, then all of them again, and keeps the best run of each. Others share this machine, and what
/// they take away only ever adds.
///
/// # Errors
/// When any run fails.
pub(crate) async fn best_of(
    best_is: Best,
    rounds: usize,
    cases: &[(&Peer, Plan)],
    upstream: u32,
) -> Result<Vec<Sample>> {
    let mut best: Vec<Option<Sample>> = vec![None; cases.len()];
    for _ in 0..rounds {
        for ((peer, plan), best) in cases.iter().zip(&mut best) {
            let sample = measure(peer, plan.clone(), upstream).await?;
            let rank = |sample: &Sample| match (best_is, sample.cpu_us) {
                (Best::Cpu, Some(cpu)) => cpu,
                _ => sample.latency.p50_us,
            };
            if best.is_none_or(|best| rank(&sample) < rank(&best)) {
                *best = Some(sample);
            }
        }
    }
    Ok(best.into_iter().flatten().collect())
}

impl Sample {
    /// Returns what goes into the tables.
    pub(crate) fn figures(&self) -> Vec<Figure> {
        let mut figures = Vec::new();
        figures.extend(self.cpu_us.map(|cpu| Figure::new("CPU per request", cpu, "µs")));
        figures.push(Figure::new("throughput", self.throughput, "/s"));
        figures.push(Figure::new("p50", self.latency.p50_us, "µs"));
        figures.push(Figure::new("p99", self.latency.p99_us, "µs"));
        figures.push(Figure::new("p99.9", self.latency.p999_us, "µs"));
        figures.extend(self.resident_mib.map(|resident| Figure::new("RSS", resident, "MiB")));
        figures.push(Figure::new("requests", self.requests as f64, ""));
        figures.push(Figure::new("others' CPU", self.foreign, "%"));
        figures
    }
}

/// Reads CPU clocks before and after something.
pub(crate) struct Meter {
    proxy: Option<u32>,
    upstream: u32,
    begun: Instant,
    before: Clocks,
}

/// What the clocks have moved.
pub(crate) struct Cost {
    pub(crate) proxy: Option<Duration>,
    /// Share of the machine that others used, in percent.
    pub(crate) foreign: f64,
}

#[derive(Clone, Copy)]
struct Clocks {
    proxy: Option<Duration>,
    own: Duration,
    machine: Duration,
}

impl Meter {
    /// Waits until the proxy rests, and reads the clocks.
    ///
    /// # Errors
    /// When a process is gone.
    pub(crate) async fn start(proxy: Option<u32>, upstream: u32) -> Result<Self> {
        rest(proxy).await?;
        let before = Clocks::read(proxy, upstream)?;
        Ok(Self { proxy, upstream, begun: Instant::now(), before })
    }

    /// Waits until the proxy rests again, since what it does after its answers is part of the price, and reads the clocks.
    ///
    /// # Errors
    /// When a process is gone.
    pub(crate) async fn stop(self) -> Result<Cost> {
        rest(self.proxy).await?;
        let (after, took) = (Clocks::read(self.proxy, self.upstream)?, self.begun.elapsed());
        let proxy = after.proxy.zip(self.before.proxy).map(|(after, before)| after.saturating_sub(before));
        let known = after.own.saturating_sub(self.before.own) + proxy.unwrap_or_default();
        let foreign = after.machine.saturating_sub(self.before.machine).saturating_sub(known);
        let cores = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default().matches("processor\t").count().max(1);
        Ok(Cost { proxy, foreign: foreign.as_secs_f64() / took.as_secs_f64() / cores as f64 * 100.0 })
    }
}

impl Clocks {
    fn read(proxy: Option<u32>, upstream: u32) -> Result<Self> {
        // Our children are the upstream and the proxies; only what is named here is counted.
        let own = system::cpu_time_alone(std::process::id())? + system::cpu_time_alone(upstream)?;
        Ok(Self { proxy: proxy.map(system::cpu_time).transpose()?, own, machine: system::machine_cpu_time() })
    }
}

/// Waits until a process has used next to no CPU time for a while, two seconds at most.
async fn rest(proxy: Option<u32>) -> Result<()> {
    const STEP: Duration = Duration::from_millis(100);
    let Some(pid) = proxy else { return Ok(()) };
    let mut before = system::cpu_time(pid)?;
    for _ in 0..20 {
        tokio::time::sleep(STEP).await;
        let now = system::cpu_time(pid)?;
        if now - before <= Duration::from_millis(10) {
            break;
        }
        before = now;
    }
    Ok(())
}
