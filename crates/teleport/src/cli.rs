//! The command line of `teleport`, and of `tctl` when the program is called by that name.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum, builder::PossibleValue, error::ErrorKind};
use clap_complete::Shell;
use teleport_terminal::usage;
use teleport_types::ClusterName;

use crate::ctl;

/// The access plane for Kubernetes: auth, proxy and kubernetes services in one program.
#[derive(Debug, Parser)]
#[command(
    name = "teleport",
    version,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = EXAMPLES
)]
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

const START_EXAMPLES: &str = "\
Examples:
  teleport start                           what /etc/teleport.yaml says
  teleport start -c ./teleport.yaml        another file
  teleport start --data-dir=/tmp/trial     keep the state elsewhere";

const CONFIGURE_EXAMPLES: &str = "\
Examples:
  teleport configure > teleport.yaml
  teleport configure --cluster-name=example.com --public-addr=teleport.example.com:443 \\
    --kubeconfig=/etc/teleport/kubeconfig > /etc/teleport.yaml
  teleport configure --test /etc/teleport.yaml";

const STATUS_EXAMPLES: &str = "\
Examples:
  teleport status
  teleport status --format=json | jq -r .auth";

const COMPLETION_EXAMPLES: &str = "\
Examples:
  source <(teleport completion bash)
  teleport completion zsh > ~/.zfunc/_teleport";

/// Commands of `teleport`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the services that the configuration names, until stopped
    #[command(after_help = START_EXAMPLES)]
    Start(StartArgs),
    /// Print a commented configuration file, or check one
    #[command(after_help = CONFIGURE_EXAMPLES)]
    Configure(ConfigureArgs),
    /// Tell whether the auth service of this host runs
    #[command(after_help = STATUS_EXAMPLES)]
    Status(StatusArgs),
    /// Administer the cluster; the same as tctl
    Ctl(ctl::Tctl),
    /// Print the version
    Version,
    /// Print a completion script for a shell
    #[command(after_help = COMPLETION_EXAMPLES)]
    Completion {
        /// Which shell.
        shell: Shell,
    },
    /// Write the man pages of teleport and tctl into a folder
    #[command(hide = true)]
    Man {
        /// The folder; made when it is not there.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

/// `teleport start`
#[derive(Debug, Args)]
pub struct StartArgs {
    /// Configuration file; without one /etc/teleport.yaml if it exists, else everything on loopback.
    #[arg(short, long, value_name = "FILE", env = "TELEPORT_CONFIG_FILE", hide_env_values = true)]
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
    /// The cluster's name, a DNS name.
    #[arg(long, value_name = "NAME")]
    pub cluster_name: Option<ClusterName>,
    /// What people and kubectl dial, HOST:PORT; the proxy listens on the same port.
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
    /// Credentials of Kubernetes clusters; switches the kubernetes service on.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<String>,
    /// Check this file instead of printing one.
    #[arg(long, value_name = "FILE")]
    pub test: Option<PathBuf>,
}

/// `teleport status`
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Configuration file of the services.
    #[arg(short, long, value_name = "FILE", env = "TELEPORT_CONFIG_FILE", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// Form of the answer.
    #[arg(short, long, value_enum, default_value_t)]
    pub format: Format,
}

/// Form of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

// By hand: the words explain themselves, and a derived one would print a paragraph for each.
impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Text, Self::Json, Self::Yaml]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Yaml => "yaml",
        }))
    }
}

/// What the arguments ask for.
pub enum Asked {
    /// A command to run.
    Run(Teleport),
    /// Text to show: help or the version.
    Show(String),
    /// Help, because there is no command.
    Nothing(String),
    /// Something that cannot be: what is wrong, and what to do.
    Wrong(String, String),
}

/// Reads the arguments; a program called `tctl` is `teleport ctl`.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Asked {
    let args: Vec<_> = args.into_iter().collect();
    let called = args.first().and_then(|name| Path::new(name).file_stem());
    let (program, parsed) = if called.is_some_and(|name| name == "tctl") {
        let tctl = ctl::Tctl::try_parse_from(args);
        ("tctl", tctl.map(|tctl| Teleport { command: Command::Ctl(tctl) }))
    } else {
        ("teleport", Teleport::try_parse_from(args))
    };
    match parsed {
        Ok(teleport) => Asked::Run(teleport),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Asked::Show(error.to_string()),
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Asked::Nothing(error.to_string()),
            _ => {
                let (what, hint) = usage::explain(&error.to_string(), program);
                Asked::Wrong(what, hint)
            }
        },
    }
}

/// Returns the completion script of a shell.
pub fn completion(mut command: clap::Command, shell: Shell) -> String {
    let (name, mut script) = (command.get_name().to_owned(), Vec::new());
    clap_complete::generate(shell, &mut command, name, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Returns the completion script of `teleport`.
pub fn teleport_completion(shell: Shell) -> String {
    completion(Teleport::command(), shell)
}
