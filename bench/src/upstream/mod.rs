//! The static upstream: an API server that has its answers ready, so that what is measured is the proxy in front of it.
//!
//! Runs as a process of its own beside the load generator, on the same core. It answers one pod, one long list of pods,
//! watches that never end, an exec that streams bytes, and the few questions that a proxy asks at its start.

mod answers;
mod watch;

use std::{convert::Infallible, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use teleport_net::{Conn, listen::Listener, tls};
use teleport_pki::{pem, tls::provider};
use teleport_runtime::TaskGroup;
use tokio::io::AsyncWriteExt as _;

use crate::certificates::Certificates;
use answers::Answers;

/// The pod that is asked for.
pub(crate) const POD: &str = "/api/v1/namespaces/default/pods/web-0";
/// The list of 1.1 MB.
pub(crate) const LIST: &str = "/api/v1/namespaces/default/pods";
/// The stream of bytes.
pub(crate) const EXEC: &str = "/api/v1/namespaces/default/pods/web-0/exec";

const HANDSHAKE: Duration = Duration::from_secs(20);

type Reply = Response<UnsyncBoxBody<Bytes, Infallible>>;

struct Shared {
    answers: Answers,
    tasks: TaskGroup,
}

/// Serves until it is killed; prints the address first.
pub(crate) async fn serve(certificates: &Certificates) -> Result<()> {
    let config = tls_config(certificates)?;
    let listener = Listener::bind("127.0.0.1:0").await?;
    println!("{}", listener.addr());
    match accept(listener, config).await {}
}

/// Serves on a listener for ever.
async fn accept(listener: Listener, config: Arc<ServerConfig>) -> Infallible {
    let shared = Arc::new(Shared { answers: Answers::make(), tasks: TaskGroup::new("upstream") });
    loop {
        let conn = listener.accept().await;
        shared.tasks.spawn("connection", connection(Arc::clone(&shared), conn, Arc::clone(&config)));
    }
}

/// Takes clients with a certificate of ours, and without one: proxies prove themselves by certificate or token.
pub(crate) fn tls_config(certificates: &Certificates) -> Result<Arc<ServerConfig>> {
    let read = |name: &str| std::fs::read(certificates.file(name)).with_context(|| format!("cannot read {name}"));
    let mut roots = RootCertStore::empty();
    for authority in pem::certificates(&read("ca.pem")?)? {
        roots.add(authority)?;
    }
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    let key = pem::certified_key(&read("server.pem")?, &read("server.key")?)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(clients.allow_unauthenticated().build()?)
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(key)));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

async fn connection(shared: Arc<Shared>, conn: Conn, config: Arc<ServerConfig>) {
    let Ok(tls) = tls::accept(conn, config, HANDSHAKE).await else { return };
    let http2 = tls.alpn() == Some(b"h2");
    let service = service_fn(move |request| {
        let reply = answer(&shared, request);
        async move { Ok::<_, Infallible>(reply) }
    });
    // How a connection ends is the client's business.
    if http2 {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.max_concurrent_streams(1000).initial_connection_window_size(1 << 24);
        drop(builder.serve_connection(TokioIo::new(tls), service).await);
    } else {
        let serving = http1::Builder::new().serve_connection(TokioIo::new(tls), service);
        drop(serving.with_upgrades().await);
    }
}

fn answer(shared: &Arc<Shared>, mut request: Request<Incoming>) -> Reply {
    let answers = &shared.answers;
    let query = request.uri().query().unwrap_or_default();
    match (request.method(), request.uri().path()) {
        (_, POD) => json(&answers.pod),
        (_, LIST) if query.contains("watch=") => watch::reply(&answers.event, query),
        (_, LIST) => json(&answers.list),
        (_, EXEC) => exec(shared, &mut request),
        (_, "/version") => json(&answers.version),
        (_, "/api/v1/namespaces/kube-system") => json(&answers.namespace),
        (&Method::POST, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews") => {
            let mut reply = json(&answers.review);
            *reply.status_mut() = StatusCode::CREATED;
            reply
        }
        _ => {
            let mut reply = json(&answers.not_found);
            *reply.status_mut() = StatusCode::NOT_FOUND;
            reply
        }
    }
}

