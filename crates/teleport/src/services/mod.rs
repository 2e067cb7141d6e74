//! Introduces the services of this process to one another. The only place that knows them all.

mod auth;
mod edge;
mod host_id;

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result};
use prometheus_client::registry::Registry;
use teleport_net::Listener;
use teleport_runtime::{Clock, TaskGroup, atomic_file};

use crate::{
    config::{AuthPlace, Config},
    diag::{self, Diagnostics},
    join::Anchor,
};
use auth::AuthHere;
use edge::{AuthWay, Edge};

/// How long open connections may go on after TERM.
const SHORT_GRACE: Duration = Duration::from_secs(5);
/// How long open connections may go on after QUIT: no login lasts longer.
const LONG_GRACE: Duration = Duration::from_secs(30 * 3600);
/// How long the start waits for services to be ready.
const START: Duration = Duration::from_secs(15);
/// How long a request may take to finish once nobody needs the service any more.
const FINISH: Duration = Duration::from_secs(5);

/// Asked by `/readyz`: `Err` says what is not ready.
pub(crate) type Readiness = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The services of this process.
pub struct Process {
    auth: Option<AuthHere>,
    edge: Option<Edge>,
    diag: TaskGroup,
    diag_addr: Option<SocketAddr>,
}

/// Runs what the configuration names until a signal ends it.
///
/// # Errors
/// One line for the operator: what could not start, and why.
pub async fn run(config: Config) -> Result<()> {
    let mut signals = Signals::listen()?;
    let process = tokio::select! {
        started = Process::start(config, Clock::system()) => started?,
        _ = signals.next() => return Ok(()),
    };
    tracing::info!(
        auth = process.auth_addr().map(tracing::field::display),
        proxy = process.proxy_addr().map(tracing::field::display),
        diag = process.diag_addr.map(tracing::field::display),
        "teleport is ready"
    );
    let grace = signals.next().await;
    tracing::info!(grace = ?grace, "stopping");
    tokio::select! {
        () = process.stop(grace) => tracing::info!("stopped"),
        _ = signals.next() => tracing::warn!("stopped at once by a second signal"),
    }
    Ok(())
}

impl Process {
    /// Starts the services.
    ///
    /// # Errors
    /// One line for the operator: what could not start, and why.
    pub async fn start(config: Config, clock: Clock) -> Result<Self> {
        atomic_file::private_folder(&config.data_dir)
            .with_context(|| format!("cannot make the data directory {}", config.data_dir.display()))?;
        let mut registry = Registry::default();
        let mut readiness: Vec<Readiness> = Vec::new();
        let (auth, way) = match &config.auth {
            AuthPlace::Here(here) => {
                let auth = AuthHere::start(&config, here, &clock).await?;
                let way = AuthWay::here(&auth);
                (Some(auth), way)
            }
            AuthPlace::Elsewhere(remote) => (None, AuthWay::there(remote)),
        };
        let edge = match Edge::start(&config, way, &clock).await {
            Ok(edge) => edge,
            Err(error) => {
                if let Some(auth) = auth {
                    auth.stop(FINISH).await;
                }
                return Err(error);
            }
        };
        let mut edge = edge;
        if let Some(edge) = &mut edge {
            edge.register(&mut registry, &mut readiness);
            if tokio::time::timeout(START, edge.ready(&readiness)).await.is_err() {
                tracing::warn!("some services are not ready yet; /readyz and the lines above say which");
            }
        }
        let diag = TaskGroup::new("diagnostics");
        let diag_addr = match config.diag_addr {
            Some(addr) => Some(serve_diagnostics(addr, registry, readiness, &diag).await?),
            None => None,
        };
        Ok(Self { auth, edge, diag, diag_addr })
    }

    /// Returns where the proxy listens.
    pub fn proxy_addr(&self) -> Option<SocketAddr> {
        self.edge.as_ref().and_then(Edge::proxy_addr)
    }

    /// Returns where auth listens for other hosts.
    pub fn auth_addr(&self) -> Option<SocketAddr> {
        self.auth.as_ref().map(AuthHere::addr)
    }

    /// Stops: new work is refused, what runs may end within `grace` and is cut then; audit closes last.
    pub async fn stop(self, grace: Duration) {
        if let Some(edge) = self.edge {
            edge.stop(grace).await;
        }
        if let Some(auth) = self.auth {
            auth.stop(FINISH).await;
        }
        self.diag.drain(Duration::from_secs(1)).await;
    }
}

async fn serve_diagnostics(
    addr: SocketAddr,
    registry: Registry,
    readiness: Vec<Readiness>,
    tasks: &TaskGroup,
) -> Result<SocketAddr> {
    let listener = Listener::bind(&addr.to_string()).await.context("teleport.diag_addr")?;
    let bound = listener.addr();
    let ready = Box::new(move || readiness.iter().try_for_each(|ready| ready()));
    tasks.spawn("server", diag::serve(listener, Diagnostics { registry, ready }, tasks.stop_signal()));
    Ok(bound)
}

/// The signals that end the process.
struct Signals {
    term: tokio::signal::unix::Signal,
    int: tokio::signal::unix::Signal,
    quit: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let on = |kind| signal(kind).context("cannot listen to signals");
        Ok(Self {
            term: on(SignalKind::terminate())?,
            int: on(SignalKind::interrupt())?,
            quit: on(SignalKind::quit())?,
        })
    }

    /// Waits for the next one and returns how long open connections may go on.
    async fn next(&mut self) -> Duration {
        tokio::select! {
            _ = self.term.recv() => SHORT_GRACE,
            _ = self.int.recv() => SHORT_GRACE,
            _ = self.quit.recv() => LONG_GRACE,
        }
    }
}

/// How services that are not auth trust it at the first contact.
fn pinned(pins: &[String]) -> Anchor {
    Anchor::Pins(pins.to_vec())
}
