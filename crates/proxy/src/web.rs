//! The web pages behind the web certificate: who we are, the authorities, and how to log in.

mod facts;
mod guard;
mod pages;

use std::{sync::Arc, time::Duration};

use axum::{Router, middleware, routing::get};
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use teleport_api::routes;
use teleport_net::TlsConn;
use teleport_runtime::Stop;
use tower_service::Service as _;

pub(crate) use facts::Facts;

/// How long a request's header may take to arrive.
const HEADER_DEADLINE: Duration = Duration::from_secs(10);
/// How long one connection may stay; nobody needs the few pages for longer.
const LIFETIME: Duration = Duration::from_secs(300);
/// How long a connection has for its last answers, after its lifetime or a stop.
const LAST_ANSWERS: Duration = Duration::from_secs(5);
/// Requests at a time on one HTTP/2 connection.
const STREAMS: u32 = 16;

/// The name a client asked for in its ClientHello.
#[derive(Clone, Debug)]
pub(crate) struct AskedFor(pub(crate) Option<Arc<str>>);

/// The pages, ready to serve.
#[derive(Clone)]
pub(crate) struct Web {
    app: Router,
}

impl Web {
    pub(crate) fn new(facts: Facts) -> Self {
        let transport = guard::Transport::for_host(facts.public_host());
        let app = Router::new()
            .route("/", get(pages::front))
            .route(routes::WEB_PING, get(pages::web_ping))
            .route("/webapi/find", get(pages::web_ping))
            .route(routes::PING, get(pages::ping))
            .route(routes::CAS, get(pages::cas))
            .fallback(pages::nothing_here)
            .layer(middleware::from_fn(guard::check_host))
            .layer(middleware::map_response_with_state(transport, guard::secure))
            .with_state(facts);
        Self { app }
    }

    /// Answers the requests of one connection until it ends, its time is over, or a stop is requested.
    pub(crate) async fn serve(&self, tls: TlsConn, stop: Stop) {
        let asked_for = AskedFor(tls.server_name().map(Arc::from));
        let app = self.app.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(asked_for.clone());
            app.clone().call(request)
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_DEADLINE);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .keep_alive_interval(HEADER_DEADLINE)
            .keep_alive_timeout(HEADER_DEADLINE);
        let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(tls), service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = async { tokio::select! { () = stop.requested() => {}, () = tokio::time::sleep(LIFETIME) => {} } } => {
                connection.as_mut().graceful_shutdown();
                match tokio::time::timeout(LAST_ANSWERS, connection).await {
                    Ok(ended) => ended,
                    Err(_) => return,
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a web connection broke");
        }
    }
}
