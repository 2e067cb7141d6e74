//! Editing the user's kubeconfig: our entries come and go, everything else stays as it was.
//!
//! `tsh login`, `tsh kube login` and `tsh logout` call [`Kubeconfig`]. Below it: `paths` finds the files, `lock` holds
//! them by client-go's convention, `document` reads and renders one file, `splice` changes its text and nothing beside,
//! `merged` sees all files as kubectl does, `entries` knows the shape of what is ours, `offer` and `forget` are the
//! two changes there are.

mod document;
mod entries;
mod forget;
mod lock;
mod merged;
mod offer;
mod paths;
mod splice;

use std::path::PathBuf;

pub use entries::{KubeEntry, Plugin, context_name};
pub use forget::Forgotten;
pub use offer::{Offered, Selection};
pub use paths::KubeconfigPaths;

use crate::{error::Error, proxy_addr::ProxyAddr};
use merged::Merged;

/// The kubeconfig of one user: every file that kubectl would merge.
#[derive(Clone, Debug)]
pub struct Kubeconfig {
    paths: KubeconfigPaths,
}

/// The context kubectl would use now, when it is one of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OurContext {
    /// Name of the context.
    pub name: String,
    /// The proxy its credentials come from, as written in the entry.
    pub proxy: String,
    /// The Teleport cluster, as written in the entry.
    pub cluster: String,
    /// The Kubernetes cluster.
    pub kube_cluster: String,
}

impl Kubeconfig {
    /// Makes the editor of these files.
    pub fn new(paths: KubeconfigPaths) -> Self {
        Self { paths }
    }

    /// Returns the files, first the one that new entries go to.
    pub fn paths(&self) -> &[PathBuf] {
        self.paths.all()
    }

    /// Adds or refreshes our entries for one proxy, and selects a context when asked.
    ///
    /// # Errors
    /// When a file is broken, held by another program, or has an entry of that name which is not ours; then nothing changed.
    pub fn offer(&self, plugin: &Plugin, entry: &KubeEntry, selection: Selection<'_>) -> Result<Offered, Error> {
        if matches!(selection, Selection::Refresh) && self.is_absent() {
            return Ok(Offered::default());
        }
        self.change(|merged| offer::apply(merged, plugin, entry, selection))
    }

    /// Removes every entry of ours for `proxy` and puts the earlier context back when ours was the current one.
    ///
    /// # Errors
    /// When a file is broken or held by another program; then nothing changed.
    pub fn forget(&self, proxy: &ProxyAddr) -> Result<Forgotten, Error> {
        if self.is_absent() {
            return Ok(Forgotten::default());
        }
        self.change(|merged| Ok(forget::apply(merged, proxy)))
    }

    /// Returns the current context when it is one of ours.
    ///
    /// # Errors
    /// When a file is broken.
    pub fn current(&self) -> Result<Option<OurContext>, Error> {
        let merged = Merged::read(&self.paths)?;
        Ok(merged.current_context().and_then(|name| entries::ours(&merged, name)))
    }

    fn is_absent(&self) -> bool {
        self.paths.all().iter().all(|path| !path.exists())
    }

    fn change<T>(&self, apply: impl FnOnce(&mut Merged) -> Result<T, Error>) -> Result<T, Error> {
        let locks = lock::hold(&self.paths)?;
        let mut merged = Merged::read(&self.paths)?;
        let outcome = apply(&mut merged)?;
        merged.write()?;
        drop(locks);
        Ok(outcome)
    }
}
