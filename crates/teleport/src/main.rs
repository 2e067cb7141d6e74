//! `teleport`, and `tctl` when called by that name.

use std::process::ExitCode;

use teleport::{cli, run};

fn main() -> ExitCode {
    run::main(cli::parse())
}
