//! Small answers and long lists through every peer: the closed loop, one connection, HTTP/2, and the open loop.

use std::time::Duration;

use anyhow::Result;

use super::Bench;
use crate::{
    load::Plan,
    measure::{Best, Sample, best_of},
    peers::{Options, Ours, Peer},
    results::{Row, Section},
    upstream::{LIST, POD},
};

/// Share of the slowest peer's throughput that the open loop asks of all.
const OPEN_SHARE: f64 = 0.5;

pub(super) async fn run(bench: &Bench) -> Result<Vec<Section>> {
    let ours = Ours::start(&bench.place, &bench.upstream, "http", Options { roles: 1, held: 1 })?;
    let peers = [
        Peer::direct(&bench.upstream)?,
        Peer::nginx(&bench.place, &bench.upstream)?,
        Peer::kubectl(&bench.place, &bench.upstream)?,
        Peer::of_ours(&ours, &ours.kubeconfig()?)?,
    ];
    let small = Plan::closed(POD, 32, bench.lasts);
    let (closed, samples) = each(bench, &peers, "32 connections", &small, Best::Cpu).await?;
    // kubectl proxy speaks no HTTP/2 without TLS.
    let tls: Vec<&Peer> = peers.iter().filter(|peer| peer.name != "kubectl proxy").collect();
    let http2 = Plan::closed(POD, 1, bench.lasts).over_http2(32);
    let cases: Vec<_> = tls.iter().map(|peer| (*peer, http2.clone())).collect();
    let over_http2 = best_of(Best::Cpu, bench.rounds, &cases, bench.upstream.pid).await?;
    let (one, _) = each(bench, &peers, "1 connection", &Plan::closed(POD, 1, bench.lasts / 2), Best::Median).await?;
    let (list, _) = each(bench, &peers, "4 connections", &Plan::closed(LIST, 4, bench.lasts), Best::Cpu).await?;
    let slowest = samples.iter().map(|sample| sample.throughput).fold(f64::MAX, f64::min);
    let rate = (slowest * OPEN_SHARE / 100.0).round() * 100.0;
    let (open, _) = each(bench, &peers, "32 connections", &small.at_rate(rate), Best::Median).await?;
    let mut small_rows = closed;
    small_rows.extend(tls.iter().zip(&over_http2).map(|(peer, sample)| row("HTTP/2, 32 streams", peer, sample)));
    Ok(vec![
        section("small", "Small GET", small_rows, bench.lasts, "one pod of 1.5 KB, keep-alive, closed loop".to_owned()),
        section("one", "Small GET, one connection", one, bench.lasts / 2, "the same, one request at a time".to_owned()),
        section("list", "List of 1.1 MB", list, bench.lasts, "740 pods, passed through as they are".to_owned()),
        section(
            "open",
            "Small GET at a set rate",
            open,
            bench.lasts,
            format!("open loop, {rate} requests a second for everyone; latency counts from when a request was due"),
        ),
    ])
}

/// Measures one plan with every peer.
async fn each(bench: &Bench, peers: &[Peer], case: &str, plan: &Plan, best: Best) -> Result<(Vec<Row>, Vec<Sample>)> {
    let cases: Vec<_> = peers.iter().map(|peer| (peer, plan.clone())).collect();
    let samples = best_of(best, bench.rounds, &cases, bench.upstream.pid).await?;
    let rows = peers.iter().zip(&samples).map(|(peer, sample)| row(case, peer, sample)).collect();
    Ok((rows, samples))
}

fn row(case: &str, peer: &Peer, sample: &Sample) -> Row {
    Row::new(case, peer.name, sample.figures())
}

fn section(id: &'static str, title: &'static str, rows: Vec<Row>, lasts: Duration, what: String) -> Section {
    let note = format!("{what}; runs of {:.1} s", lasts.as_secs_f64());
    Section { id, title, note, rows }
}
