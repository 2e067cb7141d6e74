//! Exec: what new sessions cost, and what bytes cost once one is open. Nothing is recorded.

use std::time::Instant;

use anyhow::Result;
use futures_util::future::try_join_all;

use super::Bench;
use crate::{
    measure::Meter,
    peers::{Options, Ours, Peer},
    results::{Figure, Row, Section},
    target::Protocol,
    upstream::EXEC,
};

/// Bytes of a long stream; one at a time.
const LONG: u64 = 128 << 20;
/// Bytes of a short session, and how many run at once.
const SHORT: u64 = 512;
const AT_ONCE: usize = 16;

pub(super) async fn run(bench: &Bench) -> Result<Vec<Section>> {
    let ours = Ours::start(&bench.place, &bench.upstream, "exec", Options { roles: 1, held: 1 })?;
    let peers = [
        Peer::direct(&bench.upstream)?,
        Peer::nginx(&bench.place, &bench.upstream)?,
        Peer::kubectl(&bench.place, &bench.upstream)?,
        Peer::of_ours(&ours, &ours.kubeconfig()?)?,
    ];
    let (mut long, mut short) = (Best::new(peers.len()), Best::new(peers.len()));
    for _ in 0..bench.rounds {
        for (index, peer) in peers.iter().enumerate() {
            long.offer(index, stream(bench, peer).await?);
            short.offer(index, sessions(bench, peer).await?);
        }
    }
    let section = |id, title, note: String, best: Best| {
        let rows = peers.iter().zip(best.rows).map(|(peer, figures)| Row::new("exec", peer.name, figures)).collect();
        Section { id, title, note, rows }
    };
    Ok(vec![
        section("stream", "Exec, bytes", format!("one stream of {} MB, not recorded", LONG >> 20), long),
        section(
            "sessions",
            "Exec, new sessions",
            format!(
                "each with a TLS handshake of its own where there is TLS, {SHORT} bytes and its end; {AT_ONCE} at once"
            ),
            short,
        ),
    ])
}

/// For each peer the figures with the lowest first one.
struct Best {
    rows: Vec<Vec<Figure>>,
}

impl Best {
    fn new(peers: usize) -> Self {
        Self { rows: vec![Vec::new(); peers] }
    }

    fn offer(&mut self, peer: usize, figures: Vec<Figure>) {
        let first = |figures: &[Figure]| figures.first().map_or(f64::MAX, |figure| figure.value);
        if let Some(best) = self.rows.get_mut(peer)
            && first(&figures) < first(best)
        {
            *best = figures;
        }
    }
}

async fn stream(bench: &Bench, peer: &Peer) -> Result<Vec<Figure>> {
    let megabytes = LONG as f64 / f64::from(1 << 20);
    let mut sender = peer.target.connect(Protocol::Http1).await?;
    let meter = Meter::start(peer.pid, bench.upstream.pid).await?;
    let begun = Instant::now();
    sender.exec(EXEC, LONG).await?;
    let took = begun.elapsed().as_secs_f64();
    let cost = meter.stop().await?;
    peer.target.close().await;
    let cpu = cost.proxy.map(|cpu| Figure::new("CPU per MB", cpu.as_secs_f64() * 1e6 / megabytes, "µs"));
    Ok(cpu.into_iter().chain([Figure::new("throughput", megabytes / took, "MB/s")]).collect())
}

async fn sessions(bench: &Bench, peer: &Peer) -> Result<Vec<Figure>> {
    let meter = Meter::start(peer.pid, bench.upstream.pid).await?;
    let begun = Instant::now();
    let until = begun + bench.lasts;
    let workers = (0..AT_ONCE).map(|_| async move {
        let mut done = 0_u64;
        while Instant::now() < until {
            peer.target.connect(Protocol::Http1).await?.exec(EXEC, SHORT).await?;
            done += 1;
        }
        Ok::<_, anyhow::Error>(done)
    });
    let sessions = try_join_all(workers).await?.into_iter().sum::<u64>() as f64;
    let took = begun.elapsed().as_secs_f64();
    let cost = meter.stop().await?;
    peer.target.close().await;
    let mut figures = Vec::new();
    if let Some(cpu) = cost.proxy {
        let each = cpu.as_secs_f64() * 1e6 / sessions;
        figures.push(Figure::new("CPU per session", each, "µs"));
        figures.push(Figure::new("sessions per core", 1e6 / each, "/s"));
    }
    figures.push(Figure::new("sessions", sessions / took, "/s"));
    Ok(figures)
}
