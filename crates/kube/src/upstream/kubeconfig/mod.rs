//! Reads kubeconfigs (Kubernetes: "organizing cluster access using kubeconfig files") of the clusters we serve.
//!
//! Every context becomes an upstream named like it, or the current context one with a given name. What we cannot honour
//! is refused by name, never passed over; fields we do not know are ignored, as kubectl does.

mod document;
mod resolve;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use teleport_types::KubeClusterName;

use super::UpstreamConfig;
use document::Kubeconfig;
use resolve::Resolver;

/// A kubeconfig, or a pod's service account, that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeconfigError {
    path: PathBuf,
    context: Option<String>,
    what: String,
}

impl KubeconfigError {
    pub(super) fn new(path: &Path, context: Option<&str>, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), context: context.map(str::to_owned), what: what.into() }
    }
}

impl fmt::Display for KubeconfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        if let Some(context) = &self.context {
            write!(f, "context {context:?}: ")?;
        }
        f.write_str(&self.what)
    }
}

impl std::error::Error for KubeconfigError {}

/// Reads every context as a cluster named like it.
///
/// # Errors
/// For the first context that cannot be used, or when there is none.
pub fn every_context(path: &Path) -> Result<Vec<UpstreamConfig>, KubeconfigError> {
    let document = read(path)?;
    let resolver = Resolver { path, document: &document };
    let contexts = document.contexts();
    if contexts.is_empty() {
        return Err(KubeconfigError::new(path, None, "it has no contexts"));
    }
    let configs = contexts.iter().map(|context| {
        let name = KubeClusterName::parse(&context.name)
            .map_err(|error| KubeconfigError::new(path, Some(&context.name), error.to_string()))?;
        resolver.context(context, name)
    });
    configs.collect()
}

/// Reads the current context as a cluster with the given name.
///
/// # Errors
/// When there is no current context or it cannot be used.
pub fn current_context(path: &Path, name: KubeClusterName) -> Result<UpstreamConfig, KubeconfigError> {
    let document = read(path)?;
    let current = document.current().ok_or_else(|| {
        KubeconfigError::new(path, None, "it has no current-context; choose one with kubectl config use-context")
    })?;
    let context = document.contexts().iter().find(|context| context.name == current).ok_or_else(|| {
        KubeconfigError::new(path, Some(current), "it is the current context, but there is no such context")
    })?;
    Resolver { path, document: &document }.context(context, name)
}

fn read(path: &Path) -> Result<Kubeconfig, KubeconfigError> {
    let wrong = |what: String| KubeconfigError::new(path, None, what);
    let text = std::fs::read_to_string(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let document = Kubeconfig::parse(&text).map_err(|error| wrong(error.to_string()))?;
    document.check_unique().map_err(wrong)?;
    Ok(document)
}
