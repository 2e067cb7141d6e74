//! The walk of a request: accept → TLS → who → impersonation → what → allowed → answer, recorded on every end.

use std::{collections::HashMap, convert::Infallible, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use teleport_runtime::{Stop, TaskGroup};
use tokio::net::{TcpListener, TcpStream};

use super::{
    body::{self, Reply},
    certs,
    control::Control,
    discovery,
    identity::{self, Identity},
    kinds::Use,
    logs::Logs,
    objects::{self, Ask},
    query::Query,
    rbac,
    record::{Record, Seen},
    reviews,
    route::{self, Route, Target},
    status::Status,
    store::Store,
    stream, watch,
};

/// How long a TLS handshake, and a request's body, may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
const BODY_DEADLINE: Duration = Duration::from_secs(30);
/// Longest request body, as the API server's.
const MAX_BODY: usize = 3 << 20;

/// What all connections share.
pub(super) struct Shared {
    pub(super) store: Arc<Store>,
    pub(super) logs: Arc<Logs>,
    pub(super) tokens: HashMap<String, Identity>,
    pub(super) record: Record,
    pub(super) control: Control,
    pub(super) tls: tokio_rustls::TlsAcceptor,
    /// Folder in which each pod has one of its own.
    pub(super) root: PathBuf,
}

/// One connection's part of the walk.
struct Connection {
    shared: Arc<Shared>,
    certificate: Option<Identity>,
    tasks: TaskGroup,
}

/// Accepts connections until the returned group is drained or dropped.
pub(super) fn serve(shared: Arc<Shared>, listener: TcpListener) -> TaskGroup {
    let tasks = TaskGroup::new("kubesim");
    let streams = TaskGroup::new("kubesim streams");
    let stop = tasks.stop_signal();
    tasks.spawn("accept", async move {
        let connections = streams.clone();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((socket, _)) => {
                        let connection = connection(Arc::clone(&shared), socket, connections.clone(), connections.stop_signal());
                        connections.spawn("connection", connection);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "accept failed");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                },
                () = stop.requested() => break,
            }
        }
        drop(listener);
        streams.drain(Duration::ZERO).await;
    });
    tasks
}

