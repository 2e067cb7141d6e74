//! The API server of these tests: TLS over memory, HTTP/1.1 and HTTP/2, answers by path, everything counted.

use std::{
    convert::Infallible,
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version, header};
use http_body_util::{BodyExt as _, Empty, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use serde_json::json;
use teleport_net::{BoxFuture, Conn, Dialer, Io, MemoryDialer, MemoryListener, NetError, TlsConn, memory};
use teleport_pki::{
    CertifiedKey,
    testing::TestCas,
    tls::{Certificates, provider},
};
use teleport_runtime::TaskGroup;
use tokio::io::AsyncWriteExt as _;

/// The name in the server's certificate.
pub(crate) const HOST: &str = "api.test";
const DEADLINE: Duration = Duration::from_secs(10);

/// What the server is like.
pub(crate) struct Options {
    pub(crate) alpn: Vec<&'static [u8]>,
    pub(crate) streams: Option<u32>,
    pub(crate) plain: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { alpn: vec![b"h2", b"http/1.1"], streams: None, plain: false }
    }
}

impl Options {
    pub(crate) fn http1() -> Self {
        Self { alpn: vec![b"http/1.1"], ..Self::default() }
    }
}

/// What the server saw, and what it shall do.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) dials: AtomicUsize,
    pub(crate) handshakes: AtomicUsize,
    pub(crate) requests: AtomicUsize,
    /// Connections open now.
    pub(crate) open: AtomicUsize,
    /// Bytes of endless bodies taken for sending.
    pub(crate) flooded: AtomicUsize,
    /// `Authorization` of each request.
    pub(crate) authorizations: Mutex<Vec<String>>,
    /// `:authority` or `Host` of each request.
    pub(crate) hosts: Mutex<Vec<String>>,
    /// Version and target of each request.
    pub(crate) lines: Mutex<Vec<String>>,
    /// When set, any other `Authorization` gets 401.
    pub(crate) wanted: Mutex<Option<String>>,
    /// Answers of access reviews by resource; others are allowed.
    pub(crate) denied: Mutex<Vec<&'static str>>,
    /// Subjects of client certificates, hexadecimal, one for each handshake that had one.
    pub(crate) client_certificates: Mutex<Vec<Vec<u8>>>,
}

