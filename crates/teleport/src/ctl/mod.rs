//! `tctl`: administration over the local socket, or from elsewhere with an identity file.

mod audit;
mod connect;
mod files;
mod output;
mod resources;
mod sign;
mod users;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

use crate::{
    cli::{Format, completion},
    output::{line, print},
};
pub use connect::SOCKET_NAME;
pub use files::IdentityFile;

/// Administer a Teleport cluster.
#[derive(Debug, Parser)]
#[command(
    name = "tctl",
    version,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = EXAMPLES
)]
pub struct Tctl {
    /// Where the cluster is.
    #[command(flatten, next_help_heading = "Options of every command")]
    pub place: Place,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tctl users add alice --roles=developer           asks for the password
  tctl create -f role.yaml                         create or replace what the file holds
  tctl get roles                                   every role, as YAML
  tctl auth sign --user=ci --format=kubernetes --out=ci.kubeconfig --ttl=8h --proxy=host:443
  tctl audit ls --last=1h                          what happened in the last hour";

const COMPLETION_EXAMPLES: &str = "\
Examples:
  source <(tctl completion bash)
  tctl completion zsh > ~/.zfunc/_tctl";

/// Where the cluster is.
#[derive(Debug, Args)]
pub struct Place {
    /// Configuration file of the auth service on this host.
    #[arg(short, long, global = true, value_name = "FILE", env = "TELEPORT_CONFIG_FILE", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// Folder of the auth service's state, when there is no configuration file.
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Identity file of an administrator, to work from another host.
    #[arg(short, long, global = true, value_name = "FILE", requires = "auth_server")]
    pub identity: Option<PathBuf>,
    /// Address of the auth service or of a proxy, host:port; goes with --identity.
    #[arg(long, global = true, value_name = "ADDR")]
    pub auth_server: Option<String>,
    /// Explain failures in full.
    #[arg(short, long, global = true)]
    pub debug: bool,
}

/// Commands of `tctl`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Local users: add, list, change, remove
    #[command(subcommand)]
    Users(users::Users),
    /// Create the resources in a file; with -f replace those that exist
    #[command(after_help = resources::CREATE_EXAMPLES)]
    Create(resources::Create),
    /// Print resources: a KIND, or one KIND/NAME
    #[command(after_help = resources::GET_EXAMPLES)]
    Get(resources::Get),
    /// Remove a resource, KIND/NAME
    #[command(after_help = resources::REMOVE_EXAMPLES)]
    Rm(resources::Remove),
    /// Certificates: sign for automation, export the authorities
    #[command(subcommand)]
    Auth(sign::Auth),
    /// Show the cluster's name, version, authorities and CA pin
    Status {
        /// Form of the answer.
        #[arg(short, short_alias = 'o', long, value_enum, default_value_t)]
        format: Format,
    },
    /// The audit log: list, export, verify
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Print a completion script for a shell
    #[command(after_help = COMPLETION_EXAMPLES)]
    Completion {
        /// Which shell.
        shell: Shell,
    },
    /// Print the version
    Version,
}

/// Runs a command.
///
/// # Errors
/// The one line to show, with its chain.
pub async fn run(tctl: Tctl) -> Result<()> {
    match tctl.command {
        Command::Version => return line(concat!("tctl ", env!("CARGO_PKG_VERSION"))),
        Command::Completion { shell } => return print(&completion(Tctl::command(), shell)),
        _ => {}
    }
    let client = connect::client(&tctl.place)?;
    match tctl.command {
        Command::Users(command) => users::run(&client, command).await,
        Command::Create(command) => resources::create(&client, command).await,
        Command::Get(command) => resources::get(&client, command).await,
        Command::Rm(command) => resources::remove(&client, command).await,
        Command::Auth(command) => sign::run(&client, command).await,
        Command::Status { format } => output::status(&client, format).await,
        Command::Audit(command) => audit::run(&client, command).await,
        Command::Completion { .. } | Command::Version => Ok(()),
    }
}
