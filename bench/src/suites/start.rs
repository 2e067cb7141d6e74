//! The daemon at rest: memory with all services, and time until it is ready, new and started again.

use std::time::Duration;

use anyhow::Result;

use super::Bench;
use crate::{
    peers::Ours,
    results::{Figure, Row, Section},
    system,
};

const REST: Duration = Duration::from_secs(2);

pub(super) async fn run(bench: &Bench) -> Result<Vec<Section>> {
    let (mut first, mut again, mut resident) = (f64::MAX, f64::MAX, f64::MAX);
    for round in 0..bench.rounds.max(2) {
        let name = format!("start-{round}");
        let ours = Ours::start_bare(&bench.place, &bench.upstream, &name)?;
        first = first.min(ours.ready_after.as_secs_f64() * 1e3);
        tokio::time::sleep(REST).await;
        ours.stop()?;
        let ours = Ours::start_bare(&bench.place, &bench.upstream, &name)?;
        again = again.min(ours.ready_after.as_secs_f64() * 1e3);
        tokio::time::sleep(REST).await;
        resident = resident.min(system::resident_kib(ours.pid()) as f64 / 1024.0);
    }
    let figures = vec![
        Figure::new("ready, new", first, "ms"),
        Figure::new("ready, again", again, "ms"),
        Figure::new("RSS", resident, "MiB"),
    ];
    let note = "auth, proxy and kubernetes in one process on one core; ready is the line in its log".to_owned();
    let rows = vec![Row::new("all services, idle", "teleport", figures)];
    Ok(vec![Section { id: "start", title: "The daemon at rest", note, rows }])
}
