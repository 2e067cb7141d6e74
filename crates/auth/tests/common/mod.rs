//! A cluster for tests: the service over memory with real TLS and a manual clock.

#![allow(
    dead_code,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "not every test uses every helper, and a test that cannot go on says so"
)]

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, json};
use teleport_api::{
    ApiError, Client, ClientError, Security,
    messages::{
        admin::CreateUser,
        service::{IssuedService, JoinRequest, KubeAnnouncement, KubeHeartbeat, KubeIdentity},
        user::{IssuedUser, LoginRequest, ReissueRequest},
    },
};
use teleport_audit::{Emitter, Limits, WriterInfo, store::LocalSink};
use teleport_auth::{Auth, AuthError, Config, Parts, StaticToken};
use teleport_backend::{Backend, Sqlite, sqlite};
use teleport_net::{BoxFuture, ClientAddr, Conn, Dialer, NetError, Remote, unix::LocalConn};
use teleport_pki::{CertifiedKey, KeyPair, ServerName, Verified, pem, tls, verify_client};
use teleport_runtime::{Clock, TaskGroup};
use teleport_types::{
    ClusterName, KubeClusterName, RoleName, ServiceId, ServiceKind, Traits, UserName,
    sni::{ALPN_AUTH, InternalName},
};

pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const JOIN_TOKEN: &str = "static-token-of-the-file";

/// Wraps the backend that the service gets.
pub(crate) type Wrap = fn(Arc<dyn Backend>) -> Arc<dyn Backend>;

pub(crate) struct Cluster {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) clock: Clock,
    pub(crate) auth: Auth,
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) emitter: Emitter,
    pub(crate) server: ServiceId,
}

pub(crate) fn start_time() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().expect("a time")
}

pub(crate) fn config(folder: &Path) -> Config {
    Config {
        cluster_name: ClusterName::parse("main").expect("a name"),
        secrets_key_file: folder.join("secrets.key"),
        audit_dir: folder.join("audit"),
        tokens: vec![StaticToken::parse(&format!("proxy,kube:{JOIN_TOKEN}")).expect("a token")],
        preference: None,
        limits: teleport_auth::Limits::default(),
    }
}

impl Cluster {
    /// Starts a cluster with the roles `dev` and `admin` and the user alice, a dev.
    pub(crate) async fn start() -> Self {
        Self::start_with(|backend| backend).await
    }

    pub(crate) async fn start_with(wrap: impl Fn(Arc<dyn Backend>) -> Arc<dyn Backend>) -> Self {
        let folder = tempfile::tempdir().expect("temp dir");
        let clock = Clock::manual(start_time());
        let cluster = Self::open(folder, clock, config, wrap).await.expect("the service starts");
        cluster
            .create(role("dev", json!({"kubernetes_labels": {"*": "*"}, "kubernetes_groups": ["developers"]})))
            .await;
        cluster.create(role("admin", json!({"rules": [{"resources": ["*"], "verbs": ["*"]}]}))).await;
        cluster.user("alice", &["dev"]).await;
        cluster
    }

    pub(crate) async fn open(
        folder: tempfile::TempDir,
        clock: Clock,
        config: impl Fn(&Path) -> Config,
        wrap: impl Fn(Arc<dyn Backend>) -> Arc<dyn Backend>,
    ) -> Result<Self, (AuthError, tempfile::TempDir)> {
        Self::open_with_spool(folder, clock, config, wrap, Limits::default()).await
    }

    pub(crate) async fn open_with_spool(
        folder: tempfile::TempDir,
        clock: Clock,
        config: impl Fn(&Path) -> Config,
        wrap: impl Fn(Arc<dyn Backend>) -> Arc<dyn Backend>,
        limits: Limits,
    ) -> Result<Self, (AuthError, tempfile::TempDir)> {
        let path = folder.path().join("state.db");
        let sqlite = Sqlite::open(sqlite::Options::new(path, clock.clone())).await.expect("the store opens");
        let backend: Arc<dyn Backend> = Arc::new(sqlite);
        let config = config(folder.path());
        let server = ServiceId::random();
        let info = WriterInfo { cluster: config.cluster_name.clone(), server: server.clone() };
        let spool = folder.path().join("spool").join(server.as_str());
        let emitter = Emitter::open_with(&spool, clock.clone(), info, limits).expect("the spool opens");
        let parts = Parts {
            backend: wrap(Arc::clone(&backend)),
            clock: clock.clone(),
            emitter: emitter.clone(),
            outlets: Vec::new(),
        };
        match Auth::start(config, parts).await {
            Ok(auth) => Ok(Self { folder, clock, auth, backend, emitter, server }),
            Err(error) => {
                backend.close().await.expect("the store closes");
                Err((error, folder))
            }
        }
    }

