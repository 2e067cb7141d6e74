//! `docs/performance.md`: what was measured, on what, how, and which budgets hold.

use std::fmt::Write as _;

use super::{number, plots::Plot, table::cells};
use crate::{
    gates::{self, Budget, Sense},
    results::Results,
};

/// Renders the page.
pub(crate) fn render(results: &Results, plots: &[Plot]) -> String {
    let mut text = String::from("# Performance\n\n");
    text.push_str(
        "Written by `make bench`; do not edit. The figures as JSON: [results.json](performance/results.json).\n\n",
    );
    text.push_str(&machine(results));
    text.push_str("\n## Budgets\n\n");
    text.push_str(&budgets(results));
    text.push_str("\n## Beside the others\n\n");
    text.push_str(&ratios(results));
    text.push_str("\n## Figures\n");
    for section in &results.sections {
        let _ = write!(text, "\n### {}\n\n{}.\n\n{}", section.title, capital(&section.note), markdown(&cells(section)));
        for plot in plots.iter().filter(|plot| plot.section == section.id) {
            let _ = write!(text, "\n![{}](performance/{})\n", plot.title, plot.file);
        }
    }
    text.push_str(METHOD);
    text
}

fn machine(results: &Results) -> String {
    let machine = &results.machine;
    let mut text = format!(
        "Measured on {} at commit {}, on **a shared virtual machine with {} cores**: read the ratios between peers of one
run, not the figures alone. Load average at the start {:.2}; the whole run took {:.0} s.\n\n",
        machine.date, machine.commit, machine.cores, results.load_at_start, results.took_s,
    );
    let about = [
        ("processor", format!("{}, {} cores, {:.0} GiB", machine.processor, machine.cores, machine.memory_gib)),
        ("system", format!("{}, Linux {}", machine.system, machine.kernel)),
    ];
    let mut lines = vec![vec!["".to_owned(), "".to_owned()]];
    lines.extend(about.into_iter().map(|(name, value)| vec![name.to_owned(), value]));
    lines.extend(machine.versions.iter().map(|(name, value)| vec![name.clone(), value.clone()]));
    lines.push(vec!["command".to_owned(), format!("`{}`", results.command)]);
    text.push_str(&markdown(&lines));
    text
}

fn budgets(results: &Results) -> String {
    let mut lines = vec![["what", "here", "gate", "aim", "", "basis"].map(str::to_owned).to_vec()];
    for budget in gates::budgets(results) {
        let limit = |value: Option<f64>| value.map_or("?".to_owned(), |value| bounded(&budget, value));
        let here = budget.value.map_or("?".to_owned(), |value| format!("{} {}", number(value), budget.unit));
        let verdict = budget.verdict().text().to_owned();
        lines.push(vec![
            budget.what.to_owned(),
            here,
            limit(budget.gate),
            limit(budget.aim),
            verdict,
            budget.basis.to_owned(),
        ]);
    }
    let mut text = markdown(&lines);
    text.push_str("\nWithout figures so far:\n\n");
    for (what, why) in gates::NOT_YET {
        let _ = writeln!(text, "- {what}: {why}.");
    }
    text
}

fn bounded(budget: &Budget, value: f64) -> String {
    let sign = if budget.sense == Sense::AtMost { '≤' } else { '≥' };
    format!("{sign} {} {}", number(value), budget.unit)
}

/// What we cost by what nginx and kubectl proxy cost, where all were measured alike.
fn ratios(results: &Results) -> String {
    let rows = [
        ("small", "32 connections", "CPU per request", "CPU per small GET, 32 connections"),
        ("small", "HTTP/2, 32 streams", "CPU per request", "CPU per small GET, one HTTP/2 connection"),
        ("one", "1 connection", "p50", "small GET, one connection, p50"),
        ("list", "4 connections", "CPU per request", "CPU per list of 1.1 MB"),
        ("open", "32 connections", "p99", "small GET at a set rate, p99"),
        ("watches", "1000 over HTTP/1.1", "RSS each", "memory of an idle watch over HTTP/1.1"),
        ("events", "1000 over HTTP/1.1", "CPU per event", "CPU per watch event"),
        ("stream", "exec", "CPU per MB", "CPU per MB of an exec stream"),
        ("sessions", "exec", "CPU per session", "CPU per new exec session"),
    ];
    let mut lines = vec![["teleport by", "nginx", "kubectl proxy"].map(str::to_owned).to_vec()];
    for (id, case, name, title) in rows {
        let by = |peer| Some(results.value(id, case, "teleport", name)? / results.value(id, case, peer, name)?);
        let cell = |peer| by(peer).map_or(String::new(), |ratio| format!("{ratio:.2} ×"));
        lines.push(vec![title.to_owned(), cell("nginx"), cell("kubectl proxy")]);
    }
    format!("Below 1 is better than the peer.\n\n{}", markdown(&lines))
}

fn markdown(lines: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        let _ = writeln!(text, "| {} |", line.join(" | "));
        if index == 0 {
            let columns = (0..line.len()).map(|column| if column < 2 { "---" } else { "---:" });
            let _ = writeln!(text, "| {} |", columns.collect::<Vec<_>>().join(" | "));
        }
    }
    text
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

const METHOD: &str = "
## Method

- **One core each.** The proxy under test is pinned to one core; the static upstream and the load generator share the
  other. Throughput may therefore be bounded by the load generator; CPU per request is not.
- **Peers.** *direct*: the upstream alone, over TLS with a client certificate. *nginx*: one worker, client certificates
  verified, static impersonation headers, keep-alive to the upstream, unbuffered, no access log. *kubectl proxy*: no TLS
  in front and no identity added, so it does less. *teleport*: the daemon as it is released, with auth, proxy and
  kubernetes services in one process; each request is authorized, impersonated, written to the audit spool before it is
  forwarded, delivered to the audit log and stored, all inside the CPU time that is counted.
- **CPU per request** is user and system time of the proxy's processes from `/proc/<pid>/stat`, from before the first
  request until the proxy rests again after the last, by the number of requests.
- **Best of several.** Every case is run several times, the peers in turns, and the run that took least CPU time is kept
  (where latency is the question, and for *direct*, the one with the lowest median): others use this machine too, and
  what they take away only ever adds. *others' CPU* is the share of the machine that they used during that run.
- **Closed loop**: each connection sends the next request when the one before is answered. **Open loop**: requests are
  due at set times, wait for a free connection when all are busy, and their latency counts from when they were due.
- **Percentiles** come from a histogram whose buckets are at most 1.6 % wide.
- A run in which any request fails has no figures.
";
