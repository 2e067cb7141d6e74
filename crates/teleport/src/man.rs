//! `teleport man DIR`: the man pages, `teleport.1`, `tctl.1` and one for each command. `make man` calls it.

use std::path::Path;

use anyhow::Result;
use clap::CommandFactory as _;

use crate::{
    cli::Teleport,
    ctl::Tctl,
    output::{file_error, line},
};

pub(crate) fn write(folder: &Path) -> Result<()> {
    let failed = |error: std::io::Error| file_error("write man pages into", folder, &error);
    std::fs::create_dir_all(folder).map_err(failed)?;
    // tctl has its own pages; `teleport ctl` would be the same ones again.
    let teleport = Teleport::command().mut_subcommand("ctl", |ctl| ctl.hide(true));
    for command in [teleport, Tctl::command()] {
        let program = command.get_name().to_owned();
        clap_mangen::generate_to(command, folder).map_err(failed)?;
        teleport_terminal::man::finish(folder, &program).map_err(failed)?;
    }
    line(&format!("man pages written; read one with: man -l {}", folder.join("tctl.1").display()))
}
