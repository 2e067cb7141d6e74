//! Runs one command of the program and turns its end into an exit code.

use std::{path::Path, process::ExitCode};

use anyhow::{Context as _, Result};

use crate::{
    cli::{Command, ConfigureArgs, StartArgs, Teleport, print_completion},
    config::{self, Config, template},
    ctl,
    logging::{self, Verbosity},
};

/// Runs the command; an error is one line `ERROR: what happened; what to do`.
pub fn main(teleport: Teleport) -> ExitCode {
    let debug = matches!(&teleport.command, Command::Ctl(tctl) if tctl.place.debug);
    match dispatch(teleport.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ERROR: {}", one_line(&error));
            if debug {
                for cause in error.chain() {
                    eprintln!("  caused by: {cause}");
                }
            }
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command) -> Result<()> {
    match command {
        Command::Start(args) => start(&args),
        Command::Configure(args) => configure(&args),
        Command::Status(args) => runtime()?.block_on(crate::status::run(&args)),
        Command::Ctl(tctl) => runtime()?.block_on(ctl::run(tctl)),
        Command::Version => {
            println!("teleport {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        Command::Completion { shell } => {
            print_completion(shell);
            Ok(())
        }
    }
}

/// Joins an error and its causes into one line, each said once.
fn one_line(error: &anyhow::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = cause.to_string().replace(['\n', '\r'], " ");
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
    }
    parts.join(": ")
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
        println!("OK {}", file.display());
        return Ok(());
    }
    let text = template::render(&template::Choices {
        cluster_name: args.cluster_name.clone(),
        public_addr: args.public_addr.clone(),
        data_dir: args.data_dir.clone(),
        cert_file: args.cert_file.clone(),
        key_file: args.key_file.clone(),
    });
    print!("{text}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_and_says_each_cause_once() {
        let error =
            anyhow::anyhow!("no such\nfile").context("cannot read x: no such file").context("bad configuration");
        assert_eq!(one_line(&error), "bad configuration: cannot read x: no such file");
    }
}
