//! `teleport`, and `tctl` when called by that name.

use std::process::ExitCode;

use teleport::run;

fn main() -> ExitCode {
    run::main(std::env::args_os())
}
