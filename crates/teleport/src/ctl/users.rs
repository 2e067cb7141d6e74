//! `tctl users`: local users.

use std::{
    io::{IsTerminal as _, Read as _},
    path::Path,
};

use anyhow::{Context as _, Result, anyhow, bail};
use clap::{Args, Subcommand};
use teleport_api::{
    Client, ErrorKind,
    messages::admin::{CreateUser, UpdateUser},
};
use teleport_types::{RoleName, Traits, User, UserName};

use teleport_terminal::{prompt, table};

use super::output::print_documents;
use crate::{
    cli::Format,
    output::{line, print, read_file},
};

const ADD_EXAMPLES: &str = "\
Examples:
  tctl users add alice --roles=developer           asks for a password, twice
  tctl users add bob --roles=developer,auditor --kubernetes-groups=team-a
  openssl rand -base64 18 | tee /dev/tty | tctl users add ci --roles=ci --password-file=-";

const UPDATE_EXAMPLES: &str = "\
Examples:
  tctl users update alice --set-roles=developer,auditor
  tctl users update alice --password-file=-        a new password; ends the logins before";

/// Commands of `tctl users`.
#[derive(Debug, Subcommand)]
pub enum Users {
    /// Add a local user
    #[command(after_help = ADD_EXAMPLES)]
    Add(Add),
    /// List the users
    Ls {
        /// Form of the answer.
        #[arg(short, long, value_enum, default_value_t)]
        format: Format,
    },
    /// Change a user's roles, traits or password; what is not named stays
    #[command(after_help = UPDATE_EXAMPLES)]
    Update(Update),
    /// Remove a user and end their logins
    Rm {
        /// The user's name.
        name: UserName,
    },
}

/// `tctl users add`
#[derive(Debug, Args)]
pub struct Add {
    /// The new user's name.
    name: UserName,
    /// Roles, joined by commas.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', required = true)]
    roles: Vec<RoleName>,
    /// OS logins, joined by commas.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    logins: Vec<String>,
    /// Kubernetes users, joined by commas; roles use them as {{internal.kubernetes_users}}.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    kubernetes_users: Vec<String>,
    /// Kubernetes groups, joined by commas; roles use them as {{internal.kubernetes_groups}}.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    kubernetes_groups: Vec<String>,
    /// File that holds the password, `-` for standard input; without it the password is asked for.
    #[arg(long, value_name = "FILE")]
    password_file: Option<String>,
}

/// `tctl users update`
#[derive(Debug, Args)]
pub struct Update {
    /// The user's name.
    name: UserName,
    /// The new roles, joined by commas.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    set_roles: Option<Vec<RoleName>>,
    /// The new OS logins.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    set_logins: Option<Vec<String>>,
    /// The new Kubernetes users.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    set_kubernetes_users: Option<Vec<String>>,
    /// The new Kubernetes groups.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    set_kubernetes_groups: Option<Vec<String>>,
    /// File that holds the new password, `-` for standard input.
    #[arg(long, value_name = "FILE")]
    password_file: Option<String>,
}

pub(super) async fn run(client: &Client, command: Users) -> Result<()> {
    match command {
        Users::Add(add) => add_user(client, add).await,
        Users::Ls { format } => list(client, format).await,
        Users::Update(update) => change(client, update).await,
        Users::Rm { name } => {
            client.delete_resource("user", name.as_str()).await?;
            line(&format!("user {name} has been removed and their logins have ended"))
        }
    }
}

async fn add_user(client: &Client, add: Add) -> Result<()> {
    let mut traits = Traits::default();
    for (name, values) in [
        ("logins", add.logins),
        ("kubernetes_users", add.kubernetes_users),
        ("kubernetes_groups", add.kubernetes_groups),
    ] {
        if !values.is_empty() {
            traits.0.insert(name.to_owned(), values);
        }
    }
    let password = password(add.password_file.clone(), add.name.clone()).await?;
    let user = CreateUser { name: add.name.clone(), roles: add.roles, traits, password: Some(password) };
    client.create_user(&user).await.map_err(|error| match error {
        error if error.is(ErrorKind::Conflict) => {
            anyhow!("user {} exists already; change them with tctl users update, or choose another name", add.name)
        }
        error => error.into(),
    })?;
    line(&format!("user {} has been added; they log in with: tsh login --proxy=PROXY --user={}", add.name, add.name))
}

async fn change(client: &Client, update: Update) -> Result<()> {
    let traits = new_traits(client, &update).await?;
    let password = match &update.password_file {
        Some(file) => Some(password(Some(file.clone()), update.name.clone()).await?),
        None => None,
    };
    let change = UpdateUser { roles: update.set_roles, traits, password };
    if change.roles.is_none() && change.traits.is_none() && change.password.is_none() {
        bail!(
            "nothing to change; name at least one of --set-roles, --set-logins, --set-kubernetes-users, --set-kubernetes-groups, --password-file"
        );
    }
    client.update_user(&update.name, &change).await?;
    line(&format!("user {} has been updated", update.name))
}

async fn new_traits(client: &Client, update: &Update) -> Result<Option<Traits>> {
    let changes = [
        ("logins", &update.set_logins),
        ("kubernetes_users", &update.set_kubernetes_users),
        ("kubernetes_groups", &update.set_kubernetes_groups),
    ];
    if changes.iter().all(|(_, values)| values.is_none()) {
        return Ok(None);
    }
    let user: User = serde_json::from_value(client.resource("user", update.name.as_str()).await?)?;
    let mut traits = user.spec.traits;
    for (name, values) in changes {
        if let Some(values) = values {
            traits.0.insert(name.to_owned(), values.iter().filter(|value| !value.is_empty()).cloned().collect());
        }
    }
    Ok(Some(traits))
}

async fn list(client: &Client, format: Format) -> Result<()> {
    let documents = client.list_resources("user").await?.items;
    if format != Format::Text {
        return print_documents(&documents, format);
    }
    let mut rows = Vec::new();
    for document in documents {
        let user: User = serde_json::from_value(document)?;
        let roles: Vec<_> = user.spec.roles.iter().map(RoleName::as_str).collect();
        rows.push([user.metadata.name.clone(), roles.join(",")]);
    }
    print(&table::render(["User", "Roles"], rows))
}

/// Reads a password beside the runtime; Ctrl-C at the prompt gives the terminal back.
async fn password(file: Option<String>, user: UserName) -> Result<String> {
    let before = prompt::Settings::now();
    tokio::select! {
        read = tokio::task::spawn_blocking(move || read_password(file.as_deref(), &user)) => read?,
        _ = tokio::signal::ctrl_c() => before.restore_and_exit(),
    }
}

/// Reads a password from a file, standard input or, twice, from the terminal.
fn read_password(file: Option<&str>, user: &UserName) -> Result<String> {
    let text = match file {
        Some("-") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("cannot read the password from standard input")?;
            text
        }
        Some(path) => read_file(Path::new(path))?,
        None if std::io::stdin().is_terminal() => {
            let first = ask(&format!("Password for {user} (12 characters or more): "))?;
            if ask("The same again: ")? != first {
                bail!("the two passwords differ; run the command again");
            }
            first
        }
        None => bail!("there is no terminal to ask for a password; use --password-file FILE, or - for standard input"),
    };
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn ask(text: &str) -> Result<String> {
    let before = prompt::Settings::now();
    match rpassword::prompt_password(text) {
        // The signal may reach this thread first.
        Err(error) if error.kind() == std::io::ErrorKind::Interrupted => before.restore_and_exit(),
        answer => answer.context("the password cannot be asked for; use --password-file"),
    }
}
