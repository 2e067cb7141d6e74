//! A small stand-in for a Kubernetes API server: what our own code distinguishes, and no more.
//!
//! Used by the whole-cluster tests and, through the `kubesim` binary, by the demo when the user has no cluster. Where it
//! differs from a real API server, it is wrong. It serves HTTPS on loopback; exec runs real processes on this host.
//!
//! The walk of a request is in `server`; `objects`, `watch`, `logs`, `reviews` and `stream` are where it ends.

#![allow(clippy::indexing_slicing, reason = "documents are `serde_json::Value`s, which answer a missing key with null")]

mod body;
pub(crate) mod certs;
mod control;
mod defaults;
mod discovery;
mod identity;
mod kinds;
pub(crate) mod kubeconfig;
mod logs;
mod objects;
mod openapi;
mod patch;
mod proto;
mod query;
mod rbac;
mod record;
mod render;
mod reviews;
mod route;
mod seed;
mod selector;
mod server;
mod status;
mod store;
mod stream;
mod table;
mod watch;

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context as _, Result};
use serde_json::Value;
use teleport_runtime::TaskGroup;
use tokio::net::TcpListener;

pub use control::Control;
pub use identity::Identity;
pub use record::Seen;

use kubeconfig::{Credential, Kubeconfig};

/// Name of the cluster and context in every kubeconfig of the simulator.
pub const NAME: &str = "kubesim";
/// The service account whose token [`KubeSim::kubeconfig_for_proxy`] holds; it may impersonate and little else.
pub const PROXY_SERVICE_ACCOUNT: &str = "system:serviceaccount:teleport:teleport";
/// The user of [`KubeSim::kubeconfig_for_proxy_certificate`], with the same rights.
pub const PROXY_USER: &str = "teleport-proxy";
/// The user of [`KubeSim::kubeconfig_for_admin`], a member of `system:masters`.
pub const ADMIN_USER: &str = "kubernetes-admin";

/// How long open connections get when the simulator goes down.
const GRACE: Duration = Duration::from_millis(200);

/// A running simulator; dropping it closes every connection.
pub struct KubeSim {
    /// Base URL, `https://127.0.0.1:<port>`.
    pub url: String,
    address: SocketAddr,
    authority: certs::Authority,
    proxy_token: String,
    shared: Arc<server::Shared>,
    serving: Mutex<Option<TaskGroup>>,
    _home: tempfile::TempDir,
}

impl KubeSim {
    /// Starts on a free loopback port with the seed of namespaces and pods.
    ///
    /// # Errors
    /// No port, no folder or no certificate can be had.
    pub async fn start() -> Result<Self> {
        Self::start_on(0).await
    }

