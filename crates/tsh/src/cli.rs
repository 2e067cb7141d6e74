//! The command line: every flag, its environment variable, and the help.

use std::{path::PathBuf, str::FromStr};

use clap::{
    Args, Parser, Subcommand, ValueEnum,
    builder::{FalseyValueParser, PossibleValue},
};
use teleport_types::{ClusterName, KubeClusterName, UserName};

/// Log in once, then kubectl works as yourself.
#[derive(Debug, Parser)]
#[command(name = "tsh", version, disable_help_subcommand = true, after_help = EXAMPLES, arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What applies to every command.
    #[command(flatten)]
    pub global: Global,
}

const EXAMPLES: &str = "Examples:
  tsh login --proxy=teleport.example.com   log in and set kubectl up
  kubectl get pods                         then use your own tools
  tsh kube ls                              which clusters there are
  tsh kube login staging                   switch kubectl to another one
  tsh logout                               end it";

/// A value that an environment variable may give; an empty variable gives none.
#[derive(Clone, Debug)]
pub struct Given<T>(Option<T>);

impl<T: FromStr> FromStr for Given<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        if text.is_empty() { Ok(Self(None)) } else { T::from_str(text).map(Some).map(Self) }
    }
}

impl<T> Given<T> {
    /// Returns the value.
    pub fn value(&self) -> Option<&T> {
        self.0.as_ref()
    }
}

/// Flags that every command takes.
#[derive(Debug, Args)]
pub struct Global {
    /// The proxy's address; without a port, 443 and 3080 are tried.
    #[arg(long, global = true, env = "TELEPORT_PROXY", hide_env_values = true, value_name = "HOST[:PORT]")]
    pub proxy: Option<String>,
    /// Your user name; default is the one of your last login there, else the one on this machine.
    #[arg(long, global = true, env = "TELEPORT_USER", hide_env_values = true, value_name = "NAME")]
    pub user: Option<Given<UserName>>,
    /// Accept any web certificate from the proxy. Never replaces what is known of the cluster behind it.
    #[arg(long, global = true)]
    pub insecure: bool,
    /// Say on stderr what happens, and why something failed.
    #[arg(short, long, global = true, env = "TELEPORT_DEBUG", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub debug: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Log in to a cluster and set kubectl up
    #[command(after_help = LOGIN_EXAMPLES)]
    Login(LoginArgs),
    /// End the login, remove its keys and give the kubeconfig back
    #[command(after_help = LOGOUT_EXAMPLES)]
    Logout,
    /// Show who you are logged in as, where, and for how long
    #[command(after_help = STATUS_EXAMPLES)]
    Status(FormatArgs),
    /// List the Teleport clusters
    #[command(after_help = CLUSTERS_EXAMPLES)]
    Clusters(ListArgs),
    /// List Kubernetes clusters and choose one for kubectl
    #[command(subcommand, after_help = KUBE_EXAMPLES)]
    Kube(KubeCommand),
    /// Print environment variables for the current login
    #[command(after_help = ENV_EXAMPLES)]
    Env(EnvArgs),
    /// Print the version of tsh and of the proxy
    #[command(after_help = VERSION_EXAMPLES)]
    Version(VersionArgs),
    /// Print a completion script for a shell
    #[command(after_help = COMPLETION_EXAMPLES)]
    Completion {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Write the man pages into a folder
    #[command(hide = true)]
    Man {
        /// The folder; made when it is not there.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

const LOGIN_EXAMPLES: &str = "Examples:
  tsh login --proxy=teleport.example.com --user=alice
  tsh login --proxy=teleport.example.com --ca-pin=sha256:4d5f...   sure of the cluster
  tsh login --ttl=60                                               for an hour only
  tsh login --user=ci < password.txt                               without a terminal";

const LOGOUT_EXAMPLES: &str = "Examples:
  tsh logout                                from everywhere
  tsh logout --proxy=teleport.example.com   from one proxy";

const STATUS_EXAMPLES: &str = "Examples:
  tsh status
  tsh status --format=json | jq -r .active.valid_until
  tsh status > /dev/null || tsh login       in scripts: the exit code says whether the login holds";

const CLUSTERS_EXAMPLES: &str = "Examples:
  tsh clusters
  tsh clusters --quiet";

const KUBE_EXAMPLES: &str = "Examples:
  tsh kube ls
  tsh kube login staging";

const KUBE_LS_EXAMPLES: &str = "Examples:
  tsh kube ls
  tsh kube ls --quiet | fzf | xargs tsh kube login
  tsh kube ls --format=json | jq -r '.[] | select(.labels.env == \"prod\") | .kube_cluster_name'";

const VERSION_EXAMPLES: &str = "Examples:
  tsh version
  tsh version --client                      without asking the proxy";

const ENV_EXAMPLES: &str = "Examples:
  eval \"$(tsh env)\"
  eval \"$(tsh env --unset)\"";

const COMPLETION_EXAMPLES: &str = "Examples:
  source <(tsh completion bash)
  tsh completion zsh > ~/.zfunc/_tsh
  tsh completion fish > ~/.config/fish/completions/tsh.fish";

/// Arguments of `tsh login`.
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// The Teleport cluster; default is the one behind the proxy.
    pub cluster: Option<ClusterName>,
    /// How to log in.
    #[arg(long, env = "TELEPORT_AUTH", hide_env_values = true, default_value = "local", value_name = "CONNECTOR")]
    pub auth: String,
    /// How long the login should last; roles may shorten it.
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u64).range(1..=525_600))]
    pub ttl: Option<u64>,
    /// Accept the cluster only if its host authority has this pin; may be given more than once.
    #[arg(long, value_name = "sha256:HEX", value_delimiter = ',')]
    pub ca_pin: Vec<String>,
    /// The Kubernetes cluster to select.
    #[arg(long, env = "TELEPORT_KUBE_CLUSTER", hide_env_values = true, value_name = "NAME")]
    pub kube_cluster: Option<Given<KubeClusterName>>,
}

