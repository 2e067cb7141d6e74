//! Writes `docs/compatibility.md` from a run, and shows differences to people.

use std::fmt::{self, Write as _};

use super::{
    case::{Case, ClientKind, Mark},
    cases,
    client::Client,
    run::{Report, Row},
    verdict::{Compared, Verdict},
};
use crate::process::Ended;

/// A command that differs on purpose, with the first line of what each side said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) command: String,
    pub(super) direct: String,
    pub(super) through: String,
}

/// Returns what the two sides said in the steps that differ on purpose.
pub(super) fn said(case: &Case, steps: &[Compared]) -> Vec<Said> {
    let differs = steps.iter().filter(|compared| case.difference.is_some() && compared.step.mark == Mark::Differs);
    differs
        .map(|Compared { step, direct, through }| {
            let (one, other) = parting(&text(direct), &text(through));
            let line = |ended: &Ended, line: &str| format!("exit {}: {line}", ended.code);
            Said { command: step.text.clone(), direct: line(direct, &one), through: line(through, &other) }
        })
        .collect()
}

/// What people look at: the output, or the errors when it failed.
fn text(ended: &Ended) -> String {
    if ended.code == 0 { ended.stdout.clone() } else { ended.stderr.clone() }
}

/// Returns the first lines that differ.
fn parting(one: &str, other: &str) -> (String, String) {
    let mut lines = one.lines().map(str::trim).zip(other.lines().map(str::trim));
    let first = |text: &str| text.lines().next().unwrap_or_default().trim().to_owned();
    let differing = lines.find(|(one, other)| one != other);
    differing.map_or_else(|| (first(one), first(other)), |(one, other)| (one.to_owned(), other.to_owned()))
}

/// Both outcomes of a step with the lines that differ.
pub(super) struct Shown<'a>(pub(super) &'a Compared);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Compared { step, direct, through } = self.0;
        writeln!(f, "  $ {}", step.text.replace('\n', "\n    "))?;
        writeln!(f, "  exit: direct {}, through {}", direct.code, through.code)?;
        for (name, one, other) in
            [("stdout", &direct.stdout, &through.stdout), ("stderr", &direct.stderr, &through.stderr)]
        {
            if one == other {
                let start: String = one.chars().take(600).collect();
                writeln!(f, "  {name}, the same: {}", start.trim_end())?;
                continue;
            }
            let (ours, theirs): (Vec<_>, Vec<_>) = (other.lines().collect(), one.lines().collect());
            for line in theirs.iter().filter(|line| !ours.contains(line)).take(20) {
                writeln!(f, "  {name} - {line}")?;
            }
            for line in ours.iter().filter(|line| !theirs.contains(line)).take(20) {
                writeln!(f, "  {name} + {line}")?;
            }
            if let Some((one, other)) = theirs.iter().zip(&ours).find(|(one, other)| one != other) {
                writeln!(f, "  {name}, first where they part: {one:?}, {other:?}")?;
            } else {
                writeln!(f, "  {name} has {} and {} lines", theirs.len(), ours.len())?;
            }
        }
        Ok(())
    }
}

/// Returns the page.
pub fn page(report: &Report, command: &str) -> String {
    let mut page = String::new();
    introduction(&mut page, report, command);
    for (kind, title) in [
        (ClientKind::Kubectl, "kubectl"),
        (ClientKind::Helm, "helm"),
        (ClientKind::Python, "Client library for Python"),
        (ClientKind::Node, "Client library for Node"),
    ] {
        table(&mut page, report, kind, title);
    }
    differences(&mut page, report);
    skipped(&mut page, report);
    failures(&mut page, report);
    page
}

fn introduction(page: &mut String, report: &Report, command: &str) {
    let cases = report.ran();
    let _ = write!(
        page,
        "# Compatibility

Made by `{command}`; do not edit. {cases} runs of a case with a client against Kubernetes {server} with a kubelet.

Each case is a script of commands, run twice by the same Kubernetes user: past Teleport, and through it after `tsh login`.
Exit code, output and errors of every command are compared byte for byte, after taking out what differs between any two
runs (ages, local ports, and for objects that each side made itself also identities, times and random suffixes; a log
line of kubectl 1.30 about a race of its own, `websocket.go: Unknown stream id`).

| sign | meaning |
|---|---|
| ✓ n | n cases: the same, and everything that should succeed does |
| = n | n cases: the same, but some command does not work past Teleport either: Kubernetes forbids it, or this client has no such command |
| Δ n | n cases: differs on purpose, as listed below |
| ✗ n | n cases: differs, and should not |
| skipped n | n cases: not for this client, with the reason below |
| – | nothing to run: this client was not there |
",
        server = report.server,
    );
}

