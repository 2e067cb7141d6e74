//! `tsh completion`: a script that teaches a shell our commands and flags.

use clap::CommandFactory as _;

use crate::{cli::Cli, output::Printed};

pub(super) fn run(shell: clap_complete::Shell) -> Printed {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tsh", &mut script);
    Printed::text(String::from_utf8_lossy(&script))
}
