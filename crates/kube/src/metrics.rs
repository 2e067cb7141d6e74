//! Numbers for whoever operates the service.

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// The numbers of the service. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    /// Client connections that are open.
    pub(crate) connections: Gauge,
    /// Requests under way, watches and sessions among them.
    open: Gauge,
    /// Streams cut because access was taken away.
    pub(crate) cut: Counter,
    /// Connections that ended before a request could be made.
    pub(crate) handshakes_failed: Counter,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Outcome {
    /// The API server answered.
    Forwarded,
    /// Refused by us.
    Refused,
    /// The API server gave no answer.
    Failed,
}

/// What was asked for: discovery is counted and not listed in the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum What {
    /// Which kinds there are, health, version.
    Discovery,
    /// Anything else.
    Request,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    outcome: Outcome,
    what: What,
}

impl Metrics {
    /// Puts the numbers where they are read.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("teleport_kube");
        registry.register("requests", "Requests by kind and outcome", self.requests.clone());
        registry.register("connections", "Client connections that are open", self.connections.clone());
        registry.register("open_requests", "Requests under way, watches and sessions among them", self.open.clone());
        registry.register("streams_cut", "Streams cut because access was taken away", self.cut.clone());
        registry.register(
            "handshakes_failed",
            "Connections that ended before a request could be made",
            self.handshakes_failed.clone(),
        );
    }

    pub(crate) fn count(&self, what: What, outcome: Outcome) {
        self.requests.get_or_create(&RequestLabels { outcome, what }).inc();
    }

    /// Counts a request as under way until the value is dropped.
    pub(crate) fn opened(&self) -> Open {
        self.open.inc();
        Open(self.open.clone())
    }
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