impl State {
    pub(crate) fn handshakes(&self) -> usize {
        self.handshakes.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// A running server.
pub(crate) struct FakeApi {
    pub(crate) cas: TestCas,
    pub(crate) certificates: Certificates,
    pub(crate) state: Arc<State>,
    dialer: MemoryDialer,
    tasks: TaskGroup,
    connections: Arc<Mutex<TaskGroup>>,
}

impl FakeApi {
    pub(crate) fn start(options: Options) -> Self {
        let cas = TestCas::new("root.example.com");
        let certificates = Certificates::single(cas.web_certificate(&[HOST]));
        let state = Arc::new(State::default());
        let (dialer, listener) = memory::pair("api");
        let tasks = TaskGroup::new("fake-api");
        let config = server_config(&cas, &certificates, &options);
        let connections = Arc::new(Mutex::new(TaskGroup::new("fake-api-connections")));
        let accepting = accept(listener, Arc::new(config), options, Arc::clone(&state), Arc::clone(&connections));
        tasks.spawn("accept", accepting);
        Self { cas, certificates, state, dialer, tasks, connections }
    }

    /// Returns a dialer that leads here and counts.
    pub(crate) fn dialer(&self) -> Arc<dyn Dialer> {
        Arc::new(Counting { dialer: self.dialer.clone(), state: Arc::clone(&self.state) })
    }

    /// Returns the authority of the server's certificate, PEM.
    pub(crate) fn ca_pem(&self) -> String {
        authority_pem(&self.cas)
    }

    /// Cuts every connection and listens no more.
    pub(crate) async fn stop(&self) {
        self.tasks.drain(Duration::ZERO).await;
        self.cut_connections().await;
    }

    /// Cuts every connection.
    pub(crate) async fn cut_connections(&self) {
        let group = std::mem::replace(&mut *self.connections.lock().expect("lock"), TaskGroup::new("fake-api"));
        group.drain(Duration::ZERO).await;
    }
}

/// Returns the authority that signs server certificates, PEM.
pub(crate) fn authority_pem(cas: &TestCas) -> String {
    use teleport_pki::CaSigner as _;
    teleport_pki::pem::encode_certificates(std::slice::from_ref(cas.host.certificate()))
}

/// Counts a connection while it is open.
struct Open(Arc<State>);

impl Open {
    fn new(state: &Arc<State>) -> Self {
        state.open.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(state))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Counting {
    dialer: MemoryDialer,
    state: Arc<State>,
}

impl Dialer for Counting {
    fn dial(&self) -> BoxFuture<'_, Result<Conn, NetError>> {
        self.state.dials.fetch_add(1, Ordering::SeqCst);
        self.dialer.dial()
    }

    fn target(&self) -> String {
        "the fake API".to_owned()
    }
}

fn server_config(cas: &TestCas, certificates: &Certificates, options: &Options) -> ServerConfig {
    use teleport_pki::CaSigner as _;
    let mut roots = RootCertStore::empty();
    roots.add(cas.user.certificate().clone()).expect("authority");
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .allow_unauthenticated()
        .build()
        .expect("verifier");
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(certificates.clone()));
    config.alpn_protocols = options.alpn.iter().map(|protocol| protocol.to_vec()).collect();
    config
}

async fn accept(
    mut listener: MemoryListener,
    config: Arc<ServerConfig>,
    options: Options,
    state: Arc<State>,
    connections: Arc<Mutex<TaskGroup>>,
) {
    let options = Arc::new(options);
    while let Some(conn) = listener.accept().await {
        let (config, options, state) = (Arc::clone(&config), Arc::clone(&options), Arc::clone(&state));
        let connections = connections.lock().expect("lock").clone();
        connections.spawn("connection", async move {
            let _open = Open::new(&state);
            if options.plain {
                return serve(conn, false, &options, state).await;
            }
            let Ok(tls) = teleport_net::tls::accept(conn, config, DEADLINE).await else { return };
            state.handshakes.fetch_add(1, Ordering::SeqCst);
            note_certificate(&tls, &state);
            let http2 = tls.alpn() == Some(b"h2");
            serve(tls, http2, &options, state).await;
        });
    }
}

fn note_certificate(tls: &TlsConn, state: &State) {
    if let Some(leaf) = tls.peer_certificates().first() {
        state.client_certificates.lock().expect("lock").push(leaf.to_vec());
    }
}

async fn serve(io: impl Io, http2: bool, options: &Options, state: Arc<State>) {
    let service = service_fn(move |request| answer(request, Arc::clone(&state)));
    let io = TokioIo::new(io);
    if http2 {
        let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        builder.max_concurrent_streams(options.streams);
        let _ = builder.serve_connection(io, service).await;
    } else {
        let builder = hyper::server::conn::http1::Builder::new();
        let _ = builder.serve_connection(io, service).with_upgrades().await;
    }
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

async fn answer(request: Request<Incoming>, state: Arc<State>) -> Result<Response<Body>, std::io::Error> {
    state.requests.fetch_add(1, Ordering::SeqCst);
    let text = |name| request.headers().get(name).map(|value| value.to_str().unwrap_or("?").to_owned());
    let authorization = text(header::AUTHORIZATION).unwrap_or_default();
    let host = request.uri().authority().map(ToString::to_string).or_else(|| text(header::HOST)).unwrap_or_default();
    let target = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let version = if request.version() == Version::HTTP_2 { "2" } else { "1.1" };
    state.authorizations.lock().expect("lock").push(authorization.clone());
    state.hosts.lock().expect("lock").push(host);
    state.lines.lock().expect("lock").push(format!("{version} {} {target}", request.method()));
    if state.wanted.lock().expect("lock").as_ref().is_some_and(|wanted| *wanted != authorization) {
        return Ok(whole(StatusCode::UNAUTHORIZED, "who are you"));
    }
    by_path(request, &state).await
}

async fn by_path(request: Request<Incoming>, state: &Arc<State>) -> Result<Response<Body>, std::io::Error> {
    Ok(match request.uri().path() {
        "/watch" => Response::new(first_and_no_more()),
        "/flood" => Response::new(without_end(Arc::clone(state))),
        "/echo" => Response::new(request.into_body().map_err(|_| unreachable!("read whole")).boxed_unsync()),
        "/break" => return Err(std::io::Error::other("the server breaks the connection")),
        "/break-after-body" => {
            let _ = request.into_body().collect().await;
            return Err(std::io::Error::other("the server breaks the connection"));
        }
        "/many-headers" => many_headers(),
        "/never" => std::future::pending().await,
        "/upgrade" => upgrade(request),
        "/refuse-upgrade" => whole(StatusCode::FORBIDDEN, "no exec for you"),
        "/redirect" => {
            let mut answer = whole(StatusCode::TEMPORARY_REDIRECT, "");
            answer.headers_mut().insert(header::LOCATION, "https://evil.test/".parse().expect("url"));
            answer
        }
        "/api/v1/namespaces/kube-system" => json_answer(StatusCode::OK, json!({ "metadata": { "uid": "uid-1" } })),
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" => review(request, state).await,
        "/apis/authentication.k8s.io/v1/selfsubjectreviews" => json_answer(
            StatusCode::CREATED,
            json!({ "status": { "userInfo": { "username": "system:serviceaccount:teleport:agent" } } }),
        ),
        _ => whole(StatusCode::OK, "hello"),
    })
}

async fn review(request: Request<Incoming>, state: &State) -> Response<Body> {
    let body = request.into_body().collect().await.expect("body").to_bytes();
    let review: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    let resource = review.pointer("/spec/resourceAttributes/resource").and_then(|resource| resource.as_str());
    let denied = state.denied.lock().expect("lock").iter().any(|denied| Some(*denied) == resource);
    json_answer(StatusCode::CREATED, json!({ "status": { "allowed": !denied } }))
}

fn many_headers() -> Response<Body> {
    let mut answer = whole(StatusCode::OK, "many");
    for number in 0..400 {
        let name: http::HeaderName = format!("x-{number}").parse().expect("name");
        answer.headers_mut().insert(name, "0123456789".repeat(30).parse().expect("value"));
    }
    answer
}

/// Answers 101 and sends its first bytes right behind it, then echoes.
fn upgrade(mut request: Request<Incoming>) -> Response<Body> {
    let upgraded = hyper::upgrade::on(&mut request);
    let echo = async move {
        let mut io = TokioIo::new(upgraded.await.expect("upgrade"));
        io.write_all(b"early bytes").await.expect("write");
        let (mut read, mut write) = tokio::io::split(io);
        let _ = tokio::io::copy(&mut read, &mut write).await;
    };
    detach(echo);
    let mut answer = Response::new(Empty::new().boxed_unsync());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    answer.headers_mut().insert(header::CONNECTION, "Upgrade".parse().expect("value"));
    answer.headers_mut().insert(header::UPGRADE, "test".parse().expect("value"));
    answer
}

/// The test's own runtime owns it and ends it.
fn detach(task: impl Future<Output = ()> + Send + 'static) {
    hyper::rt::Executor::execute(&TokioExecutor::new(), task);
}

fn whole(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut answer = Response::new(Full::new(Bytes::from_static(text.as_bytes())).boxed_unsync());
    *answer.status_mut() = status;
    answer
}

fn json_answer(status: StatusCode, content: serde_json::Value) -> Response<Body> {
    let mut answer = Response::new(Full::new(Bytes::from(content.to_string())).boxed_unsync());
    *answer.status_mut() = status;
    answer
}

/// One piece, then silence, as a watch.
fn first_and_no_more() -> Body {
    let first = futures_util::stream::once(async { Ok(Frame::data(Bytes::from_static(b"first"))) });
    let never = futures_util::stream::pending();
    StreamBody::new(futures_util::StreamExt::chain(first, never)).boxed_unsync()
}

fn without_end(state: Arc<State>) -> Body {
    let piece = Bytes::from(vec![0; 64 * 1024]);
    let pieces = futures_util::stream::repeat_with(move || {
        state.flooded.fetch_add(piece.len(), Ordering::SeqCst);
        Ok(Frame::data(piece.clone()))
    });
    StreamBody::new(pieces).boxed_unsync()
}

/// Returns a certificate and key of a user, PEM.
pub(crate) fn user_pems(cas: &TestCas) -> (String, String, Arc<CertifiedKey>) {
    let template = teleport_pki::Template::user(&cas.user_identity("agent", &["agent"])).expect("template");
    let key = teleport_pki::KeyPair::generate();
    let certificate = teleport_pki::testing::issue(&template, &cas.user, key.public(), cas.validity());
    let chain = teleport_pki::pem::encode_certificates(std::slice::from_ref(&certificate));
    let pem = key.to_pem().to_string();
    (chain, pem, key.certified(vec![certificate]).expect("key"))
}