fn json(body: &Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body.clone()).boxed_unsync());
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("audit-id", HeaderValue::from_static("9f1fba0c-2d0a-4d0f-8a5a-6d6e1a0e3f11"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    reply
}

/// Switches to whatever protocol was asked for and sends the number of bytes that the last `command` says.
fn exec(shared: &Shared, request: &mut Request<Incoming>) -> Reply {
    let query = request.uri().query().unwrap_or_default();
    let bytes = query.rsplit_once("command=").and_then(|(_, bytes)| bytes.parse::<u64>().ok()).unwrap_or(0);
    let Some(protocol) = request.headers().get(header::UPGRADE).cloned() else {
        let mut reply = json(&shared.answers.not_found);
        *reply.status_mut() = StatusCode::BAD_REQUEST;
        return reply;
    };
    let (upgrade, block) = (hyper::upgrade::on(request), shared.answers.block.clone());
    shared.tasks.spawn("exec", async move {
        let Ok(upgraded) = upgrade.await else { return };
        let mut stream = TokioIo::new(upgraded);
        let mut left = bytes;
        while left > 0 {
            let part = block.slice(..block.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
            if stream.write_all(&part).await.is_err() {
                return;
            }
            left -= part.len() as u64;
        }
        drop(stream.shutdown().await);
    });
    let mut reply = Response::new(Full::default().boxed_unsync());
    *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    reply.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    reply.headers_mut().insert(header::UPGRADE, protocol);
    reply.headers_mut().insert("x-stream-protocol-version", HeaderValue::from_static("v4.channel.k8s.io"));
    reply
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::{
        load::{Load, Plan},
        target::{Protocol, Target},
    };

    /// An upstream in this process, and how to reach it.
    async fn served() -> (TaskGroup, Target) {
        let dir = tempfile::tempdir().unwrap();
        let certificates = Certificates::make(dir.path()).unwrap();
        let listener = Listener::bind("127.0.0.1:0").await.unwrap();
        let kubeconfig = certificates.kubeconfig("bench", &listener.addr().to_string()).unwrap();
        let (config, tasks) = (tls_config(&certificates).unwrap(), TaskGroup::new("test"));
        tasks.spawn("upstream", async move { match accept(listener, config).await {} });
        (tasks, Target::from_kubeconfig(&kubeconfig).unwrap())
    }

    #[tokio::test]
    async fn both_loops_count_each_request_once_over_both_protocols() {
        let (_tasks, target) = served().await;
        let second = Duration::from_secs(1);
        let closed = Plan { most: 100, ..Plan::closed(POD, 4, second * 60) };
        let open = Plan { most: 50, ..Plan::closed(POD, 4, second) }.at_rate(1000.0);
        for plan in [closed.clone(), closed.over_http2(3), open.clone(), open.over_http2(3)] {
            let most = plan.most;
            let outcome = Load::prepare(&target, plan).await.unwrap().run().await.unwrap();
            assert_eq!(outcome.requests(), most);
            assert!(outcome.bytes > most * 1000, "{} bytes", outcome.bytes);
        }
    }

    #[tokio::test]
    async fn an_answer_other_than_200_fails_the_load() {
        let (_tasks, target) = served().await;
        let plan = Plan::closed("/api/v1/nothing", 1, Duration::from_secs(1));
        let error = Load::prepare(&target, plan).await.err().expect("it is refused");
        assert!(format!("{error:#}").contains("404"), "{error:#}");
    }

    #[tokio::test]
    async fn exec_sends_the_bytes_that_were_asked_for() {
        let (_tasks, target) = served().await;
        target.connect(Protocol::Http1).await.unwrap().exec(EXEC, 100_000).await.unwrap();
    }

    #[tokio::test]
    async fn a_watch_begins_with_an_event_and_goes_on() {
        let (_tasks, target) = served().await;
        let mut sender = target.connect(Protocol::Http2).await.unwrap();
        let path = format!("{LIST}?watch=true&labelSelector=every-ms%3D1");
        let mut body = sender.open(&path).await.unwrap().into_body();
        for _ in 0..3 {
            let event = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert!(event.starts_with(b"{\"type\":\"MODIFIED\"") && event.ends_with(b"\n"));
        }
    }
}
