//! Which plots there are, made from the results.

use super::svg::{self, Frame, Series};
use crate::results::Results;

/// A drawing and where it belongs.
pub(crate) struct Plot {
    pub(crate) file: &'static str,
    pub(crate) title: &'static str,
    /// The section below which it stands.
    pub(crate) section: &'static str,
    pub(crate) svg: String,
}

const CPU: &str = "CPU per request";

/// Draws everything that there are figures for.
pub(crate) fn all(results: &Results) -> Vec<Plot> {
    let bars = [
        ("small.svg", "small", "32 connections", "CPU per small GET, 32 connections"),
        ("list.svg", "list", "4 connections", "CPU per list of 1.1 MB"),
    ];
    let mut plots: Vec<Plot> = bars.iter().filter_map(|bar| by_peer(results, *bar)).collect();
    plots.extend(latencies(results));
    plots.extend(roles(results));
    plots.extend(connections(results));
    plots
}

fn by_peer(results: &Results, bar: (&'static str, &'static str, &str, &'static str)) -> Option<Plot> {
    let (file, section, case, title) = bar;
    let rows = results.section(section)?.rows.iter().filter(|row| row.case == case);
    let values: Vec<_> = rows.filter_map(|row| Some((row.peer.clone(), row.value(CPU)?))).collect();
    Some(Plot { file, title, section, svg: svg::bars(&Frame { title, x: "", y: "µs" }, &values) })
}

/// One line for each peer over the share of requests that are slower: 50 %, 1 %, 0.1 %.
fn latencies(results: &Results) -> Option<Plot> {
    let title = "Small GET at a set rate: latency of the slowest 1 of N";
    let slowest = [(2.0, "p50"), (100.0, "p99"), (1000.0, "p99.9")];
    let rows = results.section("open")?.rows.iter();
    let series: Vec<_> = rows
        .map(|row| Series {
            name: row.peer.clone(),
            points: slowest.iter().filter_map(|(one_of, name)| Some((*one_of, row.value(name)?))).collect(),
        })
        .collect();
    let frame = Frame { title, x: "N", y: "µs" };
    Some(Plot { file: "latency.svg", title, section: "open", svg: svg::lines(&frame, &series) })
}

fn roles(results: &Results) -> Option<Plot> {
    let title = "CPU per small GET against roles";
    let rows = &results.section("roles")?.rows;
    let points = |wanted: fn(f64, f64) -> bool| {
        let read = rows.iter().filter_map(|row| {
            let (roles, held) = row.case.trim_end_matches(" held").split_once(" roles, ")?;
            let (roles, held): (f64, f64) = (roles.parse().ok()?, held.parse().ok()?);
            wanted(roles, held).then(|| Some((roles, row.value(CPU)?)))?
        });
        read.collect()
    };
    let series = [
        Series { name: "one held".to_owned(), points: points(|_, held| held == 1.0) },
        Series { name: "all held".to_owned(), points: points(|roles, held| held == roles) },
    ];
    let frame = Frame { title, x: "roles", y: "µs" };
    Some(Plot { file: "roles.svg", title, section: "roles", svg: svg::lines(&frame, &series) })
}

fn connections(results: &Results) -> Option<Plot> {
    let title = "CPU per small GET against connections";
    let rows = &results.section("connections")?.rows;
    let series = ["nginx", "teleport"].map(|peer| Series {
        name: peer.to_owned(),
        points: rows
            .iter()
            .filter(|row| row.peer == peer)
            .filter_map(|row| Some((row.case.strip_suffix(" connections")?.parse().ok()?, row.value(CPU)?)))
            .collect(),
    });
    let frame = Frame { title, x: "connections", y: "µs" };
    Some(Plot { file: "connections.svg", title, section: "connections", svg: svg::lines(&frame, &series) })
}
