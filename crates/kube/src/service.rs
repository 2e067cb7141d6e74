//! The service as the daemon sees it: started, handed connections, drained.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use prometheus_client::registry::Registry;
use rustls::ServerConfig;
use teleport_api::{Client, snapshot::StateWatch};
use teleport_audit::Emitter;
use teleport_net::{BoxFuture, Conn, ConnService};
use teleport_pki::tls::{ALPN_H2, ALPN_HTTP1, Certificates, ClientAuth, internal_server};
use teleport_runtime::{Clock, Stop, TaskGroup};
use teleport_types::{ClusterName, KubeClusterName, Labels, ServiceId};
use tokio::sync::watch;

use crate::{
    KubeConfig, KubeError, Limits, Source,
    cluster::{ByHost, Cluster},
    metrics::Metrics,
    quiet::Quiet,
    register::Registration,
    server,
    upstream::{InCluster, SelfCheck, Upstream, UpstreamConfig, kubeconfig},
    view::Views,
};

/// What the service needs from the daemon.
pub struct KubeParts {
    /// The Teleport cluster.
    pub cluster: ClusterName,
    /// This service's id.
    pub service: ServiceId,
    /// The host's name, for people.
    pub node_name: String,
    /// Speaks to auth as this service.
    pub client: Client,
    /// The cluster's state, as it is followed.
    pub state: StateWatch,
    /// Writes the audit log.
    pub emitter: Emitter,
    /// The clock.
    pub clock: Clock,
}

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) service: ServiceId,
    pub(crate) clusters: ByHost,
    pub(crate) views: Views,
    pub(crate) emitter: Emitter,
    pub(crate) metrics: Metrics,
    /// Certificates whose refusal has been written down lately.
    pub(crate) quiet: Quiet,
    pub(crate) tls: Arc<ServerConfig>,
    pub(crate) limits: Limits,
    pub(crate) clock: Clock,
    /// Nothing new begins.
    pub(crate) stop: Stop,
    /// What is under way ends now.
    pub(crate) stopping: watch::Sender<bool>,
}

/// The Kubernetes service.
pub struct KubeService {
    shared: Arc<Shared>,
    upstreams: Vec<Upstream>,
    served: watch::Receiver<BTreeSet<KubeClusterName>>,
    open: watch::Sender<usize>,
    tasks: TaskGroup,
}

impl KubeService {
    /// Starts the service: reads the credentials, waits for the cluster's policy, announces its clusters to auth.
    ///
    /// An API server that is down stops nothing: its cluster is served, and answers with a sentence.
    ///
    /// # Errors
    /// When the credentials or the authorities cannot be used, or auth has not told the policy in time.
    pub async fn start(config: KubeConfig, parts: KubeParts) -> Result<Arc<Self>, KubeError> {
        let upstreams = upstreams(&config, &parts.clock)?;
        let patience = config.limits.first_state;
        tokio::time::timeout(patience, parts.state.ready()).await.map_err(|_| KubeError::NoState(patience))?;
        let views = Views::new(parts.state.current())?;
        let certificates = Certificates::new();
        let tls = internal_server(
            Arc::new(certificates.clone()),
            views.trust(),
            ClientAuth::Required,
            &[ALPN_H2, ALPN_HTTP1],
            &parts.clock,
        )?;
        let tasks = TaskGroup::new("kube");
        let clusters = upstreams
            .iter()
            .map(|upstream| Arc::new(Cluster::new(upstream.clone(), config.labels.clone(), &parts.cluster)))
            .map(|cluster| (cluster.host.clone(), cluster))
            .collect();
        let (served_sender, served) = watch::channel(BTreeSet::new());
        let shared = Arc::new(Shared {
            service: parts.service,
            clusters,
            views,
            emitter: parts.emitter,
            metrics: Metrics::default(),
            quiet: Quiet::default(),
            tls,
            limits: config.limits,
            clock: parts.clock.clone(),
            stop: tasks.stop_signal(),
            stopping: watch::Sender::new(false),
        });
        let following = Arc::clone(&shared);
        tasks.spawn("policy", async move {
            following.views.follow(parts.state, following.clock.clone(), following.stop.clone()).await
        });
        for upstream in &upstreams {
            tasks.spawn("self check", self_check(upstream.clone(), tasks.stop_signal()));
        }
        let registration = Registration {
            client: parts.client,
            cluster: parts.cluster,
            node_name: parts.node_name,
            clusters: with_labels(&upstreams, &config.labels),
            certificates,
            served: served_sender,
            clock: parts.clock,
        };
        tasks.spawn("registration", registration.run(tasks.stop_signal()));
        Ok(Arc::new(Self { shared, upstreams, served, open: watch::Sender::new(0), tasks }))
    }

