//! A cluster of one process: a web side and an auth service behind one port, with real TLS and canned policy.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use teleport_api::messages::{
    AuthOffer, CaBundle, Ping,
    user::{IssuedUser, KubeClusterRow, LoginRequest, ReissueRequest},
    web::{KubeOffer, ProxyOffer, WebOffer, WebPing},
};
use teleport_net::{Conn, HelloLimits, Listener, Opening, TlsConn, hello, tls as net_tls};
use teleport_pki::{
    CaSigner as _, CertificateDer, Pin, PublicKey, Standing, Template, Validity, pem, testing, testing::TestCas, tls,
    verify_client,
};
use teleport_runtime::Clock;
use teleport_types::{Identity, KubeClusterName, UserIdentity, sni, sni::InternalName};
use tokio::runtime::Runtime;

/// The one password.
pub const PASSWORD: &str = "correct horse battery";
const PATIENCE: Duration = Duration::from_secs(10);

/// A running cluster named `main`; dropping it ends it.
pub struct FakeCluster {
    shared: Arc<Shared>,
    port: u16,
    _runtime: Runtime,
}

struct Shared {
    cas: TestCas,
    port: AtomicU64,
    kube_clusters: Mutex<Vec<String>>,
    login_seconds: AtomicU64,
    is_refusing: AtomicBool,
    ended_before: Mutex<Option<Timestamp>>,
    asked: Mutex<Vec<String>>,
}

impl FakeCluster {
    /// Starts a cluster with these Kubernetes clusters.
    pub fn start(kube_clusters: &[&str]) -> Self {
        Self::start_with(TestCas::new("main"), 0, kube_clusters)
    }

    /// Starts another cluster of the same name, with other authorities, at the address of this one.
    pub fn impostor(self) -> Self {
        self.impostor_called("main")
    }

    /// The same under a name of its choice.
    pub fn impostor_called(self, name: &str) -> Self {
        let port = self.port;
        drop(self);
        Self::start_with(TestCas::new(name), port, &["prod"])
    }

    fn start_with(cas: TestCas, port: u16, kube_clusters: &[&str]) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
        let listener = runtime.block_on(Listener::bind(&format!("127.0.0.1:{port}"))).expect("a port");
        let port = listener.addr().port();
        let shared = Arc::new(Shared {
            cas,
            port: AtomicU64::new(u64::from(port)),
            kube_clusters: Mutex::new(kube_clusters.iter().map(ToString::to_string).collect()),
            login_seconds: AtomicU64::new(3600),
            is_refusing: AtomicBool::new(false),
            ended_before: Mutex::new(None),
            asked: Mutex::new(Vec::new()),
        });
        let accepting = Arc::clone(&shared);
        runtime.spawn(async move {
            loop {
                let conn = listener.accept().await;
                tokio::spawn(Arc::clone(&accepting).serve(conn));
            }
        });
        Self { shared, port, _runtime: runtime }
    }

    /// Returns `--proxy=…`.
    pub fn proxy(&self) -> String {
        format!("--proxy=127.0.0.1:{}", self.port)
    }

    /// Returns `--ca-pin=…`.
    pub fn pin(&self) -> String {
        format!("--ca-pin={}", Pin::of(self.shared.cas.host.certificate()).expect("pin"))
    }

    /// Returns the host authority as PEM.
    pub fn host_ca(&self) -> String {
        pem::encode_certificates(&[self.shared.cas.host.certificate().clone()])
    }

    /// Lets logins last so long from now on; never beyond the authorities' own end.
    pub fn logins_last(&self, seconds: u64) {
        self.shared.login_seconds.store(seconds, Ordering::SeqCst);
    }

    /// Refuses every question of users from now on, or answers again.
    pub fn refuse(&self, is_refusing: bool) {
        self.shared.is_refusing.store(is_refusing, Ordering::SeqCst);
    }

    /// Ends every login made so far, as a change of roles does.
    pub fn end_logins(&self) {
        *self.shared.ended_before.lock().expect("lock") = Some(Clock::system().now());
    }

    /// Replaces the Kubernetes clusters.
    pub fn kube_clusters(&self, names: &[&str]) {
        *self.shared.kube_clusters.lock().expect("lock") = names.iter().map(ToString::to_string).collect();
    }

    /// Returns how often a path was asked for.
    pub fn asked(&self, path: &str) -> usize {
        self.shared.asked.lock().expect("lock").iter().filter(|asked| *asked == path).count()
    }
}

