//! The command line of `teleport`, and of `tctl` when the program is called by that name.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::ctl;

/// The access plane for Kubernetes: auth, proxy and kubernetes services in one program.
#[derive(Debug, Parser)]
#[command(name = "teleport", version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Teleport {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  teleport start                          run everything on this machine's loopback
  teleport configure > teleport.yaml      a commented configuration to edit
  teleport start -c teleport.yaml         run what the file says
  teleport ctl status                     the admin tool, also callable as tctl";

/// Commands of `teleport`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the services that the configuration names, until stopped.
    Start(StartArgs),
    /// Print a commented configuration file, or check one.
    Configure(ConfigureArgs),
    /// Tell whether the services of this host run and are ready.
    Status(StatusArgs),
    /// Administer the cluster; the same as tctl.
    Ctl(ctl::Tctl),
    /// Print the version.
    Version,
    /// Print a shell's completion script.
    Completion {
        /// Which shell.
        shell: Shell,
    },
}

/// `teleport start`
#[derive(Debug, Args)]
pub struct StartArgs {
    /// Configuration file; without one /etc/teleport.yaml if it exists, else everything on loopback.
    #[arg(short, long, value_name = "FILE", env = "TELEPORT_CONFIG_FILE")]
    pub config: Option<PathBuf>,
    /// Log more.
    #[arg(short, long)]
    pub debug: bool,
    /// Use this folder for state, whatever the file says.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// `teleport configure`
#[derive(Debug, Args)]
pub struct ConfigureArgs {
    /// The cluster's name.
    #[arg(long, value_name = "NAME")]
    pub cluster_name: Option<String>,
    /// What people and kubectl dial, host:port.
    #[arg(long, value_name = "ADDR")]
    pub public_addr: Option<String>,
    /// Folder for state.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// Web certificate chain, PEM.
    #[arg(long, value_name = "FILE", requires = "key_file")]
    pub cert_file: Option<String>,
    /// Private key of the web certificate, PEM.
    #[arg(long, value_name = "FILE", requires = "cert_file")]
    pub key_file: Option<String>,
    /// Check this file instead of printing one.
    #[arg(long, value_name = "FILE")]
    pub test: Option<PathBuf>,
}

/// `teleport status`
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Configuration file of the services.
    #[arg(short, long, value_name = "FILE", env = "TELEPORT_CONFIG_FILE")]
    pub config: Option<PathBuf>,
    /// Form of the answer.
    #[arg(short, long, value_enum, default_value_t)]
    pub format: Format,
}

/// Form of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// Reads the arguments; a program called `tctl` is `teleport ctl`.
pub fn parse() -> Teleport {
    let mut args: Vec<_> = std::env::args_os().collect();
    let called_tctl =
        args.first().and_then(|name| std::path::Path::new(name).file_stem()).is_some_and(|name| name == "tctl");
    if called_tctl {
        return Teleport { command: Command::Ctl(ctl::Tctl::parse_from(args)) };
    }
    // `teleport ctl` must not see `ctl` twice when it prints its own usage.
    if args.is_empty() {
        args.push("teleport".into());
    }
    Teleport::parse_from(args)
}

/// Prints the completion script of a shell.
pub fn print_completion(shell: Shell) {
    clap_complete::generate(shell, &mut Teleport::command(), "teleport", &mut std::io::stdout());
}
