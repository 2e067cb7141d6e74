//! Telling auth which clusters are served here, and keeping a server certificate for each.
//!
//! One task for the life of the service. The names that auth grants are published; the proxy routes by them. A cluster
//! whose API cannot be reached is announced all the same, so that its users get a sentence and not a TLS alert.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use teleport_api::{
    Client, ClientError,
    messages::service::{HEARTBEAT_TTL, KubeAnnouncement, KubeCertRequest, KubeHeartbeat, KubeIdentity},
};
use teleport_pki::{KeyPair, PkiError, pem, tls::Certificates};
use teleport_runtime::{Backoff, Clock, Stop};
use teleport_types::{ClusterName, KubeClusterName, sni::InternalName};
use tokio::sync::watch;

use crate::upstream::{ClusterIdentity, Upstream};

/// How long the farewell may take when the service stops.
const FAREWELL: Duration = Duration::from_secs(2);

/// What is announced, and to whom.
pub struct Registration {
    /// Speaks to auth as this service.
    pub client: Client,
    /// The Teleport cluster.
    pub cluster: ClusterName,
    /// The host's name, for people.
    pub node_name: String,
    /// The clusters, with their labels.
    pub clusters: Vec<(Upstream, BTreeMap<String, String>)>,
    /// Where the server certificates go.
    pub certificates: Certificates,
    /// Where the granted names go.
    pub served: watch::Sender<BTreeSet<KubeClusterName>>,
    /// The clock.
    pub clock: Clock,
}

/// Why a round with auth failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Auth(#[from] ClientError),
    #[error("auth answered with a certificate that cannot be used")]
    Certificate(#[from] PkiError),
}

/// What is known from earlier rounds.
#[derive(Default)]
struct Known {
    identities: BTreeMap<KubeClusterName, KubeIdentity>,
    /// When each certificate is due for renewal.
    renewals: BTreeMap<KubeClusterName, Timestamp>,
    /// Refusals that have been logged, so that each is said once.
    refused: BTreeMap<String, String>,
}

impl Registration {
    /// Announces, again and again, until told to stop; withdraws then.
    pub async fn run(self, stop: Stop) {
        let mut known = Known::default();
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
        loop {
            let wait = match self.round(&mut known).await {
                Ok(()) => {
                    backoff.reset();
                    HEARTBEAT_TTL / 3
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "the Kubernetes clusters could not be announced, trying again");
                    backoff.next_wait()
                }
            };
            tokio::select! {
                () = stop.requested() => break,
                () = tokio::time::sleep(wait) => {}
            }
        }
        let farewell = KubeHeartbeat { node_name: self.node_name.clone(), clusters: Vec::new() };
        if !matches!(tokio::time::timeout(FAREWELL, self.client.announce_kube(&farewell)).await, Ok(Ok(_))) {
            tracing::debug!("auth was not told that the clusters are gone; their announcements lapse");
        }
    }

    async fn round(&self, known: &mut Known) -> Result<(), Failure> {
        self.learn_identities(known).await;
        let clusters = self.clusters.iter().map(|(upstream, labels)| KubeAnnouncement {
            name: upstream.name().clone(),
            labels: labels.clone(),
            identity: known.identities.get(upstream.name()).cloned().unwrap_or_default(),
        });
        let heartbeat = KubeHeartbeat { node_name: self.node_name.clone(), clusters: clusters.collect() };
        let refused = self.client.announce_kube(&heartbeat).await?.refused;
        for (name, reason) in &refused {
            if known.refused.get(name) != Some(reason) {
                tracing::error!(kube_cluster = name, reason, "auth does not let this service serve the cluster");
            }
        }
        let granted: BTreeSet<_> = self
            .clusters
            .iter()
            .map(|(upstream, _)| upstream.name())
            .filter(|name| !refused.contains_key(name.as_str()))
            .cloned()
            .collect();
        known.refused = refused;
        for name in &granted {
            self.keep_certificate(known, name).await?;
        }
        self.served.send_if_modified(|served| {
            let changed = *served != granted;
            *served = granted;
            changed
        });
        Ok(())
    }

    /// Asks each cluster that has not said yet what tells it from every other. None holds up the others for long.
    async fn learn_identities(&self, known: &mut Known) {
        const PATIENCE: Duration = Duration::from_secs(3);
        let unknown = self.clusters.iter().filter(|(upstream, _)| !known.identities.contains_key(upstream.name()));
        let asked = unknown.map(|(upstream, _)| async {
            let identity = tokio::time::timeout(PATIENCE, upstream.identity()).await;
            (upstream.name().clone(), identity.ok().and_then(Result::ok))
        });
        for (name, identity) in futures_util::future::join_all(asked).await {
            if let Some(identity) = identity {
                let ClusterIdentity { kube_system_uid, api_authority } = identity;
                known.identities.insert(name, KubeIdentity { kube_system_uid, api_authority });
            }
        }
    }

    /// Asks for a certificate when there is none or two thirds of its life are over.
    async fn keep_certificate(&self, known: &mut Known, name: &KubeClusterName) -> Result<(), Failure> {
        let now = self.clock.now();
        if known.renewals.get(name).is_some_and(|due| now < *due) {
            return Ok(());
        }
        let key = KeyPair::generate();
        let request = KubeCertRequest { kube_cluster: name.clone(), public_key: key.public().to_pem() };
        let issued = self.client.kube_certificate(&request).await?;
        let certified = key.certified(pem::certificates(issued.certificate.as_bytes())?)?;
        self.certificates.set(&InternalName::kube(name, &self.cluster).host(), certified);
        let life = Duration::try_from(issued.expires.duration_since(now)).unwrap_or_default();
        known.renewals.insert(name.clone(), now.saturating_add(life * 2 / 3).unwrap_or(issued.expires));
        Ok(())
    }
}
