//! A proxy on loopback with stand-ins for auth and a Kubernetes service.
#![allow(dead_code, reason = "each test file uses its part of the rig")]

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use rustls_pki_types::ServerName;
use teleport_api::{
    Client, Security,
    messages::{
        AuthOffer, CaBundle, Ping,
        service::{IssuedServer, WebCertRequest},
    },
    routes,
};
use teleport_net::{
    BoxFuture, Conn, ConnService, Dialer, Listener, MemoryListener, NetError, TcpDialer, TlsConn, memory,
    tls as net_tls,
};
use teleport_pki::{
    AltName, CaSigner as _, PublicKey, Template, pem,
    testing::{TestCas, issue},
    tls::{self, Certificates, ClientAuth},
};
use teleport_proxy::{AuthPath, KubeRoutes, Limits, Metrics, Proxy, Setup, WebCertificate};
use teleport_runtime::{Clock, TaskGroup};
use teleport_types::{
    KubeClusterName,
    sni::{ALPN_AUTH, InternalName},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

pub(crate) struct Rig {
    pub(crate) cas: Arc<TestCas>,
    pub(crate) clock: Clock,
    pub(crate) addr: SocketAddr,
    pub(crate) kube: KubeRoutes,
    pub(crate) metrics: Metrics,
    pub(crate) ready: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
    pub(crate) tasks: TaskGroup,
}

pub(crate) struct Options {
    pub(crate) public_addr: &'static str,
    pub(crate) limits: Limits,
    pub(crate) certificate: WebCertificate,
    pub(crate) auth: Auth,
    pub(crate) clock: Clock,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Auth {
    Here,
    There,
    Away,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            public_addr: "proxy.example.com:443",
            limits: Limits { drain: DEADLINE, ..Limits::default() },
            certificate: WebCertificate::issued(&["proxy.example.com:443".to_owned()]),
            auth: Auth::There,
            clock: Clock::system(),
        }
    }
}

impl Rig {
    pub(crate) async fn start(options: Options) -> Self {
        let clock = options.clock;
        let cas = Arc::new(TestCas::at("main", clock.now()));
        let tasks = TaskGroup::new("rig");
        let listener = Listener::bind("127.0.0.1:0").await.expect("listens");
        let addr = listener.addr();
        let kube = KubeRoutes::new();
        let proxy = Proxy::new(Setup {
            cluster: cas.cluster.clone(),
            public_addr: options.public_addr.to_owned(),
            auth: auth(options.auth, &cas, &clock, &tasks).await,
            client: api(&cas, &tasks),
            kube: kube.clone(),
            certificate: options.certificate,
            limits: options.limits,
            clock: clock.clone(),
        });
        let (metrics, ready) = (proxy.metrics().clone(), Box::new(proxy.readiness()));
        tasks.spawn("proxy", proxy.run(Box::new(listener), tasks.stop_signal()));
        Self { cas, clock, addr, kube, metrics, ready, tasks }
    }

    pub(crate) async fn ready(options: Options) -> Self {
        let rig = Self::start(options).await;
        eventually("the proxy is ready", || (rig.ready)().is_ok()).await;
        rig
    }

    pub(crate) async fn dial(&self) -> Conn {
        TcpDialer::new(self.addr.to_string(), DEADLINE).dial().await.expect("dials")
    }

    /// Connects as `tsh` or kubectl does, with a user's certificate.
    pub(crate) async fn connect(&self, host: &str, alpn: &[&[u8]]) -> Result<TlsConn, NetError> {
        let user = self.cas.user_certificate(&self.cas.user_identity("alice", &["dev"]));
        let config = tls::internal_client(&self.cas.trust(), Some(user), alpn, &self.clock);
        let name = ServerName::try_from(host.to_owned()).expect("a host name");
        net_tls::connect(self.dial().await, config, name, DEADLINE).await
    }

    /// Connects as a browser does, trusting the host authority.
    pub(crate) async fn browse(&self, host: &str, alpn: &[&[u8]]) -> Result<TlsConn, NetError> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.cas.host.certificate().clone()).expect("an anchor");
        let config = tls::web_client(roots, alpn, &self.clock);
        let name = ServerName::try_from(host.to_owned()).expect("a host name");
        net_tls::connect(self.dial().await, config, name, DEADLINE).await
    }

    /// Sends one HTTP/1.1 request over the web certificate and returns head and body of the answer.
    pub(crate) async fn request(&self, head: &str) -> (String, String) {
        let mut conn = self.browse("proxy.example.com", &[tls::ALPN_HTTP1]).await.expect("a session");
        let request = format!("{head}\r\nConnection: close\r\n\r\n");
        conn.write_all(request.as_bytes()).await.expect("writes");
        let mut answer = String::new();
        conn.read_to_string(&mut answer).await.expect("reads");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        (head.to_owned(), body.to_owned())
    }

    pub(crate) fn auth_host(&self) -> String {
        InternalName::Auth(self.cas.cluster.clone()).host()
    }

    pub(crate) fn kube_host(&self, name: &str) -> String {
        InternalName::kube(&kube_name(name), &self.cas.cluster).host()
    }
}

pub(crate) fn kube_name(name: &str) -> KubeClusterName {
    KubeClusterName::parse(name).expect("a name")
}

/// Waits for something that another task is about to do.
pub(crate) async fn eventually(what: &str, done: impl Fn() -> bool) {
    let poll = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, poll).await.is_ok(), "{what}");
}

/// Reads one line from a session.
pub(crate) async fn line(conn: &mut TlsConn) -> String {
    let mut line = Vec::new();
    loop {
        match conn.read_u8().await.expect("a line") {
            b'\n' => return String::from_utf8(line).expect("utf-8"),
            byte => line.push(byte),
        }
    }
}

