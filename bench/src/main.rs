//! The benchmark: how far this proxy is from nginx, from `kubectl proxy` and from no proxy at all, in one run.
//!
//! `make bench` runs it, and it writes `docs/performance.md`. It holds its own load generator and its own upstream, so
//! that only the proxies differ.

mod certificates;
mod cli;
mod gates;
mod histogram;
mod load;
mod measure;
mod peers;
mod report;
mod results;
mod soak;
mod suites;
mod system;
mod target;
mod upstream;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::main() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ERROR: {error:#}");
            ExitCode::FAILURE
        }
    }
}
