//! The kubeconfig document as far as we read it. Absent and `null` mean the same everywhere.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;
use teleport_types::yaml::{self, YamlError};

use crate::upstream::secret::Secret;

/// A whole file.
#[derive(Deserialize)]
pub(super) struct Kubeconfig {
    #[serde(rename = "current-context")]
    current_context: Option<String>,
    contexts: Option<Vec<NamedContext>>,
    clusters: Option<Vec<NamedCluster>>,
    users: Option<Vec<NamedUser>>,
}

#[derive(Deserialize)]
pub(super) struct NamedContext {
    pub(super) name: String,
    pub(super) context: Option<Context>,
}

#[derive(Deserialize)]
pub(super) struct Context {
    pub(super) cluster: Option<String>,
    pub(super) user: Option<String>,
}

#[derive(Deserialize)]
struct NamedCluster {
    name: String,
    cluster: Option<Cluster>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Cluster {
    pub(super) server: Option<String>,
    pub(super) certificate_authority: Option<String>,
    pub(super) certificate_authority_data: Option<String>,
    pub(super) insecure_skip_tls_verify: Option<bool>,
    pub(super) tls_server_name: Option<String>,
    pub(super) proxy_url: Option<String>,
    pub(super) extensions: Option<Vec<Extension>>,
}

#[derive(Deserialize)]
pub(super) struct Extension {
    pub(super) name: String,
    pub(super) extension: Option<Value>,
}

#[derive(Deserialize)]
struct NamedUser {
    name: String,
    user: Option<User>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct User {
    pub(super) client_certificate: Option<String>,
    pub(super) client_certificate_data: Option<String>,
    pub(super) client_key: Option<String>,
    pub(super) client_key_data: Option<Secret>,
    pub(super) token: Option<Secret>,
    #[serde(rename = "tokenFile")]
    pub(super) token_file: Option<String>,
    pub(super) username: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) exec: Option<Exec>,
    pub(super) auth_provider: Option<Value>,
    #[serde(rename = "as")]
    pub(super) impersonate: Option<String>,
    pub(super) as_groups: Option<Vec<String>>,
    pub(super) as_uid: Option<String>,
    pub(super) as_user_extra: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Exec {
    pub(super) command: String,
    pub(super) args: Option<Vec<String>>,
    pub(super) env: Option<Vec<Variable>>,
    pub(super) api_version: Option<String>,
    pub(super) provide_cluster_info: Option<bool>,
    pub(super) install_hint: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: String,
}

impl Kubeconfig {
    pub(super) fn parse(text: &str) -> Result<Self, YamlError> {
        yaml::from_str(text)
    }

    pub(super) fn current(&self) -> Option<&str> {
        self.current_context.as_deref().filter(|name| !name.is_empty())
    }

    pub(super) fn contexts(&self) -> &[NamedContext] {
        self.contexts.as_deref().unwrap_or_default()
    }

    pub(super) fn cluster(&self, name: &str) -> Option<&Cluster> {
        let clusters = self.clusters.as_deref().unwrap_or_default();
        clusters.iter().find(|cluster| cluster.name == name)?.cluster.as_ref()
    }

    pub(super) fn user(&self, name: &str) -> Option<&User> {
        let users = self.users.as_deref().unwrap_or_default();
        users.iter().find(|user| user.name == name)?.user.as_ref()
    }

    /// Two entries of one name: readers differ on which counts, so none does.
    pub(super) fn check_unique(&self) -> Result<(), String> {
        let contexts = self.contexts().iter().map(|context| ("context", &context.name));
        let clusters = self.clusters.iter().flatten().map(|cluster| ("cluster", &cluster.name));
        let users = self.users.iter().flatten().map(|user| ("user", &user.name));
        let mut seen = HashSet::new();
        match contexts.chain(clusters).chain(users).find(|entry| !seen.insert(*entry)) {
            Some((kind, name)) => Err(format!("there are two {kind}s named {name:?}")),
            None => Ok(()),
        }
    }
}
