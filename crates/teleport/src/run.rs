//! Runs one command of the program and turns its end into an exit code.

use std::{ffi::OsString, path::Path, process::ExitCode};

use anyhow::{Context as _, Result};

use crate::{
    cli::{self, Asked, Command, ConfigureArgs, StartArgs},
    config::{self, Config, template},
    ctl,
    logging::{self, Verbosity},
    man,
    output::{line, one_line, print},
};
use teleport_terminal::escape;

/// Runs the program; an error is one line `ERROR: what happened; what to do`, and the exit code 1.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let (result, debug) = match cli::parse(args) {
        Asked::Run(teleport) => {
            let debug = matches!(&teleport.command, Command::Ctl(tctl) if tctl.place.debug);
            (dispatch(teleport.command), debug)
        }
        Asked::Show(text) => (print(&text), false),
        Asked::Nothing(help) => {
            let shown = print(&help);
            (shown.and(Err(anyhow::anyhow!("there is no command; choose one of the above"))), false)
        }
        Asked::Wrong(what, hint) => (Err(anyhow::anyhow!("{what}; {hint}")), false),
    };
    let Err(error) = result else { return ExitCode::SUCCESS };
    eprintln!("ERROR: {}", one_line(&error));
    for cause in error.chain().filter(|_| debug) {
        eprintln!("  because: {}", escape(&cause.to_string()));
    }
    ExitCode::FAILURE
}

fn dispatch(command: Command) -> Result<()> {
    match command {
        Command::Start(args) => start(&args),
        Command::Configure(args) => configure(&args),
        Command::Status(args) => runtime()?.block_on(crate::status::run(&args)),
        Command::Ctl(tctl) => runtime()?.block_on(ctl::run(tctl)),
        Command::Version => line(concat!("teleport ", env!("CARGO_PKG_VERSION"))),
        Command::Completion { shell } => print(&cli::teleport_completion(shell)),
        Command::Man { folder } => man::write(&folder),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")
}

fn start(args: &StartArgs) -> Result<()> {
    let config = start_config(args)?;
    let verbosity = if args.debug { Verbosity::Debug } else { Verbosity::Configured };
    logging::start(&config.log, verbosity)?;
    runtime()?.block_on(crate::services::run(config))
}

fn start_config(args: &StartArgs) -> Result<Config> {
    let default = Path::new(config::DEFAULT_FILE);
    let mut config = match &args.config {
        Some(file) => config::load(file)?,
        None if default.exists() => config::load(default)?,
        None => config::built_in()?,
    };
    if let Some(dir) = &args.data_dir {
        config.use_data_dir(dir.clone());
    }
    Ok(config)
}

fn configure(args: &ConfigureArgs) -> Result<()> {
    if let Some(file) = &args.test {
        config::load(file)?;
        return line(&format!("OK {}", file.display()));
    }
    let text = template::render(&template::Choices {
        cluster_name: args.cluster_name.clone(),
        public_addr: args.public_addr.as_deref().map(config::PublicAddr::parse).transpose()?,
        data_dir: args.data_dir.clone(),
        cert_file: args.cert_file.clone(),
        key_file: args.key_file.clone(),
        kubeconfig: args.kubeconfig.clone(),
    });
    print(&text)
}
