//! The load generator: requests one after the other on each connection, or at set times whatever comes back.
//!
//! Called by the suites. Both forms are bounded in time and in number, and say what went wrong.

mod closed;
mod open;
mod pacer;

use std::time::Duration;

use anyhow::{Result, bail};
use futures_util::future::try_join_all;
use serde::Serialize;

use crate::{
    histogram::Histogram,
    target::{Protocol, Sender, Target},
};

/// What to send, and how.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Path and query of the `GET`.
    pub(crate) path: String,
    pub(crate) protocol: Protocol,
    pub(crate) connections: usize,
    /// Requests under way on each connection; more than one over HTTP/2 only.
    pub(crate) streams: usize,
    /// How long to send.
    pub(crate) lasts: Duration,
    /// Most requests, over all connections.
    pub(crate) most: u64,
    pub(crate) arrivals: Arrivals,
}

/// When the next request is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Arrivals {
    /// When the one before was answered: the closed loop.
    Answered,
    /// So many a second, whatever comes back: the open loop. Latency counts from when a request was due.
    Rate(f64),
}

/// Connections that are open and warm.
pub(crate) struct Load {
    plan: Plan,
    senders: Vec<Sender>,
    target: Target,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) latencies: Histogram,
    pub(crate) took: Duration,
    pub(crate) bytes: u64,
}

/// Percentiles in microseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
}

impl Plan {
    /// `GET`s in the closed loop over HTTP/1.1.
    pub(crate) fn closed(path: &str, connections: usize, lasts: Duration) -> Self {
        Self {
            path: path.to_owned(),
            protocol: Protocol::Http1,
            connections,
            streams: 1,
            lasts,
            most: 2_000_000,
            arrivals: Arrivals::Answered,
        }
    }

    /// The same over HTTP/2, with so many requests under way on each connection.
    pub(crate) fn over_http2(self, streams: usize) -> Self {
        Self { protocol: Protocol::Http2, streams, ..self }
    }

    /// The same at a rate, in requests a second.
    pub(crate) fn at_rate(self, rate: f64) -> Self {
        Self { arrivals: Arrivals::Rate(rate), ..self }
    }
}

impl Load {
    /// Opens the connections and sends some requests over each, so that the run meets nothing for the first time.
    ///
    /// # Errors
    /// When a connection cannot be opened or a request is not answered with 200.
    pub(crate) async fn prepare(target: &Target, plan: Plan) -> Result<Self> {
        /// Handshakes under way at once.
        const AT_ONCE: usize = 32;
        const WARM_UP: usize = 400;
        let mut senders = Vec::with_capacity(plan.connections * plan.streams);
        while senders.len() < plan.connections {
            let some = AT_ONCE.min(plan.connections - senders.len());
            senders.extend(try_join_all((0..some).map(|_| target.connect(plan.protocol))).await?);
        }
        for connection in 0..plan.connections {
            let shared = (1..plan.streams).map_while(|_| senders.get(connection).and_then(Sender::share));
            let shared: Vec<_> = shared.collect();
            senders.extend(shared);
        }
        let each = (WARM_UP / senders.len().max(1)).max(1);
        try_join_all(senders.iter_mut().map(|sender| warm_up(sender, &plan.path, each))).await?;
        Ok(Self { plan, senders, target: target.clone() })
    }

    /// Sends the load and closes the connections.
    ///
    /// # Errors
    /// When any request fails: figures of a run with errors mean nothing.
    pub(crate) async fn run(self) -> Result<Outcome> {
        let outcome = match self.plan.arrivals {
            Arrivals::Answered => closed::run(&self.plan, self.senders).await?,
            Arrivals::Rate(rate) => open::run(&self.plan, rate, self.senders).await?,
        };
        self.target.close().await;
        if outcome.latencies.count() == 0 {
            bail!("not one request of {} was answered", self.plan.path);
        }
        Ok(outcome)
    }
}

async fn warm_up(sender: &mut Sender, path: &str, times: usize) -> Result<()> {
    // Long answers warm up with fewer.
    let mut left = 2_000_000;
    for _ in 0..times {
        left -= i64::try_from(sender.get(path).await?)?;
        if left < 0 {
            break;
        }
    }
    Ok(())
}

impl Outcome {
    fn new() -> Self {
        Self { latencies: Histogram::new(), took: Duration::ZERO, bytes: 0 }
    }

    fn merge(&mut self, other: &Self) {
        self.latencies.merge(&other.latencies);
        self.bytes += other.bytes;
    }

    /// Returns how many requests were answered.
    pub(crate) fn requests(&self) -> u64 {
        self.latencies.count()
    }

    /// Returns answers a second.
    pub(crate) fn throughput(&self) -> f64 {
        self.requests() as f64 / self.took.as_secs_f64()
    }

    /// Returns the percentiles.
    pub(crate) fn latency(&self) -> Latency {
        let micros = |share| self.latencies.quantile(share).as_secs_f64() * 1e6;
        Latency { p50_us: micros(0.5), p99_us: micros(0.99), p999_us: micros(0.999) }
    }
}