    /// Stops the service and starts it again over the same data.
    pub(crate) async fn restart(self) -> Self {
        let (folder, clock) = self.stop().await;
        Self::open(folder, clock, config, |backend| backend).await.map_err(|(error, _)| error).expect("starts again")
    }

    pub(crate) async fn stop(self) -> (tempfile::TempDir, Clock) {
        self.auth.stop(Duration::from_secs(5)).await;
        self.backend.close().await.expect("the store closes");
        (self.folder, self.clock)
    }

    /// A client from an address, with a certificate or without.
    pub(crate) fn client_from(&self, address: &str, certificate: Option<Arc<CertifiedKey>>) -> Client {
        let address: SocketAddr = format!("{address}:40000").parse().expect("an address");
        let dialer = TlsDialer { auth: self.auth.clone(), address };
        let config = tls::internal_client(&self.auth.trust(), certificate, &[ALPN_AUTH], &self.clock);
        let host = InternalName::Auth(self.auth.cluster().clone()).host();
        let name = ServerName::try_from(host).expect("a host name");
        Client::new(Arc::new(dialer), Security::Tls { config, name })
    }

    pub(crate) fn client(&self, certificate: Option<Arc<CertifiedKey>>) -> Client {
        self.client_from("192.0.2.1", certificate)
    }

    pub(crate) fn guest(&self) -> Client {
        self.client(None)
    }

    /// The admin tool on the same host.
    pub(crate) fn local(&self) -> Client {
        Client::new(Arc::new(LocalDialer(self.auth.clone())), Security::Local)
    }

    /// Opens a connection to the service as a proxy relays it.
    pub(crate) fn connect(&self) -> Conn {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let peer = Some(Remote(ClientAddr("192.0.2.1:40000".parse().expect("an address"))));
        self.auth.accept(Conn::new(far, peer));
        Conn::new(near, None)
    }

    pub(crate) async fn create(&self, document: Value) {
        let kind = document["kind"].as_str().expect("a kind").to_owned();
        self.local().create_resource(&kind, &document).await.expect("created");
    }

    pub(crate) async fn user(&self, name: &str, roles: &[&str]) {
        let request = CreateUser {
            name: user(name),
            roles: roles.iter().map(|role| RoleName::parse(role).expect("a name")).collect(),
            traits: Traits::default(),
            password: Some(PASSWORD.to_owned()),
        };
        self.local().create_user(&request).await.expect("created");
    }

    pub(crate) async fn login(&self, name: &str) -> Login {
        self.try_login(name, None).await.expect("logged in")
    }

    pub(crate) async fn try_login(&self, name: &str, ttl_seconds: Option<u64>) -> Result<Login, ClientError> {
        let key = KeyPair::generate();
        let request = LoginRequest {
            user: user(name),
            password: PASSWORD.to_owned(),
            public_key: key.public().to_pem(),
            ttl_seconds,
        };
        let issued = self.guest().login(&request).await?;
        Ok(Login::new(self, key, issued))
    }

    pub(crate) async fn reissue(
        &self,
        login: &Login,
        ttl_seconds: Option<u64>,
        kube_cluster: Option<&str>,
    ) -> Result<Login, ClientError> {
        let key = KeyPair::generate();
        let kube_cluster = kube_cluster.map(|name| KubeClusterName::parse(name).expect("a name"));
        let request = ReissueRequest { public_key: key.public().to_pem(), kube_cluster, ttl_seconds };
        let issued = self.client(Some(Arc::clone(&login.certificate))).reissue(&request).await?;
        Ok(Login::new(self, key, issued))
    }

    pub(crate) async fn join(&self, token: &str, kinds: &[ServiceKind]) -> Result<Service, ClientError> {
        self.join_as(&self.guest(), token, kinds, None).await
    }

    pub(crate) async fn join_as(
        &self,
        client: &Client,
        token: &str,
        kinds: &[ServiceKind],
        id: Option<ServiceId>,
    ) -> Result<Service, ClientError> {
        let key = KeyPair::generate();
        let request = JoinRequest {
            token: token.to_owned(),
            kinds: kinds.to_vec(),
            node_name: "host".to_owned(),
            id,
            public_key: key.public().to_pem(),
        };
        let issued = client.join(&request).await?;
        let certificate = certified(&key, &issued.certificate);
        let client = self.client(Some(Arc::clone(&certificate)));
        Ok(Service { issued, certificate, client, key })
    }

