//! The Kubernetes clusters this service holds credentials for: where they are, how we prove who we are, and the
//! connections to them.
//!
//! The last step of the kubectl walk: `forward` and `upgrade` send what they were permitted to send through an
//! [`Upstream`]; the service makes one per cluster from a kubeconfig or the pod's service account, and checks it at start.

mod body;
mod check;
mod credential;
mod endpoint;
mod error;
mod in_cluster;
pub mod kubeconfig;
mod limits;
mod pool;
mod request;
mod secret;
mod tls;

use std::{sync::Arc, time::Duration};

use http::{Request, Response};
use http_body_util::BodyExt as _;
use teleport_net::{Dialer, TcpDialer};
use teleport_runtime::{Clock, TaskGroup};
use teleport_types::KubeClusterName;

pub use body::UpstreamBody;
pub use check::{ClusterIdentity, MissingRights, Right, SelfCheck};
pub use credential::{CredentialConfig, CredentialError, ExecPlugin, Source};
pub use endpoint::Endpoint;
pub use error::{Fault, UpstreamError};
pub use in_cluster::InCluster;
pub use kubeconfig::KubeconfigError;
pub use limits::Limits;
pub use tls::{Authority, ServerTrust};

/// Anything that can go wrong in a body we send.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// One cluster as it is configured, nothing dialled yet.
#[derive(Clone, Debug)]
pub struct UpstreamConfig {
    /// The name it is served under.
    pub name: KubeClusterName,
    /// Where its API is.
    pub endpoint: Endpoint,
    /// How its API proves what it is.
    pub trust: ServerTrust,
    /// How we prove who we are.
    pub credential: CredentialConfig,
}

/// A Kubernetes cluster we can send requests to. Clones share everything; the last one to go cuts the connections.
#[derive(Clone)]
pub struct Upstream {
    inner: Arc<Inner>,
}

struct Inner {
    name: KubeClusterName,
    endpoint: Endpoint,
    credential: credential::Credential,
    pool: pool::Pool,
    limits: Limits,
    tasks: TaskGroup,
}

impl Upstream {
    /// Starts an upstream that is dialled over TCP.
    pub fn start(config: UpstreamConfig, clock: &Clock) -> Self {
        let limits = Limits::default();
        let dialer = Arc::new(TcpDialer::new(config.endpoint.address(), limits.connect));
        Self::start_with(config, dialer, limits, clock)
    }

    /// Starts an upstream that is reached through `dialer`.
    pub fn start_with(config: UpstreamConfig, dialer: Arc<dyn Dialer>, limits: Limits, clock: &Clock) -> Self {
        let UpstreamConfig { name, endpoint, trust, credential } = config;
        let tasks = TaskGroup::new("upstream");
        let recipe = credential::Recipe { endpoint: endpoint.clone(), trust, credential };
        let credential = credential::Credential::start(recipe, &limits, clock, &tasks);
        let inner = Arc::new_cyclic(|inner| {
            let pool = pool::Pool::new(inner.clone(), dialer);
            Inner { name, endpoint, credential, pool, limits, tasks }
        });
        pool::start_reaper(&inner);
        Self { inner }
    }

    /// Returns the name it is served under.
    pub fn name(&self) -> &KubeClusterName {
        &self.inner.name
    }

    /// Returns where its API is, for messages.
    pub fn target(&self) -> String {
        self.inner.endpoint.to_string()
    }

    /// Sends a request and returns the answer as soon as its head is here.
    ///
    /// Target and headers are sent as they are, except that the credential, `Host` and the base path of the server URL
    /// are put in here: the caller has removed every header of the client that must not pass. A request whose body is
    /// at its end goes over HTTP/2 where the server speaks it, any other over HTTP/1.1.
    ///
    /// A 401 is passed on: it may come from an application behind the API's own proxy. When it came with a credential
    /// that could be renewed, a request without a body has already been sent again.
    ///
    /// # Errors
    /// See [`Fault`]. Dropping the future cancels the request.
    pub async fn send<B>(&self, request: Request<B>) -> Result<Response<UpstreamBody>, UpstreamError>
    where
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (parts, body) = request.into_parts();
        if body.is_end_stream() {
            return self.inner.send_empty(parts).await;
        }
        self.inner.send_body(parts, body.map_err(Into::into).boxed_unsync()).await
    }

    /// Sends an upgrade request over a connection of its own and returns the answer, whatever its status.
    ///
    /// `Connection`, `Upgrade` and the rest must be set by the caller. After a 101, `hyper::upgrade::on(response)`
    /// gives the stream, bytes that came right behind the 101 included. The request has no body, so nothing is sent
    /// before the 101.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn upgrade<B>(&self, request: Request<B>) -> Result<Response<UpstreamBody>, UpstreamError> {
        self.inner.upgrade(request.into_parts().0).await
    }

    /// Asks the cluster whether we may do what we need to do there.
    pub async fn check(&self) -> SelfCheck {
        check::check(self).await
    }

    /// Reads what tells this cluster from every other.
    ///
    /// # Errors
    /// When the cluster cannot be reached.
    pub async fn identity(&self) -> Result<ClusterIdentity, UpstreamError> {
        check::identity(self).await
    }

    /// Lets running exchanges end for up to `grace`, then cuts them; nothing can be sent afterwards.
    pub async fn drain(&self, grace: Duration) {
        self.inner.pool.close();
        self.inner.tasks.drain(grace).await;
    }
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream")
            .field("name", &self.inner.name)
            .field("endpoint", &self.inner.endpoint)
            .finish_non_exhaustive()
    }
}
