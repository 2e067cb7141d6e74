//! What the pages say, asked from auth now and then: a page never waits for auth, and auth never for a page.

use std::{sync::Arc, time::Duration};

use teleport_api::{
    Client, ClientError,
    messages::{
        CaBundle, Ping,
        web::{KubeOffer, ProxyOffer, WebOffer, WebPing},
    },
};
use teleport_runtime::{Backoff, Stop};
use teleport_types::ClusterName;
use tokio::sync::watch;

/// How often auth is asked; a new authority is seen here this much later.
const FRESH: Duration = Duration::from_secs(10);

/// The current facts; clones see the same.
#[derive(Clone)]
pub(crate) struct Facts {
    public_addr: Arc<str>,
    cluster: ClusterName,
    told: Arc<watch::Sender<Option<Arc<Told>>>>,
}

/// What auth told.
pub(crate) struct Told {
    pub(crate) ping: Ping,
    pub(crate) cas: CaBundle,
}

impl Facts {
    pub(crate) fn new(cluster: ClusterName, public_addr: String) -> Self {
        Self { public_addr: public_addr.into(), cluster, told: Arc::new(watch::Sender::new(None)) }
    }

    /// Returns the cluster's name.
    pub(crate) fn cluster(&self) -> &ClusterName {
        &self.cluster
    }

    /// Returns `host:port` that clients are told to use.
    pub(crate) fn public_addr(&self) -> &str {
        &self.public_addr
    }

    /// Returns the host of the public address.
    pub(crate) fn public_host(&self) -> &str {
        crate::certificate::host(&self.public_addr)
    }

    /// Returns what auth told last; `None` before the first time.
    pub(crate) fn told(&self) -> Option<Arc<Told>> {
        self.told.borrow().clone()
    }

    /// Tells whether auth has told anything yet.
    pub(crate) fn known(&self) -> bool {
        self.told.borrow().is_some()
    }

    /// Asks auth until told to stop. While auth is away, what it told last stands.
    pub(crate) async fn follow(self, client: Client, stop: Stop) {
        let mut backoff = Backoff::new(Duration::from_millis(100), FRESH);
        loop {
            let wait = match ask(&client).await {
                Ok(told) => {
                    self.told.send_replace(Some(Arc::new(told)));
                    backoff.reset();
                    FRESH
                }
                Err(error) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "auth does not answer, trying again");
                    backoff.next_wait()
                }
            };
            tokio::select! {
                () = stop.requested() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}

async fn ask(client: &Client) -> Result<Told, ClientError> {
    Ok(Told { ping: client.ping().await?, cas: client.cas().await? })
}

impl Told {
    /// Returns the answer of `/webapi/ping`.
    pub(crate) fn web_ping(&self, public_addr: &str) -> WebPing {
        WebPing {
            auth: self.ping.auth.clone(),
            proxy: ProxyOffer {
                kube: KubeOffer { enabled: true, public_addr: public_addr.to_owned() },
                ssh: WebOffer { public_addr: public_addr.to_owned() },
                tls_routing_enabled: true,
            },
            server_version: self.ping.server_version.clone(),
            cluster_name: self.ping.cluster_name.clone(),
        }
    }
}
