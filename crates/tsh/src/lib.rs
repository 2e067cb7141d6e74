//! The client: login, kubeconfig, short-lived credentials for kubectl.
//!
//! `src/main.rs` only calls [`main`], so that everything can be tested without a process. The walk of a login is
//! `commands/login.rs`, that of a credential `commands/credentials.rs`.

pub mod cli;
pub mod commands;
pub mod connect;
pub mod env;
pub mod error;
pub mod kubeconfig;
pub mod output;
pub mod proxy_addr;
pub mod store;
mod wait;

use std::{ffi::OsString, process::ExitCode};

use clap::Parser as _;

use crate::{
    cli::Cli,
    env::Env,
    error::Error,
    output::{Printed, note, print},
};
use teleport_terminal::escape;

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    if let Some(answer) = commands::credentials::warm::answer(&args) {
        return told(Ok(Printed::text(answer)), Detail::Sentence);
    }
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return told(usage(error), Detail::Sentence),
    };
    let detail = if cli.global.debug { Detail::Chain } else { Detail::Sentence };
    if cli.global.debug {
        log_to_stderr();
    }
    told(Env::of_process().and_then(|env| commands::run(cli, env)), detail)
}

/// How much of a failure is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    Sentence,
    Chain,
}

/// Tells the outcome: the text on stdout, `ERROR: what; what to do` on stderr. Every failure exits with 1.
fn told(outcome: Result<Printed, Error>, detail: Detail) -> ExitCode {
    let failure = match outcome {
        Ok(printed) => print(&printed.text).err().or(printed.failure),
        Err(error) => Some(error),
    };
    let Some(failure) = failure else { return ExitCode::SUCCESS };
    note(&format!("ERROR: {failure}"));
    let mut cause = std::error::Error::source(&failure);
    while let Some(error) = cause.filter(|_| detail == Detail::Chain) {
        note(&format!("  because: {}", escape(&error.to_string())));
        cause = error.source();
    }
    ExitCode::FAILURE
}

/// Turns what the parser says into our form: help and version are output, anything else is one line.
fn usage(error: clap::Error) -> Result<Printed, Error> {
    use clap::error::ErrorKind;
    let asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if asked_for {
        return Ok(Printed::text(error.to_string()));
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let failure = Error::usage("there is no command", "choose one of the above");
        return Ok(Printed { text: error.to_string(), failure: Some(failure) });
    }
    let (what, hint) = teleport_terminal::usage::explain(&error.to_string(), "tsh");
    Err(Error::usage(what, hint))
}

fn log_to_stderr() {
    let filter =
        tracing_subscriber::EnvFilter::new("info,tsh=debug,teleport_api=debug,teleport_net=debug,rustls=debug");
    // A second subscriber in one process would be a mistake of a test; the first stays.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(true).try_init();
}