/// The output of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For programs and people.
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

/// The flag that chooses the output.
#[derive(Clone, Copy, Debug, Args)]
pub struct FormatArgs {
    /// The output.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// Flags of commands that print a list.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// The output.
    #[command(flatten)]
    pub output: FormatArgs,
    /// Print names only, without a heading.
    #[arg(short, long)]
    pub quiet: bool,
    /// Print more columns.
    #[arg(short, long)]
    pub verbose: bool,
}

/// Which Teleport cluster is meant.
#[derive(Debug, Args)]
pub struct ClusterArgs {
    /// The Teleport cluster; default is the one you are logged in to.
    #[arg(short, long, env = "TELEPORT_CLUSTER", hide_env_values = true, value_name = "NAME")]
    pub cluster: Option<Given<ClusterName>>,
}

/// The commands about Kubernetes clusters.
#[derive(Debug, Subcommand)]
pub enum KubeCommand {
    /// List the Kubernetes clusters you may use
    #[command(after_help = KUBE_LS_EXAMPLES)]
    Ls {
        /// How to print them.
        #[command(flatten)]
        list: ListArgs,
        /// Of which cluster.
        #[command(flatten)]
        cluster: ClusterArgs,
    },
    /// Point kubectl at a Kubernetes cluster
    #[command(after_help = "Examples:\n  tsh kube login staging && kubectl get pods")]
    Login {
        /// Its name, as `tsh kube ls` prints it.
        #[arg(env = "TELEPORT_KUBE_CLUSTER", hide_env_values = true)]
        name: Given<KubeClusterName>,
        /// Of which cluster.
        #[command(flatten)]
        cluster: ClusterArgs,
    },
    /// Print credentials for kubectl, which starts this itself
    #[command(hide = true)]
    Credentials(CredentialsArgs),
}

/// Arguments of `tsh kube credentials`, as they stand in the kubeconfig.
#[derive(Debug, Args)]
pub struct CredentialsArgs {
    /// The Kubernetes cluster.
    #[arg(long)]
    pub kube_cluster: KubeClusterName,
    /// The Teleport cluster.
    #[arg(long)]
    pub teleport_cluster: ClusterName,
}

/// Arguments of `tsh env`.
#[derive(Debug, Args)]
pub struct EnvArgs {
    /// The output.
    #[command(flatten)]
    pub output: FormatArgs,
    /// Print commands that remove the variables.
    #[arg(long)]
    pub unset: bool,
}

/// Arguments of `tsh version`.
#[derive(Debug, Args)]
pub struct VersionArgs {
    /// The output.
    #[command(flatten)]
    pub output: FormatArgs,
    /// Do not ask the proxy.
    #[arg(long)]
    pub client: bool,
}

/// Where a file is, for messages about the kubeconfig.
pub(crate) fn display_paths(paths: &[PathBuf]) -> String {
    std::env::join_paths(paths).map_or_else(|_| String::new(), |joined| joined.to_string_lossy().into_owned())
}