async fn auth(auth: Auth, cas: &TestCas, clock: &Clock, tasks: &TaskGroup) -> AuthPath {
    // Auth answers for its own name and, in the place of Kubernetes clusters, for any other.
    let certificates = Certificates::single(cas.server_certificate(&InternalName::Auth(cas.cluster.clone())));
    let gone = InternalName::kube(&kube_name("gone"), &cas.cluster);
    certificates.set(&gone.host(), cas.server_certificate(&gone));
    let alpn = [ALPN_AUTH, tls::ALPN_H2, tls::ALPN_HTTP1];
    let config = tls::internal_server(Arc::new(certificates), &cas.trust(), ClientAuth::Optional, &alpn, clock)
        .expect("configuration");
    let stand_in = Arc::new(Echo { name: "auth", config });
    match auth {
        Auth::Here => {
            let (dialer, listener) = memory::pair("auth");
            tasks.spawn("auth", accept_all(Box::new(listener), stand_in));
            AuthPath::Here(dialer)
        }
        Auth::There => {
            let listener = Listener::bind("127.0.0.1:0").await.expect("listens");
            let dialer = TcpDialer::new(listener.addr().to_string(), DEADLINE);
            tasks.spawn("auth", accept_all(Box::new(listener), stand_in));
            AuthPath::There(Arc::new(dialer))
        }
        Auth::Away => {
            let listener = Listener::bind("127.0.0.1:0").await.expect("listens");
            AuthPath::There(Arc::new(TcpDialer::new(listener.addr().to_string(), DEADLINE)))
        }
    }
}

async fn accept_all(mut listener: Box<dyn teleport_net::Accept>, service: Arc<Echo>) {
    let connections = TaskGroup::new("stand-in");
    while let Some(conn) = listener.accept().await {
        let service = Arc::clone(&service);
        connections.spawn("connection", async move { service.serve(conn).await });
    }
}

/// Ends TLS, says who it is and what it saw in one line, then echoes.
pub(crate) struct Echo {
    pub(crate) name: &'static str,
    pub(crate) config: Arc<rustls::ServerConfig>,
}

impl Echo {
    pub(crate) fn kube(rig: &Rig, clusters: &[&str]) -> Arc<dyn ConnService> {
        let certificates = Certificates::new();
        for cluster in clusters {
            let host = InternalName::kube(&kube_name(cluster), &rig.cas.cluster);
            certificates.set(&host.host(), rig.cas.server_certificate(&host));
        }
        let alpn = [tls::ALPN_H2, tls::ALPN_HTTP1];
        let trust = rig.cas.trust();
        let config = tls::internal_server(Arc::new(certificates), &trust, ClientAuth::Required, &alpn, &rig.clock)
            .expect("configuration");
        Arc::new(Self { name: "kube", config })
    }
}

impl ConnService for Echo {
    fn serve(&self, conn: Conn) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let Ok(mut tls) = net_tls::accept(conn, Arc::clone(&self.config), DEADLINE).await else {
                return;
            };
            let known = if tls.peer().is_some() { "client known" } else { "client unknown" };
            let alpn = String::from_utf8_lossy(tls.alpn().unwrap_or_default()).into_owned();
            let certificates = tls.peer_certificates().len();
            let hello = format!("{} {alpn} {certificates} {known}\n", self.name);
            let (mut read, mut write) = tokio::io::split(&mut tls);
            if write.write_all(hello.as_bytes()).await.is_ok() {
                let _ = tokio::io::copy(&mut read, &mut write).await;
                let _ = write.shutdown().await;
            }
        })
    }
}

fn api(cas: &Arc<TestCas>, tasks: &TaskGroup) -> Client {
    let (dialer, mut listener): (_, MemoryListener) = memory::pair("auth");
    let app = Router::new()
        .route(routes::PING, get(ping))
        .route(routes::CAS, get(bundle))
        .route(routes::CERTS_WEB, post(web_certificate))
        .with_state(Arc::clone(cas));
    tasks.spawn("api", async move {
        let connections = TaskGroup::new("api");
        while let Some(conn) = listener.accept().await {
            let service = TowerToHyperService::new(app.clone());
            connections.spawn("connection", async move {
                let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(conn), service).await;
            });
        }
    });
    Client::new(Arc::new(dialer), Security::Local)
}

async fn ping(State(cas): State<Arc<TestCas>>) -> Json<Ping> {
    Json(Ping {
        cluster_name: cas.cluster.clone(),
        server_version: "1.2.3".to_owned(),
        capabilities: vec!["login.local".to_owned()],
        auth: AuthOffer { kind: "local".to_owned(), local: true },
    })
}

async fn bundle(State(cas): State<Arc<TestCas>>) -> Json<CaBundle> {
    let pem = |certificate| vec![pem::encode_certificates(std::slice::from_ref(certificate))];
    Json(CaBundle {
        cluster_name: cas.cluster.clone(),
        host: pem(cas.host.certificate()),
        user: pem(cas.user.certificate()),
    })
}

async fn web_certificate(State(cas): State<Arc<TestCas>>, Json(request): Json<WebCertRequest>) -> Json<IssuedServer> {
    let names: Vec<_> = request.hosts.iter().map(|host| AltName::parse(host).expect("a host")).collect();
    let template = Template::web(&cas.cluster, &names).expect("template");
    let key = PublicKey::from_pem(&request.public_key).expect("a public key");
    let certificate = issue(&template, &cas.host, &key, cas.validity());
    Json(IssuedServer { certificate: pem::encode_certificates(&[certificate]), expires: cas.validity().not_after })
}
