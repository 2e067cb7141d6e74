//! Starts and stops the proxy and kubernetes services of this process: everything that is not auth.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use prometheus_client::registry::Registry;
use teleport_api::{AuditSink, StatePublisher, snapshot};
use teleport_audit::{Emitter, WriterInfo, ship};
use teleport_kube::{KubeParts, KubeService, Source};
use teleport_net::{ConnService, Dialer, Listener, TcpDialer};
use teleport_proxy::{AuthPath, KeyPairFiles, KubeRoutes, Limits, Proxy, Setup, WebCertificate};
use teleport_runtime::{Clock, Stop, TaskGroup};
use teleport_types::ServiceKind;

use super::{Readiness, auth::AuthHere, pinned};
use crate::{
    config::{Config, KubeSource, ProxyConfig, RemoteAuth},
    join::{self, Anchor, Joined, Joining},
};

/// How long dialling an auth service elsewhere may take.
const DIAL: Duration = Duration::from_secs(10);

/// How this process reaches auth and is let in.
pub(super) struct AuthWay {
    dialer: Arc<dyn Dialer>,
    path: AuthPath,
    anchor: Anchor,
    token: Option<String>,
}

impl AuthWay {
    pub(super) fn here(auth: &AuthHere) -> Self {
        Self {
            dialer: Arc::new(auth.dialer().clone()),
            path: AuthPath::Here(auth.dialer().clone()),
            anchor: Anchor::Known(auth.auth().cas()),
            token: Some(auth.token()),
        }
    }

    pub(super) fn there(remote: &RemoteAuth) -> Self {
        let dialer: Arc<dyn Dialer> = Arc::new(TcpDialer::new(remote.addr.clone(), DIAL));
        Self {
            path: AuthPath::There(Arc::clone(&dialer)),
            dialer,
            anchor: pinned(&remote.ca_pins),
            token: remote.token.clone(),
        }
    }
}

/// The proxy and kubernetes services of this process.
pub(super) struct Edge {
    proxy: Option<RunningProxy>,
    kube: Option<Arc<KubeService>>,
    proxy_tasks: TaskGroup,
    upkeep: TaskGroup,
    shipping: TaskGroup,
}

struct RunningProxy {
    addr: SocketAddr,
    readiness: Option<Readiness>,
    metrics: teleport_proxy::Metrics,
}

impl Edge {
    /// Starts what the configuration names; `None` when that is nothing.
    pub(super) async fn start(config: &Config, way: AuthWay, clock: &Clock) -> Result<Option<Self>> {
        let kinds: Vec<_> =
            [config.proxy.as_ref().map(|_| ServiceKind::Proxy), config.kube.as_ref().map(|_| ServiceKind::Kube)]
                .into_iter()
                .flatten()
                .collect();
        if kinds.is_empty() {
            return Ok(None);
        }
        let joined = join::join(Joining {
            dialer: Arc::clone(&way.dialer),
            anchor: way.anchor,
            token: way.token,
            kinds,
            node_name: config.node_name.clone(),
            data_dir: config.data_dir.clone(),
            clock: clock.clone(),
        })
        .await?;
        let mut edge = Self {
            proxy: None,
            kube: None,
            proxy_tasks: TaskGroup::new("proxy"),
            upkeep: TaskGroup::new("services"),
            shipping: TaskGroup::new("services-shipping"),
        };
        if let Some(kube) = &config.kube {
            edge.kube = Some(edge.start_kube(config, kube, &joined, clock).await?);
        }
        if let Some(proxy) = &config.proxy {
            edge.start_proxy(proxy, way.path, &joined, clock).await?;
        }
        edge.upkeep.spawn("identity", joined.keep_fresh(edge.upkeep.stop_signal()));
        Ok(Some(edge))
    }

    async fn start_kube(
        &self,
        config: &Config,
        kube: &crate::config::KubeConfig,
        joined: &Joined,
        clock: &Clock,
    ) -> Result<Arc<KubeService>> {
        let info = WriterInfo { cluster: joined.cluster.clone(), server: joined.id.clone() };
        let emitter = Emitter::open(&config.data_dir.join("spool/services"), clock.clone(), info)?;
        let sink = AuditSink(joined.client.clone());
        self.shipping.spawn("ship", ship::run(emitter.clone(), sink, self.shipping.stop_signal()));
        let (publisher, state) = StatePublisher::new();
        let follow = snapshot::follow(joined.client.clone(), publisher, clock.clone(), self.upkeep.stop_signal());
        self.upkeep.spawn("state", follow);
        let parts = KubeParts {
            cluster: joined.cluster.clone(),
            service: joined.id.clone(),
            node_name: config.node_name.clone(),
            client: joined.client.clone(),
            state,
            emitter,
            clock: clock.clone(),
        };
        Ok(KubeService::start(kube_config(kube), parts).await?)
    }

