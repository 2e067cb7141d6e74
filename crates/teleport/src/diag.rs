//! The private port for machines that watch this one: `/healthz`, `/readyz`, `/metrics`.

use std::sync::Arc;

use axum::{Router, extract::State, http::StatusCode, http::header, response::IntoResponse, routing::get};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use prometheus_client::{metrics::gauge::Gauge, registry::Registry};
use teleport_net::Listener;
use teleport_runtime::{Stop, TaskGroup};

/// What the port tells.
pub struct Diagnostics {
    /// Metrics of every service.
    pub registry: Registry,
    /// Asked for each `/readyz`: `Err` says what is not ready.
    pub ready: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
}

/// The text form of metrics, as scrapers expect it.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers until told to stop.
pub async fn serve(listener: Listener, mut diagnostics: Diagnostics, stop: Stop) {
    let tasks = Gauge::default();
    diagnostics.registry.register("teleport_tasks", "Tasks of the process that are alive", tasks.clone());
    let app = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Arc::new((diagnostics, tasks)));
    let connections = TaskGroup::new("diag");
    loop {
        let conn = tokio::select! {
            () = stop.requested() => return,
            conn = listener.accept() => conn,
        };
        let service = TowerToHyperService::new(app.clone());
        connections.spawn("connection", async move {
            let mut server = auto::Builder::new(TokioExecutor::new());
            server.http1().timer(TokioTimer::new()).header_read_timeout(std::time::Duration::from_secs(10));
            if let Err(error) = server.serve_connection(TokioIo::new(conn), service).await {
                tracing::debug!(error = %error, "a diagnostics connection ended");
            }
        });
    }
}

type Shared = Arc<(Diagnostics, Gauge)>;

async fn readyz(State(shared): State<Shared>) -> impl IntoResponse {
    match (shared.0.ready)() {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(what) => (StatusCode::SERVICE_UNAVAILABLE, format!("{what}\n")),
    }
}

async fn metrics(State(shared): State<Shared>) -> impl IntoResponse {
    let (diagnostics, tasks) = &*shared;
    let alive = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    tasks.set(i64::try_from(alive).unwrap_or(i64::MAX));
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &diagnostics.registry) {
        Ok(()) => (StatusCode::OK, [(header::CONTENT_TYPE, OPENMETRICS)], text),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, "text/plain")], String::new()),
    }
}
