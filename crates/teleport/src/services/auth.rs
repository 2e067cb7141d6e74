//! Starts and stops the auth service of this process.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use teleport_audit::{Emitter, WriterInfo, ship, store::LocalSink};
use teleport_auth::{Auth, Parts};
use teleport_backend::{Sqlite, sqlite::Options};
use teleport_net::{Listener, MemoryDialer, UnixListener, memory};
use teleport_runtime::{Clock, TaskGroup};
use teleport_types::ServiceKind;

use super::host_id;
use crate::{
    config::{AuthConfig, Config},
    ctl::SOCKET_NAME,
};

/// The auth service of this process, with what belongs to it.
pub(super) struct AuthHere {
    auth: Auth,
    addr: SocketAddr,
    dialer: MemoryDialer,
    shipping: TaskGroup,
}

impl AuthHere {
    pub(super) async fn start(config: &Config, here: &AuthConfig, clock: &Clock) -> Result<Self> {
        let data_dir = &config.data_dir;
        let backend = Sqlite::open(Options::new(data_dir.join("backend/teleport.db"), clock.clone())).await?;
        let server = host_id::load(data_dir)?;
        let info = WriterInfo { cluster: here.cluster_name.clone(), server: server.clone() };
        let emitter = Emitter::open(&data_dir.join("spool/auth"), clock.clone(), info)?;
        let auth_config = teleport_auth::Config {
            cluster_name: here.cluster_name.clone(),
            secrets_key_file: here.secrets_key_file.clone(),
            audit_dir: data_dir.join("audit"),
            tokens: here.tokens.clone(),
            preference: here.preference.clone(),
            limits: teleport_auth::Limits::default(),
        };
        let parts =
            Parts { backend: Arc::new(backend), clock: clock.clone(), emitter: emitter.clone(), outlets: Vec::new() };
        let auth = Auth::start(auth_config, parts).await?;
        let listener = Listener::bind(&here.listen_addr.to_string()).await.context("auth_service.listen_addr")?;
        let local = UnixListener::bind(&data_dir.join(SOCKET_NAME)).await.context("the socket of tctl")?;
        let (dialer, in_process) = memory::pair("auth");
        let addr = listener.addr();
        auth.serve(listener);
        auth.serve(in_process);
        auth.serve_local(local, rustix::process::geteuid().as_raw());
        let shipping = TaskGroup::new("auth-shipping");
        let sink = LocalSink::new(auth.archive(), server);
        shipping.spawn("ship", ship::run(emitter, sink, shipping.stop_signal()));
        Ok(Self { auth, addr, dialer, shipping })
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(super) fn auth(&self) -> &Auth {
        &self.auth
    }

    pub(super) fn dialer(&self) -> &MemoryDialer {
        &self.dialer
    }

    /// Returns a token with which the other services of this process join.
    pub(super) fn token(&self) -> String {
        self.auth.token_for_this_process(&[ServiceKind::Proxy, ServiceKind::Kube])
    }

    /// Stops, the audit log last.
    pub(super) async fn stop(self, grace: Duration) {
        self.auth.stop(grace).await;
        self.shipping.drain(Duration::from_secs(6)).await;
        self.auth.sign_audit_heads().await;
    }
}
