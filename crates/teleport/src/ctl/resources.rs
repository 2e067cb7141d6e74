//! `tctl create`, `get` and `rm`: resource documents.

use std::{io::Read as _, path::Path};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::Value;
use teleport_api::{Client, ErrorKind};

use super::output::print_documents;
use crate::{
    cli::Format,
    output::{line, read_file},
};

pub(super) const CREATE_EXAMPLES: &str = "\
Examples:
  tctl create role.yaml
  tctl create -f role.yaml                         replace the role when it exists
  tctl get role/developer | sed s/staging/prod/ | tctl create -f";

pub(super) const GET_EXAMPLES: &str = "\
Examples:
  tctl get roles --format=text                     a table
  tctl get role/developer > developer.yaml         one document, to edit and create -f again
  tctl get kube_servers                            which clusters are served, and by whom";

pub(super) const REMOVE_EXAMPLES: &str = "\
Examples:
  tctl rm role/developer
  tctl rm lock/incident-7";

/// `tctl create`
#[derive(Debug, Args)]
pub struct Create {
    /// Replace resources that exist already.
    #[arg(short, long)]
    force: bool,
    /// File with one or more YAML or JSON documents; standard input when absent or `-`.
    file: Option<String>,
}

/// `tctl get`
#[derive(Debug, Args)]
pub struct Get {
    /// KIND or KIND/NAME, as role, role/admin, users.
    what: String,
    /// Form of the answer.
    #[arg(short, long, value_enum, default_value_t = Format::Yaml)]
    format: Format,
}

/// `tctl rm`
#[derive(Debug, Args)]
pub struct Remove {
    /// KIND/NAME
    what: String,
}

/// Kinds a person may name, with what they are called in documents.
const KINDS: &[(&str, &str)] = &[
    ("role", "role"),
    ("roles", "role"),
    ("user", "user"),
    ("users", "user"),
    ("token", "token"),
    ("tokens", "token"),
    ("lock", "lock"),
    ("locks", "lock"),
    ("kube_cluster", "kube_cluster"),
    ("kube_clusters", "kube_cluster"),
    ("kube_server", "kube_server"),
    ("kube_servers", "kube_server"),
    ("cluster_auth_preference", "cluster_auth_preference"),
    ("cap", "cluster_auth_preference"),
];

fn kind_of(word: &str) -> Result<&'static str> {
    match KINDS.iter().find(|(name, _)| *name == word) {
        Some((_, kind)) => Ok(kind),
        None => bail!(
            "there is no kind {word:?}; choose one of role, user, token, lock, kube_cluster, kube_server, cluster_auth_preference"
        ),
    }
}

pub(super) async fn create(client: &Client, command: Create) -> Result<()> {
    let text = match command.file.as_deref() {
        None | Some("-") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
            text
        }
        Some(path) => read_file(Path::new(path))?,
    };
    // Every document is checked before the first one is sent.
    let from = command.file.as_deref().filter(|file| *file != "-").unwrap_or("standard input").to_owned();
    let documents = teleport_types::yaml::resources(&text).context(from)?;
    for resource in documents {
        let (kind, name) = (resource.kind().as_str(), resource.name().to_owned());
        let document = resource.to_value();
        let done = if command.force {
            client.put_resource(kind, &name, &document).await
        } else {
            client.create_resource(kind, &document).await
        };
        match done {
            Ok(()) => line(&format!("{kind} {name:?} has been {}", if command.force { "written" } else { "created" }))?,
            Err(error) if error.is(ErrorKind::Conflict) => return Err(error.into()),
            Err(error) => return Err(error).context(format!("{kind} {name:?} was refused")),
        }
    }
    Ok(())
}

pub(super) async fn get(client: &Client, command: Get) -> Result<()> {
    let documents: Vec<Value> = match command.what.split_once('/') {
        Some((kind, name)) => vec![client.resource(kind_of(kind)?, name).await?],
        None => client.list_resources(kind_of(&command.what)?).await?.items,
    };
    print_documents(&documents, command.format)
}

pub(super) async fn remove(client: &Client, command: Remove) -> Result<()> {
    let Some((kind, name)) = command.what.split_once('/') else {
        bail!("{:?} names no resource; write KIND/NAME, as role/developer", command.what);
    };
    let kind = kind_of(kind)?;
    client.delete_resource(kind, name).await?;
    line(&format!("{kind} {name:?} has been removed"))
}