type Answer = Result<Value, (StatusCode, Value)>;

impl Shared {
    async fn serve(self: Arc<Self>, conn: Conn) {
        let Ok(Opening::Tls(hello, conn)) = hello::read(conn, HelloLimits::default()).await else { return };
        let auth = InternalName::Auth(self.cas.cluster.clone());
        let config = if hello.server_name.as_deref() == Some(auth.host().as_str()) {
            let certificates = tls::Certificates::single(self.cas.server_certificate(&auth));
            let (trust, clock) = (self.cas.trust(), Clock::system());
            let certificates = Arc::new(certificates);
            tls::internal_server(certificates, &trust, tls::ClientAuth::Optional, &[sni::ALPN_AUTH], &clock)
                .expect("tls")
        } else {
            let certificates = tls::Certificates::single(self.cas.web_certificate(&["127.0.0.1"]));
            tls::web_server(Arc::new(certificates), &[tls::ALPN_HTTP1], &Clock::system())
        };
        let Ok(tls) = net_tls::accept(conn, config, PATIENCE).await else { return };
        self.answer_all(tls).await;
    }

    async fn answer_all(self: Arc<Self>, tls: TlsConn) {
        let peer: Arc<[CertificateDer<'static>]> = tls.peer_certificates().into();
        let service = service_fn(|request: Request<Incoming>| {
            let (shared, peer) = (Arc::clone(&self), Arc::clone(&peer));
            async move { Ok::<_, std::convert::Infallible>(shared.answer(request, &peer).await) }
        });
        let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(tls), service).await;
    }

