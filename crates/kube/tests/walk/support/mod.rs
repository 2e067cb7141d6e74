//! A Kubernetes service with one user and one role, a scripted API server behind it and a stand-in for auth.

pub mod api;
mod auth;
mod client;
pub mod frames;

use std::{path::Path, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::Value;
use teleport_api::{
    Client, Security,
    messages::CaBundle,
    snapshot::{ClusterState, StatePublisher},
};
use teleport_audit::{Emitter, Limits as SpoolLimits, WriterInfo};
use teleport_kube::{KubeConfig, KubeParts, KubeService, Limits, Source};
use teleport_net::{Conn, ConnService as _, TlsConn, tls};
use teleport_pki::{CaSigner as _, CertifiedKey, ServerName, pem, testing::TestCas, tls::internal_client};
use teleport_runtime::{Clock, TaskGroup};
use teleport_types::{AnyResource, KubeClusterName, RolePolicy, ServiceId, UserIdentity, sni::InternalName, yaml};

pub use api::{Api, Reply};
pub use client::{Answer, H2, Raw};

/// How long anything may take in these tests.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// A role for everything, as group `devs`.
pub const ALL: &str = "{allow: {kubernetes_labels: {'*': '*'}, kubernetes_groups: [devs]}}";

/// Everything that takes part.
pub struct World {
    pub api: Api,
    pub cas: Arc<TestCas>,
    pub clock: Clock,
    pub publisher: StatePublisher,
    pub service: Arc<KubeService>,
    pub host: String,
    state: std::sync::Mutex<ClusterState>,
    folder: tempfile::TempDir,
    tasks: TaskGroup,
    _auth: auth::Auth,
}

impl World {
    /// Starts a world whose API server answers by `script`.
    pub async fn start(script: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(script, SpoolLimits::default(), Limits::default()).await
    }

    /// The same, with other limits of the audit spool and of patience.
    pub async fn start_with(
        script: impl Fn(&str) -> Reply + Send + Sync + 'static,
        spool: SpoolLimits,
        limits: Limits,
    ) -> Self {
        let api = Api::start(script).await;
        let cas = Arc::new(TestCas::new("main"));
        let clock = Clock::manual(cas.now);
        let folder = tempfile::tempdir().expect("a folder");
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, api.kubeconfig()).expect("written");
        let (publisher, watched) = StatePublisher::new();
        let state = ClusterState { cas: Some(Arc::new(bundle(&cas))), ..ClusterState::default() };
        publisher.publish(state.clone());
        publisher.heard(cas.now);
        let auth = auth::Auth::start(&cas);
        let service_id = ServiceId::random();
        let info = WriterInfo { cluster: cas.cluster.clone(), server: service_id.clone() };
        let emitter = Emitter::open_with(&folder.path().join("audit"), clock.clone(), info, spool).expect("an emitter");
        let config = KubeConfig {
            source: Source::Kubeconfig(kubeconfig),
            labels: [("env".to_owned(), "test".to_owned())].into(),
            limits,
        };
        let parts = KubeParts {
            cluster: cas.cluster.clone(),
            service: service_id,
            node_name: "here".to_owned(),
            client: Client::new(auth.dialer(), Security::Local),
            state: watched,
            emitter,
            clock: clock.clone(),
        };
        let service = KubeService::start(config, parts).await.expect("starts");
        let mut served = service.served();
        let granted = served.wait_for(|served| !served.is_empty());
        tokio::time::timeout(DEADLINE, granted).await.expect("in time").expect("served");
        let host = InternalName::kube(&kube_cluster(), &cas.cluster).host();
        let tasks = TaskGroup::new("test connections");
        let world = Self { api, cas, clock, publisher, service, host, state: state.into(), folder, tasks, _auth: auth };
        world.set_role("all", ALL);
        world
    }

    /// Puts a role in force; returns when the service decides by it.
    pub fn set_role(&self, name: &str, spec: &str) {
        let text = format!("{{kind: role, version: v7, metadata: {{name: {name}}}, spec: {spec}}}");
        let AnyResource::Role(role) = yaml::resources(&text).expect("a role").remove(0) else { unreachable!() };
        let policy = RolePolicy::new(&role).expect("a policy");
        self.change(|state| {
            state.roles.insert(policy.name.clone(), Some(Arc::new(policy)));
        });
    }

    /// Puts a lock in force.
    pub fn set_lock(&self, spec: &str) {
        let text = format!("{{kind: lock, version: v2, metadata: {{name: l}}, spec: {spec}}}");
        let AnyResource::Lock(lock) = yaml::resources(&text).expect("a lock").remove(0) else { unreachable!() };
        self.change(|state| {
            state.locks.insert("l".to_owned(), Arc::new(lock));
        });
    }

    pub fn change(&self, change: impl FnOnce(&mut ClusterState)) {
        let mut state = self.state.lock().expect("not poisoned");
        change(&mut state);
        self.publisher.publish(state.clone());
    }

    /// The identity of alice, who holds the role `all`.
    pub fn alice(&self) -> UserIdentity {
        self.cas.user_identity("alice", &["all"])
    }

    /// A TLS connection of alice, for HTTP/1.1 or HTTP/2.
    pub async fn connect(&self, alpn: &'static [u8]) -> TlsConn {
        let certificate = self.cas.user_certificate(&self.alice());
        self.connect_with(certificate, alpn).await.expect("a connection")
    }

    pub async fn connect_with(
        &self,
        certificate: Arc<CertifiedKey>,
        alpn: &'static [u8],
    ) -> Result<TlsConn, teleport_net::NetError> {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let service = Arc::clone(&self.service);
        self.tasks.spawn("connection", async move { service.serve(Conn::new(far, None)).await });
        let config = internal_client(&self.cas.trust(), Some(certificate), &[alpn], &self.clock);
        let name = ServerName::try_from(self.host.clone()).expect("a name");
        tls::connect(Conn::new(near, None), config, name, DEADLINE).await
    }

    /// A raw HTTP/1.1 connection of alice.
    pub async fn raw(&self) -> Raw {
        Raw::new(self.connect(b"http/1.1").await)
    }

    /// Sends one HTTP/1.1 request and reads the answer.
    pub async fn get(&self, request: &str) -> Answer {
        let mut raw = self.raw().await;
        raw.send(request).await;
        raw.answer().await
    }

    /// Every line of the audit spool, as JSON.
    pub fn audit(&self) -> Vec<Value> {
        let mut lines = Vec::new();
        collect(&self.folder.path().join("audit"), &mut lines);
        lines
    }

    /// Waits until the spool has a line that matches.
    pub async fn audited(&self, matches: impl Fn(&Value) -> bool) -> Value {
        let seen = async {
            loop {
                if let Some(line) = self.audit().into_iter().find(|line| matches(line)) {
                    return line;
                }
                tokio::task::yield_now().await;
            }
        };
        match tokio::time::timeout(DEADLINE, seen).await {
            Ok(line) => line,
            Err(_) => panic!("no such line in {:#?}", self.audit()),
        }
    }
}

fn kube_cluster() -> KubeClusterName {
    KubeClusterName::parse("east").expect("a name")
}

fn bundle(cas: &TestCas) -> CaBundle {
    let text = |certificate| pem::encode_certificates(std::slice::from_ref(certificate));
    CaBundle {
        cluster_name: cas.cluster.clone(),
        host: vec![text(cas.host.certificate())],
        user: vec![text(cas.user.certificate())],
    }
}

fn collect(folder: &Path, lines: &mut Vec<Value>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, lines);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            lines.extend(
                text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).filter(Value::is_object),
            );
        }
    }
}

/// A moment of these tests.
pub fn later(from: Timestamp, by: Duration) -> Timestamp {
    from.saturating_add(by).expect("in range")
}
