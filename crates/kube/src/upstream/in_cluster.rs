//! The pod's own service account: address from the environment, token and authority from files that rotate
//! (Kubernetes: "accessing the API from within a pod").

use std::path::{Path, PathBuf};

use teleport_types::KubeClusterName;

use super::{Authority, CredentialConfig, Endpoint, KubeconfigError, ServerTrust, UpstreamConfig, credential::Source};

/// Where Kubernetes puts a pod's service account.
const FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// What a pod is told about its cluster.
#[derive(Clone, Debug)]
pub struct InCluster {
    /// The folder with `token` and `ca.crt`.
    pub folder: PathBuf,
    /// `KUBERNETES_SERVICE_HOST`.
    pub host: Option<String>,
    /// `KUBERNETES_SERVICE_PORT`.
    pub port: Option<String>,
}

impl InCluster {
    /// Reads what Kubernetes told this pod.
    pub fn of_this_pod() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            folder: PathBuf::from(FOLDER),
            host: variable("KUBERNETES_SERVICE_HOST"),
            port: variable("KUBERNETES_SERVICE_PORT"),
        }
    }

    /// Returns the cluster that the pod runs in, served under a name.
    ///
    /// # Errors
    /// When this is no pod, or one without a service account.
    pub fn config(&self, name: KubeClusterName) -> Result<UpstreamConfig, KubeconfigError> {
        let wrong = |what: String| KubeconfigError::new(&self.folder, None, what);
        let (Some(host), Some(port)) = (&self.host, &self.port) else {
            return Err(wrong(
                "KUBERNETES_SERVICE_HOST and _PORT are not set: this is no pod; set kubeconfig_file".to_owned(),
            ));
        };
        let token = self.file("token").map_err(&wrong)?;
        let authority = self.file("ca.crt").map_err(&wrong)?;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let endpoint = Endpoint::parse(&format!("https://{host}:{port}")).map_err(wrong)?;
        Ok(UpstreamConfig {
            name,
            endpoint,
            trust: ServerTrust { authority: Authority::Pem(Source::File(authority)), server_name: None },
            credential: CredentialConfig::Given { certificate: None, token: Some(Source::File(token)) },
        })
    }

    fn file(&self, name: &str) -> Result<PathBuf, String> {
        let path: &Path = &self.folder.join(name);
        if path.is_file() {
            return Ok(path.to_owned());
        }
        Err(format!("{name} is missing: the pod has no service account (automountServiceAccountToken)"))
    }
}
