//! Gates that must hold, and aims: the budgets of the design, with what a run says about them.

use serde::Serialize;

use crate::results::Results;

/// One budget.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Budget {
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) sense: Sense,
    pub(crate) value: Option<f64>,
    pub(crate) gate: Option<f64>,
    pub(crate) aim: Option<f64>,
    /// What gate and aim are.
    pub(crate) basis: &'static str,
}

/// Which side of the limit is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sense {
    AtMost,
    AtLeast,
}

/// How a budget came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    AimMet,
    GateMet,
    Missed,
    /// Part of it was not measured.
    Unknown,
}

impl Budget {
    /// Compares.
    pub(crate) fn verdict(&self) -> Verdict {
        let (Some(value), Some(gate), Some(aim)) = (self.value, self.gate, self.aim) else { return Verdict::Unknown };
        let within = |limit: f64| match self.sense {
            Sense::AtMost => value <= limit,
            Sense::AtLeast => value >= limit,
        };
        match (within(gate), within(aim)) {
            (_, true) => Verdict::AimMet,
            (true, false) => Verdict::GateMet,
            (false, false) => Verdict::Missed,
        }
    }
}

impl Verdict {
    /// Says it in two words.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::AimMet => "aim met",
            Self::GateMet => "gate met",
            Self::Missed => "**missed**",
            Self::Unknown => "not measured",
        }
    }
}

const CPU: &str = "CPU per request";

/// Budgets of the design that have no figures, and why.
pub(crate) const NOT_YET: [(&str, &str); 4] = [
    ("the same list filtered", "lists are passed through or refused, not filtered yet"),
    ("recorded exec stream", "sessions are not recorded yet; the bytes of an unrecorded one are below"),
    ("tunnel path beside the local path", "agents have no tunnels yet"),
    ("10 000 agent tunnels on one proxy", "agents have no tunnels yet"),
];

/// Returns every budget that this run has figures for.
pub(crate) fn budgets(results: &Results) -> Vec<Budget> {
    let mut budgets = requests(results);
    budgets.extend(flatness(results));
    budgets.extend(streams(results));
    budgets.extend(programs(results));
    budgets
}

fn at_most(
    what: &'static str,
    unit: &'static str,
    value: Option<f64>,
    limits: [Option<f64>; 2],
    basis: &'static str,
) -> Budget {
    let [gate, aim] = limits;
    Budget { what, unit, sense: Sense::AtMost, value, gate, aim, basis }
}

fn requests(results: &Results) -> Vec<Budget> {
    let small = |peer| results.value("small", "32 connections", peer, CPU);
    let one = |peer| results.value("one", "1 connection", peer, "p50");
    let times = |value: Option<f64>, factor: f64| value.map(|value| value * factor);
    let list = results.value("list", "4 connections", "teleport", CPU);
    vec![
        at_most(
            "CPU per small GET, 32 connections",
            "µs",
            small("teleport"),
            [small("kubectl proxy"), small("nginx")],
            "gate: kubectl proxy, aim: nginx, in this run",
        ),
        at_most(
            "small GET, one connection, p50",
            "µs",
            one("teleport"),
            [times(one("nginx"), 2.0), times(one("nginx"), 1.2)],
            "gate: 2 × nginx, aim: 1.2 × nginx, in this run",
        ),
        at_most("CPU per list of 1.1 MB", "µs", list, [Some(1200.0), Some(800.0)], "fixed"),
    ]
}

fn flatness(results: &Results) -> Vec<Budget> {
    let ratio = |above: Option<f64>, below: Option<f64>| Some(above? / below?);
    let roles = |case| results.value("roles", case, "teleport", CPU);
    let connections = |case, peer| results.value("connections", case, peer, CPU);
    let growth = |peer| ratio(connections("2000 connections", peer), connections("32 connections", peer));
    vec![
        at_most(
            "CPU with 1000 roles by CPU with one",
            "×",
            ratio(roles("1000 roles, 1 held"), roles("1 roles, 1 held")),
            [Some(1.2), Some(1.1)],
            "flat, but for what the machine's other users add",
        ),
        at_most(
            "CPU with 2000 connections by CPU with 32",
            "×",
            growth("teleport"),
            [growth("nginx").map(|nginx| nginx * 1.2), growth("nginx")],
            "gate: 1.2 × what nginx's grows by, aim: the same",
        ),
    ]
}

fn streams(results: &Results) -> Vec<Budget> {
    let watch = results.value("watches", "5000 over HTTP/2", "teleport", "RSS each");
    let sessions = results.value("sessions", "exec", "teleport", "sessions per core");
    vec![
        at_most("idle watch, RSS each, 5000", "KiB", watch, [Some(64.0), Some(40.0)], "fixed"),
        Budget {
            what: "new exec sessions per second per core",
            unit: "/s",
            sense: Sense::AtLeast,
            value: sessions,
            gate: Some(165.0),
            aim: Some(500.0),
            basis: "fixed; gate: what the anchor publishes",
        },
    ]
}

fn programs(results: &Results) -> Vec<Budget> {
    let client = |case, peer| results.value("client", case, peer, "p50");
    let start = |name| results.value("start", "all services, idle", "teleport", name);
    let kubectl = |peer| client("kubectl get --raw", peer);
    vec![
        at_most(
            "tsh kube credentials, warm, p50",
            "ms",
            client("tsh kube credentials, warm", "teleport"),
            [Some(8.0), Some(5.0)],
            "fixed",
        ),
        at_most(
            "kubectl through us by kubectl direct, p50",
            "×",
            kubectl("teleport").zip(kubectl("direct")).map(|(ours, direct)| ours / direct),
            [Some(1.05), Some(1.05)],
            "within 5 %; of a GET that costs the cluster nothing",
        ),
        at_most("daemon with all services, idle, RSS", "MiB", start("RSS"), [Some(40.0), Some(25.0)], "fixed"),
        at_most("daemon ready after its start, new", "ms", start("ready, new"), [Some(500.0), Some(200.0)], "fixed"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_follows_the_sense() {
        let budget = |sense, value| Budget {
            what: "x",
            unit: "",
            sense,
            value,
            gate: Some(10.0),
            aim: if sense == Sense::AtMost { Some(5.0) } else { Some(20.0) },
            basis: "",
        };
        for (sense, value, verdict) in [
            (Sense::AtMost, Some(5.0), Verdict::AimMet),
            (Sense::AtMost, Some(10.0), Verdict::GateMet),
            (Sense::AtMost, Some(10.1), Verdict::Missed),
            (Sense::AtLeast, Some(20.0), Verdict::AimMet),
            (Sense::AtLeast, Some(10.0), Verdict::GateMet),
            (Sense::AtLeast, Some(9.9), Verdict::Missed),
            (Sense::AtMost, None, Verdict::Unknown),
        ] {
            assert_eq!(budget(sense, value).verdict(), verdict, "{sense:?} {value:?}");
        }
    }
}
