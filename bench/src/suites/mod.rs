//! The questions that a run answers, each a section of the results.

mod client;
mod exec;
mod http;
mod scale;
mod start;
mod watches;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::{
    peers::{Place, Upstream},
    results::Section,
};

/// What every suite gets.
pub(crate) struct Bench {
    pub(crate) place: Place,
    pub(crate) upstream: Upstream,
    /// How long one run lasts, where nothing else is said.
    pub(crate) lasts: Duration,
    /// How often each case is run.
    pub(crate) rounds: usize,
}

/// The names that `--only` knows, in the order they run.
pub(crate) const SUITES: [&str; 6] = ["start", "http", "scale", "watches", "exec", "client"];

/// Runs the suites that are wanted.
///
/// # Errors
/// When one fails; its name is in the message.
pub(crate) async fn run(bench: &Bench, only: &[String]) -> Result<Vec<Section>> {
    let mut sections = Vec::new();
    for name in SUITES {
        if !only.is_empty() && !only.iter().any(|wanted| wanted == name) {
            continue;
        }
        let begun = Instant::now();
        let ran = match name {
            "start" => start::run(bench).await,
            "http" => http::run(bench).await,
            "scale" => scale::run(bench).await,
            "watches" => watches::run(bench).await,
            "exec" => exec::run(bench).await,
            _ => client::run(bench).await,
        };
        sections.extend(ran.with_context(|| format!("the suite {name}"))?);
        eprintln!("bench: {name} took {:.0} s", begun.elapsed().as_secs_f64());
    }
    Ok(sections)
}
