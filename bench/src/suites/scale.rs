//! What must not matter: how many roles there are, how many a user holds, how many connections are open.

use anyhow::Result;

use super::Bench;
use crate::{
    load::Plan,
    measure::{Best, best_of},
    peers::{Options, Ours, Peer},
    results::{Row, Section},
    upstream::POD,
};

const ROLES: [usize; 4] = [1, 10, 100, 1000];
const CONNECTIONS: [usize; 5] = [1, 8, 32, 256, 2000];

pub(super) async fn run(bench: &Bench) -> Result<Vec<Section>> {
    Ok(vec![roles(bench).await?, connections(bench).await?])
}

async fn roles(bench: &Bench) -> Result<Section> {
    let mut daemons = Vec::new();
    for roles in ROLES {
        for held in if roles == 1 { vec![1] } else { vec![1, roles] } {
            let case = format!("{roles} roles, {held} held");
            let ours =
                Ours::start(&bench.place, &bench.upstream, &format!("roles-{roles}-{held}"), Options { roles, held })?;
            let peer = Peer::of_ours(&ours, &ours.kubeconfig()?)?;
            daemons.push((case, ours, peer));
        }
    }
    let plan = Plan::closed(POD, 32, bench.lasts / 2);
    let cases: Vec<_> = daemons.iter().map(|(_, _, peer)| (peer, plan.clone())).collect();
    let samples = best_of(Best::Cpu, bench.rounds, &cases, bench.upstream.pid).await?;
    let rows = daemons.iter().zip(samples).map(|((case, _, peer), sample)| Row::new(case, peer.name, sample.figures()));
    let note = "small GET, 32 connections; the first of the roles allows it, each other one allows another namespace";
    Ok(Section { id: "roles", title: "Cost against roles", note: note.to_owned(), rows: rows.collect() })
}

async fn connections(bench: &Bench) -> Result<Section> {
    let ours = Ours::start(&bench.place, &bench.upstream, "connections", Options { roles: 1, held: 1 })?;
    let peers = [Peer::nginx(&bench.place, &bench.upstream)?, Peer::of_ours(&ours, &ours.kubeconfig()?)?];
    let plan = |connections| Plan::closed(POD, connections, bench.lasts);
    let cases: Vec<_> =
        peers.iter().flat_map(|peer| CONNECTIONS.map(|connections| (peer, plan(connections)))).collect();
    let samples = best_of(Best::Cpu, bench.rounds.min(2), &cases, bench.upstream.pid).await?;
    let rows = cases.iter().zip(samples).map(|((peer, plan), sample)| {
        Row::new(format!("{} connections", plan.connections), peer.name, sample.figures())
    });
    let note = "small GET, closed loop over HTTP/1.1; with one connection the wake-up is paid by one request alone";
    Ok(Section { id: "connections", title: "Cost against connections", note: note.to_owned(), rows: rows.collect() })
}
