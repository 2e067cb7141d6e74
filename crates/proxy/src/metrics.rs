//! What the front door counts.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// Counters of the front door; clones count together.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    connections: Family<Way, Counter>,
    open: Gauge,
    relayed: Family<Direction, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Way {
    route: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Direction {
    direction: &'static str,
}

impl Metrics {
    /// Adds the counters to what `/metrics` shows.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("teleport_proxy");
        registry.register("connections", "Connections by the way they took", self.connections.clone());
        registry.register("open_connections", "Connections that are open now", self.open.clone());
        registry.register("relayed_bytes", "Bytes relayed to and from a remote auth service", self.relayed.clone());
    }

    /// Counts a connection by the word of its way.
    pub fn took(&self, route: &'static str) {
        self.connections.get_or_create(&Way { route }).inc();
    }

    /// Returns how many connections took a way.
    pub fn taken(&self, route: &'static str) -> u64 {
        self.connections.get_or_create(&Way { route }).get()
    }

    /// Counts a connection as open until the value is dropped.
    pub(crate) fn opened(&self) -> Open {
        self.open.inc();
        Open(self.open.clone())
    }

    pub(crate) fn relayed(&self, to_auth: u64, from_auth: u64) {
        self.relayed.get_or_create(&Direction { direction: "to_auth" }).inc_by(to_auth);
        self.relayed.get_or_create(&Direction { direction: "from_auth" }).inc_by(from_auth);
    }
}

#[derive(Debug)]
pub(crate) struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
