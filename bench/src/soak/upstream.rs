//! The soak's upstream: watches whose objects change, and a token file that it believes as of each request.
//!
//! Runs as a process of its own so that it can be killed; it listens where the kubeconfig says, time after time.

use std::{
    convert::Infallible,
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use anyhow::Result;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use teleport_net::{Conn, listen::Listener, tls};
use teleport_runtime::TaskGroup;
use tokio::time::{Sleep, sleep};

use super::objects::{self, Asked, Pace};
use crate::{certificates::Certificates, upstream::tls_config};

/// Streams of one connection, as an API server has by default.
const STREAMS: u32 = 250;
/// What a watch without end sends at a time.
const BLOCK: usize = 16 << 10;
const HANDSHAKE: std::time::Duration = std::time::Duration::from_secs(20);

type Reply = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// How the upstream is set up.
pub(super) struct Setup {
    pub(super) certificates: Certificates,
    pub(super) listen: String,
    /// The only token that is taken; read for each request.
    pub(super) token_file: PathBuf,
    pub(super) pace: Pace,
}

struct Shared {
    token_file: PathBuf,
    pace: Pace,
    block: Bytes,
    tasks: TaskGroup,
}

/// Serves until it is killed; prints the address first.
pub(super) async fn serve(setup: Setup) -> Result<()> {
    let config = tls_config(&setup.certificates)?;
    let listener = Listener::bind(&setup.listen).await?;
    println!("{}", listener.addr());
    let mut block = vec![b'x'; BLOCK];
    block.pop();
    block.push(b'\n');
    let shared = Arc::new(Shared {
        token_file: setup.token_file,
        pace: setup.pace,
        block: Bytes::from(block),
        tasks: TaskGroup::new("upstream"),
    });
    loop {
        let conn = listener.accept().await;
        shared.tasks.spawn("connection", connection(Arc::clone(&shared), conn, Arc::clone(&config)));
    }
}

async fn connection(shared: Arc<Shared>, conn: Conn, config: Arc<rustls::ServerConfig>) {
    let Ok(tls) = tls::accept(conn, config, HANDSHAKE).await else { return };
    let http2 = tls.alpn() == Some(b"h2");
    let service = service_fn(move |request| {
        let reply = answer(&shared, &request);
        async move { Ok::<_, Infallible>(reply) }
    });
    // How a connection ends is the client's business.
    if http2 {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.max_concurrent_streams(STREAMS).initial_connection_window_size(1 << 24);
        drop(builder.serve_connection(TokioIo::new(tls), service).await);
    } else {
        drop(http1::Builder::new().serve_connection(TokioIo::new(tls), service).await);
    }
}

fn answer(shared: &Shared, request: &Request<Incoming>) -> Reply {
    if !is_known(shared, request) {
        return json(StatusCode::UNAUTHORIZED, &status(401, "Unauthorized"));
    }
    let query = request.uri().query().unwrap_or_default();
    match (request.method(), request.uri().path()) {
        (_, "/api/v1/namespaces/default/pods") => match objects::asked(query) {
            Some(asked) => watch(shared, asked),
            None => json(StatusCode::BAD_REQUEST, &status(400, "BadRequest")),
        },
        (_, "/api/v1/namespaces/default/pods/web-0") => {
            json(StatusCode::OK, &json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "web-0"}}))
        }
        (_, "/version") => json(StatusCode::OK, &json!({"major": "1", "minor": "33", "gitVersion": "v1.33.0"})),
        (_, "/api/v1/namespaces/kube-system") => {
            let uid = "5e4cb0a2-8f4a-4b0b-9f5a-0b1f7d3f0c11";
            let metadata = json!({"name": "kube-system", "uid": uid});
            json(StatusCode::OK, &json!({"kind": "Namespace", "apiVersion": "v1", "metadata": metadata}))
        }
        (&Method::POST, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews") => json(
            StatusCode::CREATED,
            &json!({"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "status": {"allowed": true}}),
        ),
        _ => json(StatusCode::NOT_FOUND, &status(404, "NotFound")),
    }
}

fn is_known(shared: &Shared, request: &Request<Incoming>) -> bool {
    let Ok(token) = std::fs::read_to_string(&shared.token_file) else { return false };
    let shown = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    shown.and_then(|shown| shown.strip_prefix("Bearer ")) == Some(token.trim())
}

fn status(code: u16, reason: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": reason, "reason": reason, "code": code})
}

fn json(status: StatusCode, body: &Value) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(body.to_string())).boxed_unsync());
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}

fn watch(shared: &Shared, asked: Asked) -> Reply {
    let body = match asked {
        Asked::Bulk => Endless { block: shared.block.clone() }.boxed_unsync(),
        Asked::Changes { object, after } => {
            let now = shared.pace.number_at(object, objects::now());
            let next = after.map_or(now, |number| number + 1);
            Watch { pace: shared.pace, object, next, until_due: None }.boxed_unsync()
        }
    };
    let mut reply = Response::new(body);
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}

struct Watch {
    pace: Pace,
    object: u64,
    next: u64,
    until_due: Option<Pin<Box<Sleep>>>,
}

impl Body for Watch {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            let wait = self.pace.due(self.object, self.next).saturating_sub(objects::now());
            if wait.is_zero() {
                self.until_due = None;
                let line = objects::line(self.object, self.next);
                self.next += 1;
                return Poll::Ready(Some(Ok(Frame::data(line))));
            }
            let until_due = self.until_due.get_or_insert_with(|| Box::pin(sleep(wait)));
            if until_due.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.until_due = None;
        }
    }
}

/// A watch that sends for as long as it is read.
struct Endless {
    block: Bytes,
}

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(self.block.clone()))))
    }
}