    /// Returns the audit events of a type, oldest first.
    pub(crate) async fn events(&self, kind: &str) -> Vec<Value> {
        let done = TaskGroup::new("test");
        done.request_stop();
        let sink = LocalSink::new(self.auth.archive(), self.server.clone());
        teleport_audit::ship::run(self.emitter.clone(), sink, done.stop_signal()).await;
        let query = teleport_api::messages::audit::EventQuery {
            types: Some(kind.to_owned()),
            limit: Some(1000),
            ..Default::default()
        };
        self.local().audit_events(&query).await.expect("events").items
    }

    /// Returns the codes of a type's events, oldest first.
    pub(crate) async fn codes(&self, kind: &str) -> Vec<String> {
        self.events(kind).await.iter().map(|event| event["code"].as_str().expect("a code").to_owned()).collect()
    }
}

/// A login and what it was given.
pub(crate) struct Login {
    pub(crate) issued: IssuedUser,
    pub(crate) certificate: Arc<CertifiedKey>,
    pub(crate) client: Client,
}

impl Login {
    fn new(cluster: &Cluster, key: KeyPair, issued: IssuedUser) -> Self {
        let certificate = certified(&key, &issued.certificate);
        let client = cluster.client(Some(Arc::clone(&certificate)));
        Self { issued, certificate, client }
    }

    /// Verifies the certificate as a service does.
    pub(crate) fn verified(&self, cluster: &Cluster) -> Verified {
        let chain = pem::certificates(self.issued.certificate.as_bytes()).expect("PEM");
        verify_client(&chain, &cluster.auth.trust().current(), cluster.clock.now()).expect("it verifies")
    }
}

/// A service that joined.
pub(crate) struct Service {
    pub(crate) issued: IssuedService,
    pub(crate) certificate: Arc<CertifiedKey>,
    pub(crate) client: Client,
    pub(crate) key: KeyPair,
}

impl Service {
    /// Announces one Kubernetes cluster; returns why it was refused.
    pub(crate) async fn announce(&self, name: &str, identity: Option<&str>) -> Option<String> {
        let announcement = KubeAnnouncement {
            name: KubeClusterName::parse(name).expect("a name"),
            labels: [("env".to_owned(), "test".to_owned())].into(),
            identity: KubeIdentity { kube_system_uid: identity.map(str::to_owned), api_authority: None },
        };
        let heartbeat = KubeHeartbeat { node_name: "host".to_owned(), clusters: vec![announcement] };
        let reply = self.client.announce_kube(&heartbeat).await.expect("an answer");
        reply.refused.get(name).cloned()
    }
}

struct TlsDialer {
    auth: Auth,
    address: SocketAddr,
}

impl Dialer for TlsDialer {
    fn dial(&self) -> BoxFuture<'_, Result<Conn, NetError>> {
        Box::pin(async move {
            let (near, far) = tokio::io::duplex(64 * 1024);
            self.auth.accept(Conn::new(far, Some(Remote(ClientAddr(self.address)))));
            Ok(Conn::new(near, None))
        })
    }

    fn target(&self) -> String {
        "auth in memory".to_owned()
    }
}

struct LocalDialer(Auth);

impl Dialer for LocalDialer {
    fn dial(&self) -> BoxFuture<'_, Result<Conn, NetError>> {
        Box::pin(async move {
            let (near, far) = tokio::io::duplex(64 * 1024);
            self.0.accept_local(LocalConn { conn: Conn::new(far, None), uid: 4242 });
            Ok(Conn::new(near, None))
        })
    }

    fn target(&self) -> String {
        "auth's socket in memory".to_owned()
    }
}

pub(crate) fn certified(key: &KeyPair, certificate: &str) -> Arc<CertifiedKey> {
    key.certified(pem::certificates(certificate.as_bytes()).expect("PEM")).expect("the key matches")
}

pub(crate) fn user(name: &str) -> UserName {
    UserName::parse(name).expect("a name")
}

pub(crate) fn role(name: &str, allow: Value) -> Value {
    json!({"kind": "role", "version": "v7", "metadata": {"name": name}, "spec": {"allow": allow}})
}

/// Returns the service's own refusal.
pub(crate) fn refusal<T>(answer: Result<T, ClientError>) -> ApiError {
    match answer {
        Ok(_) => panic!("it was not refused"),
        Err(ClientError::Api(error)) => error,
        Err(other) => panic!("no answer: {other:?}"),
    }
}