    /// Starts on a loopback port, 0 for a free one.
    ///
    /// # Errors
    /// As [`KubeSim::start`].
    pub async fn start_on(port: u16) -> Result<Self> {
        let host = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let listener = TcpListener::bind((host, port)).await.context("listen on loopback")?;
        let address = listener.local_addr()?;
        let authority = certs::Authority::new()?;
        let tls = authority.server_config(vec![host])?;
        let home = tempfile::Builder::new().prefix("kubesim-").tempdir()?;
        let proxy_token = data_encoding::BASE64URL_NOPAD.encode(&teleport_runtime::random::bytes::<32>());
        let tokens = HashMap::from([(proxy_token.clone(), Identity::service_account("teleport", "teleport"))]);
        let store = Arc::new(store::Store::new());
        seed::fill(&store);
        let shared = Arc::new(server::Shared {
            store,
            logs: Arc::default(),
            tokens,
            record: record::Record::default(),
            control: Control::default(),
            tls: tokio_rustls::TlsAcceptor::from(Arc::new(tls)),
            root: home.path().to_owned(),
        });
        let serving = server::serve(Arc::clone(&shared), listener);
        Ok(Self {
            url: format!("https://{address}"),
            address,
            authority,
            proxy_token,
            shared,
            serving: Mutex::new(Some(serving)),
            _home: home,
        })
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the certificate that clients verify it with, as PEM.
    pub fn ca_pem(&self) -> String {
        self.authority.pem()
    }

    /// Returns the bearer token of [`PROXY_SERVICE_ACCOUNT`].
    pub fn proxy_token(&self) -> &str {
        &self.proxy_token
    }

    /// Returns the kubeconfig that a kubernetes service uses: a bearer token, one context named `kubesim`.
    pub fn kubeconfig_for_proxy(&self) -> String {
        self.kubeconfig("proxy", &Credential::Token(&self.proxy_token))
    }

    /// Returns the same with a client certificate of [`PROXY_USER`].
    ///
    /// # Errors
    /// The certificate cannot be made.
    pub fn kubeconfig_for_proxy_certificate(&self) -> Result<String> {
        self.kubeconfig_for_user(PROXY_USER, &[])
    }

    /// Returns a kubeconfig that may do everything, for comparing with what the proxy lets through.
    ///
    /// # Errors
    /// The certificate cannot be made.
    pub fn kubeconfig_for_admin(&self) -> Result<String> {
        self.kubeconfig_for_user(ADMIN_USER, &["system:masters"])
    }

    /// Returns a kubeconfig with a client certificate of any user in any groups.
    ///
    /// # Errors
    /// The certificate cannot be made.
    pub fn kubeconfig_for_user(&self, user: &str, groups: &[&str]) -> Result<String> {
        Ok(self.kubeconfig(user, &Credential::Certificate(&self.authority.client(user, groups)?)))
    }

    fn kubeconfig(&self, user: &str, credential: &Credential<'_>) -> String {
        Kubeconfig { cluster: NAME, server: &self.url, ca_pem: &self.authority.pem(), user, credential }.render()
    }

    /// Returns the requests seen so far, in order of their answers.
    pub fn requests(&self) -> Vec<Seen> {
        self.shared.record.all()
    }

    /// Forgets the requests seen so far.
    pub fn clear_requests(&self) {
        self.shared.record.clear();
    }

    /// Returns what tests can make it do.
    pub fn control(&self) -> &Control {
        &self.shared.control
    }

    /// Puts an object into the cluster as its administrator would, or replaces it; `None` for a kind that is not served.
    pub fn put(&self, resource: &str, namespace: &str, object: Value) -> Option<Value> {
        let kind = kinds::KINDS.iter().find(|kind| kind.plural == resource)?;
        let name = object["metadata"]["name"].as_str()?.to_owned();
        let Value::Object(mut object) = object else { return None };
        defaults::on_create(kind, &mut object, namespace, &name);
        let key = objects::key(kind, namespace, &name);
        let object = Value::Object(object);
        match self.shared.store.create(key.clone(), object.clone()) {
            Ok(stored) => Some(stored),
            Err(_) => self.shared.store.update(&key, object).ok(),
        }
    }

    /// Returns an object as it is stored.
    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        let kind = kinds::KINDS.iter().find(|kind| kind.plural == resource)?;
        self.shared.store.get(&objects::key(kind, namespace, name))
    }

    /// Adds a line to a pod's log; followers see it at once.
    pub fn append_log(&self, namespace: &str, pod: &str, line: &str) {
        self.shared.logs.append(namespace, pod, line);
    }

    /// Forgets the history of changes, so that old watches get 410.
    pub fn compact(&self) {
        self.shared.store.compact();
    }

    /// Goes down: the port refuses and open connections are cut. Objects stay.
    pub async fn down(&self) {
        let serving = self.serving.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(serving) = serving {
            serving.drain(GRACE).await;
        }
    }

    /// Comes back on the same port.
    ///
    /// # Errors
    /// The port was taken in between.
    pub async fn up(&self) -> Result<()> {
        let listener = TcpListener::bind(self.address).await.context("listen again")?;
        let serving = server::serve(Arc::clone(&self.shared), listener);
        *self.serving.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(serving);
        Ok(())
    }
}
