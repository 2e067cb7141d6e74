//! Which Kubernetes clusters are served by this process, and by whom.

use std::{collections::HashMap, fmt, sync::Arc};

use arc_swap::ArcSwap;
use teleport_net::ConnService;
use teleport_types::{KubeClusterName, sni::KubeLabel};

/// The Kubernetes services by the label of their names. Clones share the content; read without a lock.
#[derive(Clone, Default)]
pub struct KubeRoutes(Arc<ArcSwap<HashMap<KubeLabel, Arc<dyn ConnService>>>>);

impl KubeRoutes {
    /// Returns routes that lead nowhere yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces all routes: from now on `service` takes the connections for `clusters`, and nobody for others.
    pub fn serve<'a>(&self, clusters: impl IntoIterator<Item = &'a KubeClusterName>, service: &Arc<dyn ConnService>) {
        let routes = clusters.into_iter().map(|name| (KubeLabel::of(name), Arc::clone(service))).collect();
        self.0.store(Arc::new(routes));
    }

    /// Returns who takes the connections for a label.
    pub fn find(&self, label: &KubeLabel) -> Option<Arc<dyn ConnService>> {
        self.0.load().get(label).cloned()
    }
}

impl fmt::Debug for KubeRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.load().keys().map(KubeLabel::as_str)).finish()
    }
}