    async fn start_proxy(
        &mut self,
        config: &ProxyConfig,
        path: AuthPath,
        joined: &Joined,
        clock: &Clock,
    ) -> Result<()> {
        let listener =
            Listener::bind(&config.web_listen_addr.to_string()).await.context("proxy_service.web_listen_addr")?;
        let addr = listener.addr();
        // Port 0 in the configuration means any free port; clients need the real one.
        let public_addrs: Vec<String> = config
            .public_addrs
            .iter()
            .map(|public| match public.strip_suffix(":0") {
                Some(host) => format!("{host}:{}", addr.port()),
                None => public.clone(),
            })
            .collect();
        let certificate = if config.keypairs.is_empty() {
            WebCertificate::issued(&public_addrs)
        } else {
            let pairs = config
                .keypairs
                .iter()
                .map(|pair| KeyPairFiles { key_file: pair.key_file.clone(), cert_file: pair.cert_file.clone() });
            WebCertificate::files(pairs.collect())
        };
        certificate.check().context("proxy_service.https_keypairs")?;
        let routes = KubeRoutes::new();
        if let Some(kube) = &self.kube {
            self.upkeep
                .spawn("kube routes", follow_routes(Arc::clone(kube), routes.clone(), self.upkeep.stop_signal()));
        }
        let proxy = Proxy::new(Setup {
            cluster: joined.cluster.clone(),
            public_addr: public_addrs.into_iter().next().unwrap_or_else(|| addr.to_string()),
            auth: path,
            client: joined.client.clone(),
            kube: routes,
            certificate,
            limits: Limits::default(),
            clock: clock.clone(),
        });
        self.proxy =
            Some(RunningProxy { addr, readiness: Some(Box::new(proxy.readiness())), metrics: proxy.metrics().clone() });
        self.proxy_tasks.spawn("front door", proxy.run(Box::new(listener), self.proxy_tasks.stop_signal()));
        Ok(())
    }

    /// Adds the services' metrics and readiness to those of the process.
    pub(super) fn register(&mut self, registry: &mut Registry, readiness: &mut Vec<Readiness>) {
        if let Some(proxy) = &mut self.proxy {
            proxy.metrics.register(registry);
            readiness.extend(proxy.readiness.take());
        }
        if let Some(kube) = &self.kube {
            kube.register(registry);
            readiness.push(Box::new(kube.readiness()));
        }
    }

    /// Waits until the services can serve.
    pub(super) async fn ready(&self, readiness: &[Readiness]) {
        while readiness.iter().any(|ready| ready().is_err()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Returns where the proxy listens.
    pub(super) fn proxy_addr(&self) -> Option<SocketAddr> {
        self.proxy.as_ref().map(|proxy| proxy.addr)
    }

    /// Stops: no new connections, then running requests within `grace`, then the audit log.
    pub(super) async fn stop(self, grace: Duration) {
        self.proxy_tasks.request_stop();
        if let Some(kube) = &self.kube {
            kube.drain(grace).await;
        }
        self.proxy_tasks.drain(Duration::from_secs(1)).await;
        self.upkeep.drain(Duration::from_secs(3)).await;
        self.shipping.drain(Duration::from_secs(6)).await;
    }
}

/// Tells the proxy which Kubernetes clusters this process may serve, whenever that changes.
async fn follow_routes(kube: Arc<KubeService>, routes: KubeRoutes, stop: Stop) {
    let mut served = kube.served();
    let service: Arc<dyn ConnService> = kube;
    loop {
        let names = served.borrow_and_update().clone();
        routes.serve(&names, &service);
        tokio::select! {
            () = stop.requested() => return,
            changed = served.changed() => if changed.is_err() { return },
        }
    }
}

fn kube_config(config: &crate::config::KubeConfig) -> teleport_kube::KubeConfig {
    let source = match &config.source {
        KubeSource::Kubeconfig(path) => Source::Kubeconfig(path.clone()),
        KubeSource::CurrentContext(path, name) => Source::CurrentContext(path.clone(), name.clone()),
        KubeSource::InCluster(name) => Source::InCluster(name.clone()),
    };
    teleport_kube::KubeConfig { source, labels: config.labels.clone(), limits: teleport_kube::Limits::default() }
}
