//! Takes every client through its cases, on both sides at once.

use std::{path::PathBuf, time::Instant};

use anyhow::{Context as _, Result};

use super::{
    case::{Case, Needs},
    cases,
    client::Client,
    page,
    scene::{Scene, Stand},
    side::Way,
    target::Target,
    verdict::{Compared, Strictness, Verdict, verdict},
};

/// What to run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Clients to run by label, such as `kubectl 1.37`; empty for all.
    pub clients: Vec<String>,
    /// Only cases whose group or name holds this.
    pub only: Option<String>,
    /// Where differences are written in full.
    pub details: Option<PathBuf>,
}

/// One case with one client.
#[derive(Clone, Debug)]
pub struct Row {
    /// The client.
    pub client: Client,
    /// The case.
    pub case: &'static Case,
    /// What came of it.
    pub verdict: Verdict,
    /// For declared differences: each command with what the two sides said.
    pub(super) said: Vec<page::Said>,
}

/// What a run found.
#[derive(Clone, Debug)]
pub struct Report {
    /// The API server's version.
    pub server: String,
    /// Every case with every client.
    pub rows: Vec<Row>,
    /// Clients that did not run.
    pub missing: Vec<Client>,
}

impl Report {
    /// Returns how many cases ran.
    pub fn ran(&self) -> usize {
        self.rows.iter().filter(|row| !matches!(row.verdict, Verdict::Skipped(_))).count()
    }

    /// Returns the rows whose difference nobody declared.
    pub fn failures(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| matches!(row.verdict, Verdict::Failed(_)))
    }
}

/// Runs the matrix.
///
/// # Errors
/// The cluster cannot be prepared; a difference is no error but a row of the report.
pub fn run(target: &Target, options: &Options) -> Result<Report> {
    let kubectl = Client::newest_kubectl().context("no kubectl is here; scripts/test-matrix fetches them")?;
    let (here, missing): (Vec<_>, Vec<_>) = Client::all().into_iter().partition(Client::is_here);
    let chosen = |client: &Client| options.clients.is_empty() || options.clients.contains(&client.label());
    let scene = Scene::set(target, kubectl).context("prepare the cluster")?;
    let mut rows = Vec::new();
    for client in here.into_iter().filter(chosen) {
        let cases: Vec<_> = cases::of(client.kind).filter(|case| wanted(case, target, options)).collect();
        if cases.is_empty() {
            continue;
        }
        let stand = scene.stand(&client).with_context(|| format!("prepare {}", client.label()))?;
        for case in cases {
            rows.push(run_case(&stand, &client, case, options)?);
        }
        stand.clear();
    }
    Ok(Report { server: scene.server_version()?, rows, missing: missing.into_iter().filter(chosen).collect() })
}

fn wanted(case: &Case, target: &Target, options: &Options) -> bool {
    let fits = target.is_real() || case.needs == Needs::Basics;
    let holds = |part: &String| format!("{} {}", case.group, case.name).contains(part.as_str());
    fits && options.only.as_ref().is_none_or(holds)
}

fn run_case(stand: &Stand<'_>, client: &Client, case: &'static Case, options: &Options) -> Result<Row> {
    if let Some((_, why)) = case.since.filter(|(first, _)| client.kubectl_minor().is_some_and(|minor| minor < *first)) {
        return Ok(Row { client: client.clone(), case, verdict: Verdict::Skipped(why.to_owned()), said: Vec::new() });
    }
    let start = Instant::now();
    let (direct, through) = std::thread::scope(|scope| {
        let direct = scope.spawn(|| run_side(stand, case, Way::Direct));
        let through = run_side(stand, case, Way::Through);
        (direct.join().expect("a side does not panic"), through)
    });
    let steps: Vec<_> = direct?.into_iter().zip(through?).collect();
    let compared: Vec<_> = steps
        .into_iter()
        .zip(case.steps())
        .map(|((direct, through), step)| Compared { step, direct, through })
        .collect();
    let verdict = verdict(case, &compared, strictness(client));
    let said = page::said(case, &compared);
    report_line(client, case, &verdict, start);
    if let (Verdict::Failed(text), Some(folder)) = (&verdict, &options.details) {
        let name = format!("{}-{}-{}.txt", client.label(), case.group, case.name).replace([' ', '/'], "_");
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join(name), text)?;
    }
    Ok(Row { client: client.clone(), case, verdict, said })
}

fn run_side(stand: &Stand<'_>, case: &Case, way: Way) -> Result<Vec<crate::process::Ended>> {
    let side = stand.side(case.person, way, case.place)?;
    let mut outcomes = Vec::new();
    for step in case.steps() {
        let ended = side.run(stand.client(), stand.kubectl(), &step)?;
        outcomes.push(side.normal(&ended, case.place));
    }
    Ok(outcomes)
}

/// The scripts are written for these; the flags of older kubectls are fewer.
fn strictness(client: &Client) -> Strictness {
    if client.kubectl_minor().is_some_and(|minor| minor < 31) { Strictness::Older } else { Strictness::Written }
}

fn report_line(client: &Client, case: &Case, verdict: &Verdict, start: Instant) {
    let word = match verdict {
        Verdict::Works => "same",
        Verdict::SaysTheSame => "says the same",
        Verdict::Declared => "differs as declared",
        Verdict::Failed(_) => "DIFFERS",
        Verdict::Skipped(_) => "skipped",
    };
    let seconds = start.elapsed().as_secs_f32();
    println!("{:<14} {:<28} {:<40} {word} ({seconds:.1} s)", client.label(), case.group, case.name);
    if let Verdict::Failed(text) = verdict {
        println!("{text}");
    }
}
