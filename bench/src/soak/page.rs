//! `docs/performance/soak.md`: what was done, what must hold and does, and the daemon before, during and after.

use std::{fmt::Write as _, time::Duration};

use super::{
    samples::Vitals,
    steps::{MARGIN, Outcome, Plan, Step},
    tally::USERS,
};
use crate::system::Machine;

/// What stands around the figures.
pub(super) struct About {
    pub(super) machine: Machine,
    /// Load average at the start.
    pub(super) load: f64,
    pub(super) command: String,
    /// Whether the daemon was built without optimisation.
    pub(super) debug: bool,
}

/// Renders the section.
pub(super) fn render(about: &About, plan: &Plan, outcome: &Outcome) -> String {
    let mut text = String::from("# Soak\n\nWritten by `make soak`; do not edit.\n\n");
    text.push_str(&said(about, plan));
    text.push_str("\n![The soak over time](soak.svg)\n\n## What must hold\n\n");
    for check in &outcome.checks {
        let _ = writeln!(text, "- {} {}", if check.holds { "yes:" } else { "**NO**:" }, check.what);
    }
    text.push_str(&memory(outcome));
    text.push_str("\n## Steps\n\n");
    text.push_str(&steps(outcome));
    text.push_str("\n## The daemon\n\n");
    text.push_str(&daemon(outcome));
    text.push_str(METHOD);
    text
}

fn said(about: &About, plan: &Plan) -> String {
    let machine = &about.machine;
    let build = if about.debug { "debug build" } else { "release build" };
    format!(
        "{} watches through one daemon ({build}: auth, proxy and kubernetes services), each with an event every {:.1} s. Command \
         `{}`, on {} at commit {}: {}, {} cores, {:.0} GiB, {}, Linux {}; load average {:.1} at the start, the machine shared with \
         the clients, the upstream and others.\n",
        plan.watches,
        plan.pace.0.as_secs_f64(),
        about.command,
        machine.date,
        machine.commit,
        machine.processor,
        machine.cores,
        machine.memory_gib,
        machine.system,
        machine.kernel,
        about.load,
    )
}

/// Says plainly what the checks do not ask for: memory is compared with the first round, not with the fresh start.
fn memory(outcome: &Outcome) -> String {
    let (start, end) = (outcome.start.resident_mib, outcome.end.resident_mib);
    format!(
        "\nMemory is not asked to return to the fresh start: it was {start:.0} MiB there and is {end:.0} MiB at the end. It must not grow \
         from one round to the next.\n"
    )
}

fn steps(outcome: &Outcome) -> String {
    let mut text = String::from(
        "| | step | s | events | missed | watches ended | opened | refused attempts | event delay p50, p99, max (ms) | small request \
         p99, max (ms) | failed |\n|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for (index, step) in outcome.steps.iter().enumerate() {
        let Step { counts, lateness, .. } = step;
        let ended: u64 = USERS.into_iter().map(|user| counts.ended.of(user)).sum();
        let _ = writeln!(
            text,
            "| {} | {} | {:.0} | {} | {} | {ended} | {} | {} | {}, {}, {} | {}, {} | {} of {} |",
            index + 1,
            step.name,
            (step.to - step.from).as_secs_f64(),
            counts.events,
            counts.missed,
            counts.opened,
            counts.refused,
            millis(lateness.events.quantile(0.5)),
            millis(lateness.events.quantile(0.99)),
            millis(lateness.events.quantile(1.0)),
            millis(lateness.answers.quantile(0.99)),
            millis(lateness.answers.quantile(1.0)),
            counts.failed,
            counts.asked,
        );
    }
    text
}

fn millis(span: Duration) -> String {
    let millis = span.as_secs_f64() * 1e3;
    if millis < 10.0 { format!("{millis:.1}") } else { format!("{millis:.0}") }
}

