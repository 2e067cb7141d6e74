//! The auth service: what it is made of, how it starts, takes connections and stops.

use std::{sync::Arc, time::Duration};

use teleport_api::messages::CaBundle;
use teleport_audit::{
    Emitter,
    store::{Outlet, Store as Archive},
};
use teleport_backend::Backend;
use teleport_net::{Accept, Conn, UnixListener, unix::LocalConn};
use teleport_pki::SharedTrust;
use teleport_runtime::{Clock, Stop, TaskGroup};
use teleport_types::{
    AnyResource, AuthPreference, ClusterName, Kind, ServiceKind,
    auth_preference::{AUTH_PREFERENCE_NAME, AuthPreferenceSpec},
};

use crate::{
    AuthError, Config,
    ca::Authorities,
    intake,
    join::FixedTokens,
    password::Passwords,
    secrets::SecretsKey,
    server::Server,
    store::{Documents, Store},
    throttle::Throttle,
};

/// The label that marks login settings taken from the configuration file.
const ORIGIN: (&str, &str) = ("teleport.dev/origin", "config-file");

/// What the auth service is given by the daemon.
#[derive(Debug)]
pub struct Parts {
    /// Where state is kept.
    pub backend: Arc<dyn Backend>,
    /// Decides what has expired.
    pub clock: Clock,
    /// Where events of this service are written; the daemon ships its spool to [`Auth::archive`].
    pub emitter: Emitter,
    /// Get a copy of every audit record.
    pub outlets: Vec<Outlet>,
}

/// What every request needs.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) documents: Documents,
    pub(crate) authorities: Arc<Authorities>,
    pub(crate) secrets: SecretsKey,
    pub(crate) passwords: Passwords,
    pub(crate) throttle: Throttle,
    pub(crate) fixed_tokens: FixedTokens,
    pub(crate) emitter: Emitter,
    pub(crate) archive: Archive,
    pub(crate) config: Config,
    /// Tasks that live longer than one request: watches, exports.
    pub(crate) streams: TaskGroup,
}

impl Core {
    /// Returns the login settings that hold.
    pub(crate) async fn preference(&self) -> Result<AuthPreferenceSpec, AuthError> {
        Ok(match &self.config.preference {
            Some(preference) => preference.clone(),
            None => self.documents.preference().await?.map(|stored| stored.spec).unwrap_or_default(),
        })
    }

    /// Returns how long a login lasts when nobody says.
    pub(crate) async fn default_ttl(&self) -> Result<Duration, AuthError> {
        Ok(self.preference().await?.default_session_ttl.get())
    }
}

/// The running auth service. Clones are handles on the same one.
#[derive(Clone, Debug)]
pub struct Auth {
    core: Arc<Core>,
    server: Server,
    tasks: TaskGroup,
}

impl Auth {
    /// Starts the service: opens or makes the cluster's authorities; takes no connections yet.
    ///
    /// # Errors
    /// One line for the operator: a renamed cluster, a missing or wrong secrets key, a store that cannot be read.
    pub async fn start(config: Config, parts: Parts) -> Result<Self, AuthError> {
        let Parts { backend, clock, emitter, outlets } = parts;
        let store = Store::new(backend);
        let documents = Documents::new(store.clone());
        let (authorities, secrets) = Authorities::open(&config, &store, &clock).await?;
        let (audit_dir, audit_clock) = (config.audit_dir.clone(), clock.clone());
        let opening = tokio::task::spawn_blocking(move || {
            Ok::<_, AuthError>((Archive::open(&audit_dir, audit_clock, outlets)?, Passwords::new()?))
        });
        let (archive, passwords) = opening.await.map_err(|_| AuthError::Worker)??;
        keep_preference(&config, &documents).await?;
        let core = Arc::new(Core {
            fixed_tokens: FixedTokens::new(&config.tokens, &secrets),
            throttle: Throttle::new(clock.clone()),
            authorities: Arc::new(authorities),
            streams: TaskGroup::new("auth-streams"),
            clock: clock.clone(),
            store,
            documents,
            secrets,
            passwords,
            emitter,
            archive,
            config,
        });
        let tasks = TaskGroup::new("auth");
        tasks.spawn("heads", intake::sign_heads(Arc::clone(&core), clock, tasks.stop_signal()));
        let server = Server::new(Arc::clone(&core))?;
        Ok(Self { core, server, tasks })
    }

