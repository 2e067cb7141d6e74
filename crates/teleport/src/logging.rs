//! Log lines: text for people or JSON for machines, to a stream or a file. Secrets never reach a log call.

use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt as _, sync::Mutex};

use anyhow::{Context as _, Result};
use tracing::Level;
use tracing_subscriber::{EnvFilter, fmt::writer::BoxMakeWriter};

use crate::config::{LogConfig, LogForm, LogOutput};

/// How much the command line asks to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// What the configuration says.
    Configured,
    /// Everything that helps to find a fault.
    Debug,
}

/// Starts logging for the process.
///
/// # Errors
/// When the log file cannot be opened, or logging runs already.
pub fn start(config: &LogConfig, verbosity: Verbosity) -> Result<()> {
    let level = match verbosity {
        Verbosity::Debug => Level::DEBUG,
        Verbosity::Configured => config.severity.unwrap_or(Level::INFO),
    };
    // Libraries are quieter than we are: what they say at DEBUG is about them.
    let ours = format!("warn,teleport={level},{}", OUR_CRATES.map(|name| format!("{name}={level}")).join(","));
    let filter = EnvFilter::try_from_env("TELEPORT_LOG").unwrap_or_else(|_| EnvFilter::new(ours));
    let writer = match &config.output {
        LogOutput::Stderr => BoxMakeWriter::new(std::io::stderr),
        LogOutput::Stdout => BoxMakeWriter::new(std::io::stdout),
        LogOutput::File(path) => {
            let file = OpenOptions::new().append(true).create(true).mode(0o640).open(path);
            BoxMakeWriter::new(Mutex::new(
                file.with_context(|| format!("cannot open the log file {}", path.display()))?,
            ))
        }
    };
    install(config, filter, writer)
}

const OUR_CRATES: [&str; 8] = [
    "teleport_runtime",
    "teleport_pki",
    "teleport_audit",
    "teleport_net",
    "teleport_api",
    "teleport_auth",
    "teleport_proxy",
    "teleport_kube",
];

fn install(config: &LogConfig, filter: EnvFilter, writer: BoxMakeWriter) -> Result<()> {
    use std::io::IsTerminal as _;

    let colour = config.output == LogOutput::Stderr && std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let started = match config.format {
        LogForm::Text => builder.with_ansi(colour).try_init(),
        LogForm::Json => builder.json().flatten_event(true).with_ansi(false).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("cannot start logging: {error}"))
}