    async fn answer(&self, request: Request<Incoming>, peer: &[CertificateDer<'static>]) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        self.asked.lock().expect("lock").push(path.clone());
        let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let (status, body) = match self.decide(&path, &body, peer) {
            Ok(body) => (StatusCode::OK, body),
            Err((status, body)) => (status, body),
        };
        Response::builder().status(status).body(Full::from(body.to_string())).expect("response")
    }

    fn decide(&self, path: &str, body: &[u8], peer: &[CertificateDer<'static>]) -> Answer {
        match path {
            "/webapi/ping" => value(&self.web_ping()),
            "/v1/ping" => value(&Ping {
                cluster_name: self.cas.cluster.clone(),
                server_version: "9.9.9".into(),
                capabilities: Vec::new(),
                auth: offer(),
            }),
            "/v1/cas" => value(&self.bundle()),
            "/v1/login" => self.login(&parse(body)),
            _ => self.as_user(path, body, &self.user(peer)?),
        }
    }

    fn login(&self, request: &LoginRequest) -> Answer {
        if request.password != PASSWORD {
            return Err(error(StatusCode::UNAUTHORIZED, "unauthenticated", "wrong user name or password", "try again"));
        }
        let mut identity = self.cas.user_identity(request.user.as_str(), &["dev"]);
        identity.login_time = Clock::system().now();
        let asked = request.ttl_seconds.unwrap_or(u64::MAX);
        let seconds = asked.min(self.login_seconds.load(Ordering::SeqCst));
        value(&self.issue(&identity, &request.public_key, seconds))
    }

    fn as_user(&self, path: &str, body: &[u8], user: &UserIdentity) -> Answer {
        if self.is_refusing.load(Ordering::SeqCst) {
            return Err(error(StatusCode::FORBIDDEN, "denied", "the auditors\u{1b}[2J said no", "ask them"));
        }
        match path {
            "/v1/certs/user" => {
                let request: ReissueRequest = parse(body);
                let identity = UserIdentity { kube_cluster: request.kube_cluster, renewable: false, ..user.clone() };
                value(&self.issue(&identity, &request.public_key, self.login_seconds.load(Ordering::SeqCst)))
            }
            "/v1/me" => Ok(json!({
                "user": user.user, "cluster_name": "main", "roles": ["dev"], "traits": {},
                "logins": [], "kubernetes_users": [user.user], "kubernetes_groups": ["dev", "view"],
            })),
            "/v1/clusters" => {
                Ok(json!({ "items": [{ "name": "main", "status": "online", "type": "root", "labels": {} }] }))
            }
            "/v1/kube/clusters" => {
                let names = self.kube_clusters.lock().expect("lock").clone();
                let rows = names.iter().map(|name| KubeClusterRow {
                    name: KubeClusterName::parse(name).expect("name"),
                    labels: BTreeMap::new(),
                    online: true,
                });
                Ok(json!({ "items": rows.collect::<Vec<_>>() }))
            }
            "/v1/logout" => Ok(Value::Null),
            _ => Err(error(StatusCode::NOT_FOUND, "not_found", "there is no such route", "")),
        }
    }

    fn user(&self, peer: &[CertificateDer<'static>]) -> Result<UserIdentity, (StatusCode, Value)> {
        let nobody = || error(StatusCode::UNAUTHORIZED, "unauthenticated", "who are you", "run: tsh login");
        let verified = verify_client(peer, &self.cas.trusted(), Clock::system().now()).map_err(|_| nobody())?;
        match (verified.standing(), verified.identity()) {
            (Standing::Valid, Identity::User(user)) if self.is_ended(user) => {
                Err(error(StatusCode::UNAUTHORIZED, "unauthenticated", "this login has been ended", "log in again"))
            }
            (Standing::Valid, Identity::User(user)) => Ok(user.clone()),
            _ => Err(nobody()),
        }
    }

    fn is_ended(&self, user: &UserIdentity) -> bool {
        self.ended_before.lock().expect("lock").is_some_and(|end| user.login_time < end)
    }

    fn issue(&self, identity: &UserIdentity, public_key: &str, seconds: u64) -> IssuedUser {
        let now = Clock::system().now();
        let expires = now + Duration::from_secs(seconds);
        let key = PublicKey::from_pem(public_key).expect("key");
        let validity = Validity { not_before: now - Duration::from_secs(60), not_after: expires };
        let certificate = testing::issue(&Template::user(identity).expect("template"), &self.cas.user, &key, validity);
        IssuedUser {
            certificate: pem::encode_certificates(&[certificate]),
            user: identity.user.clone(),
            session: identity.session,
            roles: identity.roles.clone(),
            traits: identity.traits.clone(),
            expires,
            cas: self.bundle(),
        }
    }

    fn bundle(&self) -> CaBundle {
        let one =
            |certificate: &CertificateDer<'static>| vec![pem::encode_certificates(std::slice::from_ref(certificate))];
        CaBundle {
            cluster_name: self.cas.cluster.clone(),
            host: one(self.cas.host.certificate()),
            user: one(self.cas.user.certificate()),
        }
    }

    fn web_ping(&self) -> WebPing {
        let public_addr = format!("127.0.0.1:{}", self.port.load(Ordering::SeqCst));
        WebPing {
            auth: offer(),
            proxy: ProxyOffer {
                kube: KubeOffer { enabled: true, public_addr: public_addr.clone() },
                ssh: WebOffer { public_addr },
                tls_routing_enabled: true,
            },
            server_version: "9.9.9".into(),
            cluster_name: self.cas.cluster.clone(),
        }
    }
}

fn offer() -> AuthOffer {
    AuthOffer { kind: "local".into(), local: true }
}

fn value(value: &impl Serialize) -> Answer {
    Ok(serde_json::to_value(value).expect("JSON"))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> T {
    serde_json::from_slice(body).expect("a request")
}

fn error(status: StatusCode, kind: &str, message: &str, hint: &str) -> (StatusCode, Value) {
    (status, json!({ "error": { "kind": kind, "message": message, "hint": hint } }))
}
