//! Runs the compatibility matrix and writes `docs/compatibility.md`; `scripts/test-matrix` calls it.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::Parser;
use teleport_testkit::matrix::{self, Options, Target};

/// Runs what people type past Teleport and through it, and compares.
#[derive(Parser)]
struct Arguments {
    /// Where to write the page; without it, none is written.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The command that the page names as its origin.
    #[arg(long, default_value = "make test-matrix")]
    made_by: String,
    /// Run one client only, such as "kubectl 1.37"; can be given again.
    #[arg(long, value_name = "CLIENT")]
    client: Vec<String>,
    /// Run only cases whose group or name holds this.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Where to write each difference in full.
    #[arg(long, value_name = "FOLDER")]
    details: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let target = match Target::from_env() {
        Some(target) => target,
        None => {
            eprintln!(
                "SKIPPED: compatibility matrix: MATRIX_ADMIN_KUBECONFIG and MATRIX_PROXY_KUBECONFIG name no cluster"
            );
            eprintln!("running its short form against the simulator");
            Target::simulated().await?
        }
    };
    let options = Options { clients: arguments.client, only: arguments.only, details: arguments.details };
    let report = tokio::task::block_in_place(|| matrix::run(&target, &options))?;
    if let Some(out) = arguments.out.filter(|_| target.is_real()) {
        let page = matrix::page(&report, &arguments.made_by);
        std::fs::write(&out, page).with_context(|| format!("write {}", out.display()))?;
    }
    let failed = report.failures().count();
    println!("{} cases the same or different on purpose, {failed} different", report.ran() - failed);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
