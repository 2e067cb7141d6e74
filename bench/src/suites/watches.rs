//! Watches that wait: memory for each, CPU while nothing happens, CPU for each event.

use std::time::Duration;

use anyhow::Result;
use futures_util::{future::join_all, future::try_join_all};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::Bench;
use crate::{
    measure::Meter,
    peers::{Options, Ours, Peer},
    results::{Figure, Row, Section},
    system,
    target::{Protocol, Sender},
    upstream::LIST,
};

/// Streams on one connection of a client.
const STREAMS: usize = 500;
/// Watches that get events, how often, and for how long.
const BUSY: usize = 1000;
const EVERY: Duration = Duration::from_millis(500);

pub(super) async fn run(bench: &Bench) -> Result<Vec<Section>> {
    let mut idle = Vec::new();
    for (name, protocol, count) in [
        ("watches-1", Protocol::Http1, 1000),
        ("watches-2", Protocol::Http2, 1000),
        ("watches-3", Protocol::Http2, 5000),
    ] {
        let ours = Ours::start(&bench.place, &bench.upstream, name, Options { roles: 1, held: 1 })?;
        idle.push(idle_row(bench, &Peer::of_ours(&ours, &ours.kubeconfig()?)?, protocol, count).await?);
    }
    idle.push(idle_row(bench, &Peer::nginx(&bench.place, &bench.upstream)?, Protocol::Http1, 1000).await?);
    idle.push(idle_row(bench, &Peer::kubectl(&bench.place, &bench.upstream)?, Protocol::Http1, 1000).await?);

    let ours = Ours::start(&bench.place, &bench.upstream, "watches-4", Options { roles: 1, held: 1 })?;
    let peer = Peer::of_ours(&ours, &ours.kubeconfig()?)?;
    let mut events = vec![events_row(bench, &peer, Protocol::Http1).await?];
    events.push(events_row(bench, &peer, Protocol::Http2).await?);
    events.push(events_row(bench, &Peer::nginx(&bench.place, &bench.upstream)?, Protocol::Http1).await?);
    events.push(events_row(bench, &Peer::kubectl(&bench.place, &bench.upstream)?, Protocol::Http1).await?);
    Ok(vec![
        Section {
            id: "watches",
            title: "Idle watches",
            note: "RSS after minus RSS before, by the number of watches, each proxy fresh".to_owned(),
            rows: idle,
        },
        Section {
            id: "events",
            title: "Watch events",
            note: format!("{BUSY} watches with an event of 1.5 KB each {} ms", EVERY.as_millis()),
            rows: events,
        },
    ])
}

/// Watches that are open, with the connections they need.
struct Watches {
    open: Vec<(Sender, Incoming)>,
}

impl Watches {
    async fn open(peer: &Peer, protocol: Protocol, path: &str, count: usize) -> Result<Self> {
        let streams = if protocol == Protocol::Http1 { 1 } else { STREAMS };
        let mut open = Vec::with_capacity(count);
        while open.len() < count {
            // Some handshakes at once, then a connection's streams.
            let connections = (count - open.len()).div_ceil(streams).min(16);
            let mut senders = try_join_all((0..connections).map(|_| peer.target.connect(protocol))).await?;
            let shared: Vec<Sender> =
                senders.iter().flat_map(|sender| (1..streams).map_while(|_| sender.share())).collect();
            senders.extend(shared);
            senders.truncate(count - open.len());
            open.extend(try_join_all(senders.into_iter().map(|sender| begin(sender, path))).await?);
        }
        Ok(Self { open })
    }

    /// Reads events from all for a while, and returns how many came.
    async fn read_for(&mut self, span: Duration) -> usize {
        let until = tokio::time::Instant::now() + span;
        let reading = self.open.iter_mut().map(|(_, body)| async move {
            let mut events = 0;
            while let Ok(Some(Ok(frame))) = tokio::time::timeout_at(until, body.frame()).await {
                events += frame.data_ref().map_or(0, |data| data.iter().filter(|byte| **byte == b'\n').count());
            }
            events
        });
        join_all(reading).await.into_iter().sum()
    }
}

/// Opens one watch and reads its first event.
async fn begin(mut sender: Sender, path: &str) -> Result<(Sender, Incoming)> {
    let mut body = sender.open(path).await?.into_body();
    let first = tokio::time::timeout(Duration::from_secs(20), body.frame()).await?;
    anyhow::ensure!(matches!(first, Some(Ok(_))), "a watch ended at its beginning");
    Ok((sender, body))
}

fn case(count: usize, protocol: Protocol) -> String {
    format!("{count} over {}", if protocol == Protocol::Http1 { "HTTP/1.1" } else { "HTTP/2" })
}

async fn idle_row(bench: &Bench, peer: &Peer, protocol: Protocol, count: usize) -> Result<Row> {
    const REST: Duration = Duration::from_secs(2);
    let pid = peer.pid.expect("only proxies are measured");
    let path = format!("{LIST}?watch=true");
    // What is made once, for the first connection, is not a watch's.
    drop(Watches::open(peer, protocol, &path, 1).await?);
    let before = system::resident_kib(pid);
    let opening = Meter::start(peer.pid, bench.upstream.pid).await?;
    let watches = Watches::open(peer, protocol, &path, count).await?;
    let opening = opening.stop().await?;
    let waiting = Meter::start(peer.pid, bench.upstream.pid).await?;
    tokio::time::sleep(REST).await;
    let resident = system::resident_kib(pid);
    let waiting = waiting.stop().await?;
    drop(watches);
    peer.target.close().await;
    let each = resident.saturating_sub(before) as f64 / count as f64;
    let opened = opening.proxy.unwrap_or_default().as_secs_f64() * 1e6 / count as f64;
    let figures = vec![
        Figure::new("RSS each", each, "KiB"),
        Figure::new("RSS", resident as f64 / 1024.0, "MiB"),
        Figure::new("CPU to open each", opened, "µs"),
        Figure::new(
            "CPU while idle",
            waiting.proxy.unwrap_or_default().as_secs_f64() / REST.as_secs_f64() * 100.0,
            "%",
        ),
    ];
    Ok(Row::new(case(count, protocol), peer.name, figures))
}

async fn events_row(bench: &Bench, peer: &Peer, protocol: Protocol) -> Result<Row> {
    let path = format!("{LIST}?watch=true&labelSelector=every-ms%3D{}", EVERY.as_millis());
    let mut watches = Watches::open(peer, protocol, &path, BUSY).await?;
    // The proxy never rests here, so its clock is read as it runs.
    let pid = peer.pid.expect("only proxies are measured");
    watches.read_for(EVERY).await;
    let before = system::cpu_time(pid)?;
    let events = watches.read_for(bench.lasts).await;
    let cpu = system::cpu_time(pid)?.saturating_sub(before);
    drop(watches);
    peer.target.close().await;
    let figures = vec![
        Figure::new("CPU per event", cpu.as_secs_f64() * 1e6 / events.max(1) as f64, "µs"),
        Figure::new("events", events as f64 / bench.lasts.as_secs_f64(), "/s"),
    ];
    Ok(Row::new(case(BUSY, protocol), peer.name, figures))
}