    /// Returns the cluster's name.
    pub fn cluster(&self) -> &ClusterName {
        &self.core.authorities.cluster
    }

    /// Returns the authorities, for services of this process that verify by them.
    pub fn trust(&self) -> SharedTrust {
        self.core.authorities.trust.clone()
    }

    /// Returns the authorities' certificates.
    pub fn cas(&self) -> CaBundle {
        self.core.authorities.bundle.clone()
    }

    /// Returns where audit records go, for the task that ships this process's spool.
    pub fn archive(&self) -> Archive {
        self.core.archive.clone()
    }

    /// Makes a join token for services of this process: it grants every Kubernetes cluster and dies with the process.
    pub fn token_for_this_process(&self, kinds: &[ServiceKind]) -> String {
        self.core.fixed_tokens.for_this_process(kinds, &self.core.secrets)
    }

    /// Takes a connection from its ClientHello on: for auth's own name, or for a Kubernetes name that nobody serves. One
    /// that is too many is closed, which costs less than letting it wait.
    pub fn accept(&self, conn: Conn) {
        let Some(place) = self.server.place(&conn) else { return };
        let server = self.server.clone();
        self.tasks.spawn("connection", server.serve_tls(conn, place, self.tasks.stop_signal()));
    }

    /// Takes a connection of the admin tool on this host. Only for peers that run as root or as the daemon.
    pub fn accept_local(&self, conn: LocalConn) {
        let server = self.server.clone();
        self.tasks.spawn("local connection", server.serve_local(conn, self.tasks.stop_signal()));
    }

    /// Takes every connection of a listener until the service stops.
    pub fn serve(&self, mut listener: impl Accept + 'static) {
        let (auth, stop) = (self.clone(), self.tasks.stop_signal());
        self.tasks.spawn("listener", async move {
            while let Some(conn) = until(&stop, listener.accept()).await.flatten() {
                auth.accept(conn);
            }
        });
    }

    /// Takes every connection of the admin tool's socket until the service stops; other users' are dropped.
    pub fn serve_local(&self, listener: UnixListener, own_uid: u32) {
        let (auth, stop) = (self.clone(), self.tasks.stop_signal());
        self.tasks.spawn("local listener", async move {
            while let Some(local) = until(&stop, listener.accept()).await {
                if local.uid == 0 || local.uid == own_uid {
                    auth.accept_local(local);
                } else {
                    tracing::warn!(uid = local.uid, "a connection to the admin socket was refused");
                }
            }
        });
    }

    /// Stops: lets requests finish for at most `grace`, cuts the rest, closes the store.
    pub async fn stop(&self, grace: Duration) {
        self.core.streams.request_stop();
        self.tasks.drain(grace).await;
        self.core.streams.drain(Duration::from_secs(5)).await;
        if let Err(error) = self.core.store.backend().close().await {
            tracing::error!(%error, "the store did not close in order");
        }
    }

    /// Signs the heads of the audit log; for the very end, once the last records have been shipped.
    pub async fn sign_audit_heads(&self) {
        intake::sign_once(&self.core).await;
    }
}

async fn until<T>(stop: &Stop, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        () = stop.requested() => None,
        done = work => Some(done),
    }
}

/// The file wins: its settings are stored so that they can be read, and go when the file no longer has them.
async fn keep_preference(config: &Config, documents: &Documents) -> Result<(), AuthError> {
    let stored = documents.preference().await?;
    let from_file = |stored: &AuthPreference| stored.metadata.labels.get(ORIGIN.0).is_some_and(|v| v == ORIGIN.1);
    let refused =
        |error: teleport_api::ApiError| AuthError::Corrupt { what: "login settings".to_owned(), source: error.into() };
    match &config.preference {
        Some(spec) => {
            let mut document = AuthPreference::named(AUTH_PREFERENCE_NAME, spec.clone());
            document.metadata.labels.insert(ORIGIN.0.to_owned(), ORIGIN.1.to_owned());
            documents.put(&AnyResource::AuthPreference(document)).await.map(drop).map_err(refused)
        }
        None if stored.as_ref().is_some_and(from_file) => {
            documents.delete(Kind::AuthPreference, AUTH_PREFERENCE_NAME).await.map_err(refused)
        }
        None => Ok(()),
    }
}