fn table(page: &mut String, report: &Report, kind: ClientKind, title: &str) {
    let clients: Vec<_> = Client::all().into_iter().filter(|client| client.kind == kind).collect();
    let ran = |client: &Client| report.rows.iter().any(|row| row.client.label() == client.label());
    let _ = write!(page, "\n## {title}\n\n| |");
    for client in &clients {
        let _ = write!(page, " {} |", client.version);
    }
    let _ = writeln!(page, "\n|---|{}", "---|".repeat(clients.len()));
    for group in cases::groups(kind) {
        let _ = write!(page, "| {group} |");
        for client in &clients {
            let _ = write!(page, " {} |", if ran(client) { cell(report, client, group) } else { "–".to_owned() });
        }
        page.push('\n');
    }
    for client in clients.iter().filter(|client| !ran(client)) {
        let _ = writeln!(page, "\n{} was skipped: it could not be fetched where this ran.", client.label());
    }
}

fn cell(report: &Report, client: &Client, group: &str) -> String {
    let rows = report.rows.iter().filter(|row| row.client.label() == client.label() && row.case.group == group);
    let verdicts: Vec<_> = rows.map(|row| &row.verdict).collect();
    let count = |sign: &str, of: fn(&Verdict) -> bool| {
        let count = verdicts.iter().filter(|verdict| of(verdict)).count();
        (count > 0).then(|| format!("{sign} {count}"))
    };
    let parts = [
        count("✓", |verdict| *verdict == Verdict::Works),
        count("=", |verdict| *verdict == Verdict::SaysTheSame),
        count("Δ", |verdict| *verdict == Verdict::Declared),
        count("✗", |verdict| matches!(verdict, Verdict::Failed(_))),
        count("skipped", |verdict| matches!(verdict, Verdict::Skipped(_))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

fn differences(page: &mut String, report: &Report) {
    let _ = write!(page, "\n## Differences on purpose\n\nAs the newest client of each kind showed them.\n");
    let kinds = [ClientKind::Kubectl, ClientKind::Helm, ClientKind::Python, ClientKind::Node];
    for case in kinds.into_iter().flat_map(cases::of) {
        let same =
            |row: &&Row| (row.case.client, row.case.group, row.case.name) == (case.client, case.group, case.name);
        let newest = report.rows.iter().filter(same).rfind(|row| row.verdict == Verdict::Declared);
        let (Some(difference), Some(row)) = (case.difference, newest) else { continue };
        let _ = write!(page, "\n**{}, {}**: {}.\n\n", case.group, case.name, difference.why);
        let _ = writeln!(page, "| command | past Teleport | through Teleport |\n|---|---|---|");
        for said in &row.said {
            let row = [&said.command, &said.direct, &said.through].map(|text| text.replace('|', "\\|"));
            let _ = writeln!(page, "| `{}` | {} | {} |", row[0], row[1], row[2]);
        }
    }
}

fn skipped(page: &mut String, report: &Report) {
    let mut lines = Vec::new();
    for row in &report.rows {
        if let Verdict::Skipped(why) = &row.verdict {
            lines.push(format!("- {}, {}, {}: {why}\n", row.client.label(), row.case.group, row.case.name));
        }
    }
    if !lines.is_empty() {
        let _ = write!(page, "\n## Skipped\n\n{}", lines.concat());
    }
}

fn failures(page: &mut String, report: &Report) {
    let failed: Vec<_> = report.failures().collect();
    if failed.is_empty() {
        return;
    }
    let _ = write!(page, "\n## Differences that should not be\n\n");
    for row in failed {
        if let Verdict::Failed(text) = &row.verdict {
            let _ = writeln!(
                page,
                "- {}, {}, {}:\n\n```\n{text}\n```\n",
                row.client.label(),
                row.case.group,
                row.case.name
            );
        }
    }
}
