//! Adding our entries, bringing those already there up to date, and selecting a context.

use serde_json::Value;
use teleport_types::KubeClusterName;

use super::{
    entries::{self, KubeEntry, Plugin, context_name},
    merged::{Merged, Section},
};
use crate::error::Error;
use teleport_terminal::shell_quote;

/// What to do about contexts.
#[derive(Clone, Copy, Debug)]
pub enum Selection<'a> {
    /// Only bring entries that are there up to date.
    Refresh,
    /// Also add this cluster and make its context the current one.
    Select(&'a KubeClusterName),
}

/// What became of an offer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offered {
    /// Name of the context that is now current, when one was selected.
    pub selected: Option<String>,
}

/// Applies the entries to the files in memory.
///
/// # Errors
/// When an entry of that name is there and not ours.
pub(super) fn apply(
    merged: &mut Merged,
    plugin: &Plugin,
    entry: &KubeEntry,
    selection: Selection<'_>,
) -> Result<Offered, Error> {
    for kube_cluster in known(merged, entry) {
        put(merged, plugin, entry, &kube_cluster)?;
    }
    let Selection::Select(kube_cluster) = selection else {
        return Ok(Offered::default());
    };
    put(merged, plugin, entry, kube_cluster)?;
    let name = context_name(&entry.cluster, kube_cluster);
    select(merged, &name);
    Ok(Offered { selected: Some(name) })
}

/// Returns the Kubernetes clusters that have entries of ours for this proxy and cluster.
fn known(merged: &Merged, entry: &KubeEntry) -> Vec<KubeClusterName> {
    merged
        .entries(Section::Users)
        .filter(|user| entries::is_for(user, &entry.proxy))
        .filter(|user| entries::argument(user, "--teleport-cluster=") == Some(entry.cluster.as_str()))
        .filter_map(|user| KubeClusterName::parse(entries::argument(user, "--kube-cluster=")?).ok())
        .collect()
}

fn put(merged: &mut Merged, plugin: &Plugin, entry: &KubeEntry, kube_cluster: &KubeClusterName) -> Result<(), Error> {
    let name = context_name(&entry.cluster, kube_cluster);
    let body = |section: Section, old: Option<&Value>| match section {
        Section::Clusters => entry.cluster_body(kube_cluster, old),
        Section::Contexts => entry.context_body(kube_cluster, old),
        Section::Users => entry.user_body(kube_cluster, plugin, old),
    };
    let mut bodies = Vec::new();
    for section in [Section::Clusters, Section::Contexts, Section::Users] {
        let old = merged.find(section, &name);
        if old.is_some_and(|old| !entries::is_ours(section, old)) {
            return Err(taken(section, &name, kube_cluster));
        }
        bodies.push((section, body(section, old)));
    }
    for (section, body) in bodies {
        merged.put(section, &name, body);
    }
    Ok(())
}

fn select(merged: &mut Merged, name: &str) {
    let current = merged.current_context().unwrap_or_default().to_owned();
    if current == name {
        return;
    }
    // From one context of ours to another, what is remembered stays the user's own.
    let previous = match merged.find(Section::Contexts, &current) {
        Some(item) if entries::is_ours(Section::Contexts, item) => {
            entries::previous(item).unwrap_or_default().to_owned()
        }
        _ => current,
    };
    if let Some(body) = merged.find(Section::Contexts, name).and_then(|item| item.get("context")).cloned() {
        merged.put(Section::Contexts, name, entries::remembering(body, &previous));
    }
    merged.set_current_context(name);
}

fn taken(section: Section, name: &str, kube_cluster: &KubeClusterName) -> Error {
    let kind = section.entry();
    Error::Kubeconfig {
        what: format!("the kubeconfig has a {kind} named {name} that tsh did not make"),
        hint: format!("rename or remove it, then run: tsh kube login {}", shell_quote(kube_cluster.as_str())),
    }
}
