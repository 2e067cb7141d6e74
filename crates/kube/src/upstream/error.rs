//! Why an upstream gave no answer, by whose fault.

use std::{fmt, sync::Arc, time::Duration};

use teleport_net::NetError;
use teleport_types::KubeClusterName;

use super::CredentialError;

/// An exchange with a Kubernetes API that gave no answer.
///
/// `Display` is for the log; [`UpstreamError::client_text`] for the client.
#[derive(Clone, Debug)]
pub struct UpstreamError {
    cluster: KubeClusterName,
    target: Arc<str>,
    fault: Fault,
}

/// Where it went wrong.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Nobody answers there.
    #[error("it cannot be reached")]
    Dial(#[source] Arc<NetError>),
    /// The server is not who it should be, or does not like our certificate.
    #[error("TLS failed: {reason}")]
    Tls {
        /// In plain words.
        reason: String,
        /// What TLS said.
        #[source]
        source: Arc<NetError>,
    },
    /// We have nothing to prove who we are.
    #[error("there is no credential for it")]
    Credential(#[source] Arc<CredentialError>),
    /// No answer in time.
    #[error("{step} took longer than {} s", .limit.as_secs_f32())]
    Deadline {
        /// Which step.
        step: &'static str,
        /// How long it may take.
        limit: Duration,
    },
    /// As many connections with as many streams as there may be are in use.
    #[error("all {streams} streams that it may carry are in use")]
    Busy {
        /// How many.
        streams: usize,
    },
    /// The connection broke, or what came is not HTTP.
    #[error("the exchange broke")]
    Protocol(#[source] Arc<hyper::Error>),
    /// The request cannot be sent as it is.
    #[error("the request cannot be sent: {0}")]
    Request(&'static str),
    /// This service is stopping.
    #[error("this service is stopping")]
    Stopped,
}

impl Fault {
    pub(super) fn protocol(error: hyper::Error) -> Self {
        Self::Protocol(Arc::new(error))
    }
}

impl UpstreamError {
    pub(super) fn new(cluster: &KubeClusterName, target: &str, fault: Fault) -> Self {
        Self { cluster: cluster.clone(), target: target.into(), fault }
    }

    /// Returns where it went wrong.
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// Returns what the client may know: no address, no name of a file, nothing of the credential.
    pub fn client_text(&self) -> String {
        let cluster = self.cluster.as_str();
        match &self.fault {
            Fault::Dial(_) => format!("the Kubernetes API of cluster {cluster:?} cannot be reached"),
            Fault::Tls { .. } => {
                format!("the Kubernetes API of cluster {cluster:?} cannot be reached securely; ask an administrator")
            }
            Fault::Credential(_) => {
                format!("the proxy has no valid credential for cluster {cluster:?}; ask an administrator")
            }
            Fault::Deadline { .. } => format!("the Kubernetes API of cluster {cluster:?} did not answer in time"),
            Fault::Busy { .. } => format!("too many requests to cluster {cluster:?} are open; try again later"),
            Fault::Protocol(_) => format!("the connection to the Kubernetes API of cluster {cluster:?} broke"),
            Fault::Request(reason) => format!("the request cannot be sent to cluster {cluster:?}: {reason}"),
            Fault::Stopped => "the proxy is stopping; try again".to_owned(),
        }
    }
}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kubernetes API of cluster {:?} at {}: {}", self.cluster.as_str(), self.target, self.fault)
    }
}

impl std::error::Error for UpstreamError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.fault)
    }
}
