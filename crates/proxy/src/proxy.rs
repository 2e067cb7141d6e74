//! The proxy service as a whole: what it is made of, and how it runs and ends.

use std::sync::Arc;

use prometheus_client::registry::Registry;
use teleport_api::Client;
use teleport_net::Accept;
use teleport_pki::tls;
use teleport_runtime::{Clock, Stop, TaskGroup};
use teleport_types::ClusterName;

use crate::{
    KubeRoutes, Metrics, WebCertificate,
    certificate::CertificateKeeper,
    front::{self, AuthPath, Front, Limits},
    web::{Facts, Web},
};

/// What a proxy is made of.
pub struct Setup {
    /// The cluster it belongs to.
    pub cluster: ClusterName,
    /// `host:port` that clients are told to use.
    pub public_addr: String,
    /// The way to auth for connections.
    pub auth: AuthPath,
    /// Speaks to auth as this proxy.
    pub client: Client,
    /// The Kubernetes services of this process.
    pub kube: KubeRoutes,
    /// Where the web certificate comes from.
    pub certificate: WebCertificate,
    /// How much it takes on.
    pub limits: Limits,
    /// The clock.
    pub clock: Clock,
}

/// The proxy service.
pub struct Proxy {
    front: Arc<Front>,
    facts: Facts,
    keeper: CertificateKeeper,
    client: Client,
}

impl Proxy {
    /// Puts a proxy together; nothing runs yet.
    pub fn new(setup: Setup) -> Self {
        let keeper = CertificateKeeper::new(setup.certificate, setup.client.clone(), setup.clock.clone());
        let facts = Facts::new(setup.cluster.clone(), setup.public_addr);
        let alpn = [tls::ALPN_H2, tls::ALPN_HTTP1];
        let web_tls = tls::web_server(Arc::new(keeper.certificates().clone()), &alpn, &setup.clock);
        let front = Front {
            cluster: setup.cluster,
            auth: setup.auth,
            kube: setup.kube,
            web: Web::new(facts.clone()),
            web_tls,
            limits: setup.limits,
            metrics: Metrics::default(),
        };
        Self { front: Arc::new(front), facts, keeper, client: setup.client }
    }

    /// Returns what the proxy counts.
    pub fn metrics(&self) -> &Metrics {
        &self.front.metrics
    }

    /// Adds the proxy's counters to what `/metrics` shows.
    pub fn register(&self, registry: &mut Registry) {
        self.front.metrics.register(registry);
    }

    /// Returns a question for `/readyz` that outlives [`Proxy::run`].
    pub fn readiness(&self) -> impl Fn() -> Result<(), String> + Send + Sync + 'static {
        let (certificates, facts) = (self.keeper.certificates().clone(), self.facts.clone());
        move || {
            if certificates.find(None).is_none() {
                return Err("the proxy has no web certificate yet".to_owned());
            }
            if !facts.known() {
                return Err("the proxy has not reached auth yet".to_owned());
            }
            Ok(())
        }
    }

    /// Runs until told to stop; returns when the last connection has ended or was cut.
    pub async fn run(self, listener: Box<dyn Accept>, stop: Stop) {
        let Self { front, facts, keeper, client } = self;
        let upkeep = TaskGroup::new("proxy-upkeep");
        let upkeep_stop = upkeep.stop_signal();
        upkeep.spawn("facts", facts.follow(client, upkeep_stop.clone()));
        upkeep.spawn("certificate", keeper.keep(upkeep_stop));
        let drain = front.limits.handshake;
        front::serve(front, listener, stop).await;
        upkeep.drain(drain).await;
    }
}