async fn connection(shared: Arc<Shared>, socket: TcpStream, tasks: TaskGroup, stop: Stop) {
    // Latency matters more than packets: watches and terminals.
    let _ = socket.set_nodelay(true);
    let handshake = shared.tls.accept(socket);
    let Ok(Ok(tls)) = tokio::time::timeout(HANDSHAKE, handshake).await else { return };
    let certificate = tls.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let certificate = certificate.and_then(|certificate| certs::identity_of(certificate));
    let connection = Arc::new(Connection { shared, certificate, tasks });
    let service = service_fn(move |request| {
        let connection = Arc::clone(&connection);
        async move { Ok::<_, Infallible>(connection.answer(request).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().max_headers(1024).max_buf_size(1 << 20);
    builder.http2().timer(TokioTimer::new()).max_header_list_size(1 << 20).initial_connection_window_size(16 << 20);
    tokio::select! {
        // How a connection ends is the client's business.
        _ = builder.serve_connection_with_upgrades(TokioIo::new(tls), service) => {}
        () = stop.requested() => {}
    }
}

impl Connection {
    async fn answer(&self, request: Request<Incoming>) -> Reply {
        let mut seen = Seen {
            method: request.method().clone(),
            path: request.uri().path_and_query().map_or_else(|| request.uri().path().to_owned(), ToString::to_string),
            version: request.version(),
            headers: request.headers().clone(),
            identity: None,
            code: 0,
        };
        let mut reply = match self.walk(request, &mut seen.identity).await {
            Ok(reply) => reply,
            Err(status) => status.reply(),
        };
        let id = HeaderValue::from_str(&uuid::Uuid::new_v4().to_string());
        if let Ok(id) = id {
            reply.headers_mut().insert("audit-id", id);
        }
        seen.code = reply.status().as_u16();
        self.shared.record.add(seen);
        reply
    }

    async fn walk(&self, request: Request<Incoming>, who: &mut Option<Identity>) -> Result<Reply, Status> {
        let faults = self.shared.control.now();
        if let Some(delay) = faults.delay {
            tokio::time::sleep(delay).await;
        }
        if let Some(location) = faults.redirect {
            let mut reply = body::empty(StatusCode::TEMPORARY_REDIRECT);
            reply.headers_mut().insert(header::LOCATION, location);
            return Ok(reply);
        }
        if let Some(code) = faults.failure {
            return Ok(body::whole(code, "text/plain; charset=utf-8", ""));
        }
        let asking = identity::authenticate(&self.shared.tokens, request.headers(), self.certificate.as_ref())?;
        let identity = identity::impersonate(asking, request.headers(), |identity, target| {
            self.allows(identity, "impersonate", target)
        })?;
        *who = Some(identity.clone());
        let query = Query::parse(request.uri().query());
        match route::parse(request.uri().path()) {
            Route::Path(path) => path_answer(&identity, request.method(), &path, request.headers()),
            Route::Resource(target) => self.resource(&identity, target, &query, request).await,
        }
    }

    fn allows(&self, identity: &Identity, verb: &str, target: &Target) -> bool {
        let denied = verb == "impersonate" && self.shared.control.now().impersonation_denied;
        !denied && rbac::allows(identity, verb, target)
    }

    async fn resource(
        &self,
        identity: &Identity,
        target: Target,
        query: &Query,
        request: Request<Incoming>,
    ) -> Result<Reply, Status> {
        let mut asked = target.clone();
        let verb = route::verb(request.method(), &mut asked, query);
        if !self.allows(identity, verb, &asked) {
            return Err(Status::forbidden(identity, verb, &asked));
        }
        let kind = target.kind().ok_or_else(Status::unknown_resource)?;
        if !target.subresource.is_empty() && !kind.subresources.iter().any(|(name, ..)| *name == target.subresource) {
            return Err(Status::unknown_resource());
        }
        if kind.plural == "pods" && !matches!(target.subresource.as_str(), "" | "status") {
            return self.pod_stream(&target, query, request);
        }
        if verb == "watch" {
            let ask =
                watch::Ask { store: &self.shared.store, kind, target: &target, query, headers: request.headers() };
            return watch::answer(&ask, &self.tasks);
        }
        let (parts, incoming) = request.into_parts();
        let body = read(incoming).await?;
        if kind.use_ == Use::Review {
            if parts.method != Method::POST {
                return Err(Status::method_not_allowed());
            }
            let document = objects::document(&parts.headers, &body)?;
            return reviews::answer(&target, identity, document, |identity, verb, target| {
                self.allows(identity, verb, target)
            });
        }
        let ask = Ask { store: &self.shared.store, kind, target: &target, query, headers: &parts.headers, body };
        let reply = ask.answer(&parts.method, target.name.is_empty())?;
        if parts.method == Method::DELETE && kind.plural == "pods" {
            self.shared.logs.forget(target.namespace.as_deref().unwrap_or_default(), &target.name);
        }
        Ok(reply)
    }

    /// Answers `log`, `exec`, `attach` and `portforward`, which all need the pod to be there.
    fn pod_stream(&self, target: &Target, query: &Query, request: Request<Incoming>) -> Result<Reply, Status> {
        let kind = target.kind().ok_or_else(Status::unknown_resource)?;
        let namespace = target.namespace.as_deref().unwrap_or_default();
        let key = objects::key(kind, namespace, &target.name);
        let pod = self.shared.store.get(&key).ok_or_else(|| Status::not_found(target, &target.name))?;
        if target.subresource == "log" {
            return Ok(self.shared.logs.answer((namespace, &target.name), query, &self.tasks));
        }
        let context =
            stream::Context { logs: &self.shared.logs, root: self.shared.root.clone(), tasks: &self.tasks, pod: &pod };
        stream::answer(&context, target, query, request)
    }
}

fn path_answer(identity: &Identity, method: &Method, path: &str, headers: &HeaderMap) -> Result<Reply, Status> {
    let verb = method.as_str().to_ascii_lowercase();
    if !rbac::allows_path(identity, &verb, path) {
        return Err(Status::forbidden_path(identity, &verb, path));
    }
    let accept: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    discovery::answer(path, &accept.join(","))
}

async fn read(incoming: Incoming) -> Result<Bytes, Status> {
    let collected = tokio::time::timeout(BODY_DEADLINE, Limited::new(incoming, MAX_BODY).collect());
    match collected.await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) => Err(Status::bad_request(format!("the request body cannot be read: {error}"))),
        Err(_) => Err(Status::bad_request("the request body did not arrive in time")),
    }
}