    /// Returns the clusters that auth lets this service serve, as they change.
    pub fn served(&self) -> watch::Receiver<BTreeSet<KubeClusterName>> {
        self.served.clone()
    }

    /// Puts the service's numbers where they are read.
    pub fn register(&self, registry: &mut Registry) {
        self.shared.metrics.register(registry);
    }

    /// Returns a check for `/readyz`: whether auth has granted a cluster yet.
    pub fn readiness(&self) -> impl Fn() -> Result<(), String> + Send + Sync + 'static {
        let served = self.served.clone();
        move || match served.borrow().is_empty() {
            true => Err("no Kubernetes cluster is served yet".to_owned()),
            false => Ok(()),
        }
    }

    /// Ends the service: nothing new begins, what is under way has `grace` to end, then it is cut and says so.
    pub async fn drain(&self, grace: Duration) {
        /// How long streams that are cut have to say so.
        const LAST_WORDS: Duration = Duration::from_secs(2);
        self.tasks.request_stop();
        let mut open = self.open.subscribe();
        let gone = |open: &usize| *open == 0;
        if tokio::time::timeout(grace, open.wait_for(gone)).await.is_err() {
            self.shared.stopping.send_replace(true);
            let _ = tokio::time::timeout(LAST_WORDS, open.wait_for(gone)).await;
        }
        self.tasks.drain(LAST_WORDS).await;
        for upstream in &self.upstreams {
            upstream.drain(Duration::ZERO).await;
        }
    }
}

impl ConnService for KubeService {
    fn serve(&self, conn: Conn) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let _open = Open::new(&self.open);
            server::serve(&self.shared, conn).await;
        })
    }
}

/// Counts a connection for as long as it is open, however it ends.
struct Open<'a>(&'a watch::Sender<usize>);

impl<'a> Open<'a> {
    fn new(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|open| *open += 1);
        Self(count)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

fn upstreams(config: &KubeConfig, clock: &Clock) -> Result<Vec<Upstream>, KubeError> {
    let configs: Vec<UpstreamConfig> = match &config.source {
        Source::Kubeconfig(path) => kubeconfig::every_context(path)?,
        Source::CurrentContext(path, name) => vec![kubeconfig::current_context(path, name.clone())?],
        Source::InCluster(name) => vec![InCluster::of_this_pod().config(name.clone())?],
    };
    let limits = config.limits.upstream;
    let start = |config: UpstreamConfig| {
        let dialer = teleport_net::TcpDialer::new(config.endpoint.address(), limits.connect);
        Upstream::start_with(config, Arc::new(dialer), limits, clock)
    };
    Ok(configs.into_iter().map(start).collect())
}

fn with_labels(upstreams: &[Upstream], labels: &Labels) -> Vec<(Upstream, Labels)> {
    upstreams.iter().map(|upstream| (upstream.clone(), labels.clone())).collect()
}

/// Says once what an administrator of the cluster must grant, or that the cluster is down.
async fn self_check(upstream: Upstream, stop: Stop) {
    let name = upstream.name().clone();
    let checked = tokio::select! {
        () = stop.requested() => return,
        checked = upstream.check() => checked,
    };
    match checked {
        SelfCheck::Ok => tracing::info!(kube_cluster = %name, "the Kubernetes cluster lets us impersonate"),
        SelfCheck::Missing(missing) => tracing::error!(
            kube_cluster = %name,
            "the Kubernetes cluster does not let us impersonate, so requests will be refused there; apply this as its administrator:\n{}",
            missing.manifest()
        ),
        SelfCheck::Unreachable(error) => tracing::warn!(
            kube_cluster = %name,
            error = &error as &dyn std::error::Error,
            "the Kubernetes cluster cannot be reached; it is served all the same"
        ),
        SelfCheck::Refused { status, message } => tracing::error!(
            kube_cluster = %name,
            %status,
            message,
            "the Kubernetes cluster does not answer the self check; is the credential good?"
        ),
    }
}
