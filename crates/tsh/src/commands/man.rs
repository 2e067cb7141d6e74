//! `tsh man DIR`: the man pages, `tsh.1` and one for each command. `make man` calls it.

use std::path::Path;

use clap::CommandFactory as _;

use crate::{cli::Cli, error::Error, output::Printed};

pub(super) fn run(folder: &Path) -> Result<Printed, Error> {
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
        .and_then(|()| teleport_terminal::man::finish(folder, "tsh"));
    written.map_err(|error| Error::file("write man pages into", folder, error))?;
    Ok(Printed::text(format!("man pages written; read one with: man -l {}\n", folder.join("tsh.1").display())))
}