fn daemon(outcome: &Outcome) -> String {
    let Outcome { start, busy, first, end, .. } = outcome;
    let mut text = String::from(
        "| | fresh start | all watches open | at rest | at rest after a second round | margin |\n|---|---|---|---|---|---|\n",
    );
    let mebibytes = |vitals: &Vitals| format!("{:.0}", vitals.resident_mib);
    let _ = writeln!(
        text,
        "| memory, MiB | {} | {} | {} | {} | +{} to the one before |",
        mebibytes(start),
        mebibytes(busy),
        mebibytes(first),
        mebibytes(end),
        mebibytes(&MARGIN)
    );
    type Row = (&'static str, fn(&Vitals) -> usize);
    let rows: [Row; 5] = [
        ("descriptors", |vitals| vitals.descriptors),
        ("threads", |vitals| vitals.threads),
        ("tasks", |vitals| vitals.tasks),
        ("connections of clients", |vitals| vitals.connections),
        ("requests under way", |vitals| vitals.requests),
    ];
    for (name, of) in rows {
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} | {} | +{} |",
            of(start),
            of(busy),
            of(first),
            of(end),
            of(&MARGIN)
        );
    }
    text
}

const METHOD: &str = "
## How

Clients and upstream are programs of `bench/`; changes are numbered, and the number tells when it was due, so a gap is a missed
change and the clock says how late each came. Changes that a watch catches up on after it was opened again count as events and not
as delays. Watches run over HTTP/2, 200 on a connection; one connection in eight uses certificates of one minute that are renewed
all through the run, one in eight is the user whose role is taken away. The upstream believes one token only, the one in the file
as of each request. The daemon at rest is the one that was started after the SIGKILL; the fresh start is the first one, before
anybody came. An allocator may keep memory that was used once and not give it back to the system, so what shows a leak is whether a
second round of opening and closing everything leaves more. Readers who stand still open watches that are sent bytes without end and read nothing.
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        histogram::Histogram,
        soak::{graph, objects::Pace, samples::Sample, steps::Check, tally::Counts, tally::Lateness},
    };

    fn outcome() -> Outcome {
        let lateness = Lateness { events: Histogram::new(), answers: Histogram::new() };
        let span = Duration::from_secs(7);
        let step = Step { name: "steady", from: Duration::ZERO, to: span, counts: Counts::default(), lateness };
        let sample = |second, resident_mib| Sample {
            at: Duration::from_secs(second),
            resident_mib,
            descriptors: Some(30.0),
            watches: 5.0,
            events: 1.0,
            longest: Duration::ZERO,
        };
        let check = |what: &str, holds| Check { what: what.to_owned(), holds };
        Outcome {
            steps: vec![step],
            checks: vec![check("this", true), check("that", false)],
            samples: vec![sample(0, Some(32.0)), sample(1, Some(33.0)), sample(2, None), sample(3, Some(9.0))],
            start: Vitals::default(),
            busy: Vitals::default(),
            first: Vitals::default(),
            end: Vitals { resident_mib: 41.6, ..Vitals::default() },
        }
    }

    #[test]
    fn what_does_not_hold_stands_out() {
        let machine = Machine::look("none".as_ref(), "none".as_ref(), "none".as_ref());
        let about = About { machine, load: 0.5, command: "make soak".to_owned(), debug: true };
        let pace = Pace(Duration::from_secs(5));
        let plan = Plan { dir: "d".into(), teleport: "t".into(), watches: 5, lasts: Duration::from_secs(60), pace };
        let text = render(&about, &plan, &outcome());
        assert!(text.contains("- yes: this\n- **NO**: that\n"), "{text}");
        assert!(text.contains("it was 0 MiB there and is 42 MiB at the end"), "{text}");
        assert!(
            text.contains("debug build") && text.contains("| 1 | steady | 7 |") && text.contains(" 42 |"),
            "{text}"
        );
    }

    #[test]
    fn the_graph_is_broken_where_no_daemon_was() {
        let svg = graph::render(&outcome());
        // Two lines of memory, one of each of the others.
        assert_eq!(svg.matches("<polyline").count(), 6);
        assert!(svg.ends_with("</svg>\n") && !svg.contains("NaN"));
    }
}
