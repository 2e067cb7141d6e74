//! The soak: thousands of watches over one daemon while everything around them breaks, and then the question whether
//! anything was lost and whether the daemon is as it was.
//!
//! `make soak` runs it, and it writes `docs/performance/soak.md` with its graph. `steps` is what happens; the rest are
//! the processes, the clients, what they count, and what is written of it.

mod clients;
mod cluster;
mod graph;
mod objects;
mod page;
mod samples;
mod steps;
mod tally;
mod trouble;
mod upstream;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{certificates::Certificates, system::Machine};
use objects::Pace;

/// What a soak is told.
#[derive(Debug, Args)]
pub(crate) struct Soak {
    /// Folder with teleport.
    #[arg(long, default_value = "target/release")]
    bin: PathBuf,
    /// Watches.
    #[arg(long, default_value_t = 10_000)]
    watches: usize,
    /// How long the steps last together; opening, and the rest at the end, come on top.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Milliseconds between two changes of an object.
    #[arg(long, default_value_t = 5000)]
    every_ms: u64,
    /// Folder for the section and its graph.
    #[arg(long, default_value = "docs/performance")]
    out: PathBuf,
    /// The command that leads here, for the section.
    #[arg(long, default_value = "make soak")]
    command: String,
}

/// What the soak's upstream is told.
#[derive(Debug, Args)]
pub(crate) struct UpstreamArgs {
    #[arg(long)]
    dir: PathBuf,
    #[arg(long)]
    listen: String,
    #[arg(long)]
    token_file: PathBuf,
    #[arg(long)]
    every_ms: u64,
}

/// Runs it, writes what came of it, and fails when anything was lost or has not returned.
///
/// # Errors
/// Says what was lost, or what could not be done.
pub(crate) async fn run(args: &Soak) -> Result<()> {
    let teleport = args.bin.join("teleport");
    let teleport = teleport.canonicalize().with_context(|| format!("no {}; build it first", teleport.display()))?;
    let machine = Machine::look("nginx".as_ref(), "kubectl".as_ref(), &teleport);
    let load = crate::system::load();
    let dir = tempfile::tempdir()?;
    let plan = steps::Plan {
        dir: dir.path().to_owned(),
        teleport,
        watches: args.watches,
        lasts: Duration::from_secs_f64(args.minutes * 60.0),
        pace: Pace(Duration::from_millis(args.every_ms)),
    };
    let outcome = match steps::run(&plan).await {
        Ok(outcome) => outcome,
        Err(error) => {
            let kept = dir.keep();
            return Err(error.context(format!("the soak broke off; its logs are in {}", kept.display())));
        }
    };
    let about = page::About { machine, load, command: args.command.clone(), debug: is_debug(&args.bin) };
    let text = page::render(&about, &plan, &outcome);
    print!("{text}");
    std::fs::create_dir_all(&args.out)?;
    std::fs::write(args.out.join("soak.svg"), graph::render(&outcome))?;
    std::fs::write(args.out.join("soak.md"), text)?;
    println!("written: {}/soak.md", args.out.display());
    let failed: Vec<_> = outcome.checks.iter().filter(|check| !check.holds).map(|check| check.what.clone()).collect();
    if failed.is_empty() {
        return Ok(());
    }
    bail!("{}; the logs are in {}", failed.join("; "), dir.keep().display())
}

/// Serves the soak's upstream until it is killed.
///
/// # Errors
/// When it cannot listen.
pub(crate) async fn serve_upstream(args: UpstreamArgs) -> Result<()> {
    upstream::serve(upstream::Setup {
        certificates: Certificates::at(&args.dir),
        listen: args.listen,
        token_file: args.token_file,
        pace: Pace(Duration::from_millis(args.every_ms)),
    })
    .await
}

fn is_debug(bin: &std::path::Path) -> bool {
    bin.ends_with("debug")
}
