//! The commented file that `teleport configure` prints.

use teleport_types::ClusterName;

use super::{PROXY_PORT, PublicAddr};

/// What may be filled in.
#[derive(Clone, Debug, Default)]
pub struct Choices {
    /// The cluster's name.
    pub cluster_name: Option<ClusterName>,
    /// The proxy's public address.
    pub public_addr: Option<PublicAddr>,
    /// Where state lives.
    pub data_dir: Option<String>,
    /// Web certificate chain.
    pub cert_file: Option<String>,
    /// Its private key.
    pub key_file: Option<String>,
    /// Credentials of Kubernetes clusters; switches the service on.
    pub kubeconfig: Option<String>,
}

/// Returns the file.
pub fn render(choices: &Choices) -> String {
    let quote = |text: &str| format!("{text:?}");
    let cluster = choices.cluster_name.as_ref().map_or("teleport.example.com", ClusterName::as_str);
    let data_dir = choices.data_dir.as_deref().map_or_else(|| "/var/lib/teleport".to_owned(), quote);
    let port = choices.public_addr.as_ref().map_or(PROXY_PORT, PublicAddr::port);
    let public = match &choices.public_addr {
        Some(addr) => format!("  public_addr: {addr}\n"),
        None => "  # public_addr: teleport.example.com:443\n".to_owned(),
    };
    let pairs = match (choices.cert_file.as_deref(), choices.key_file.as_deref()) {
        (Some(cert), Some(key)) => {
            format!("  https_keypairs:\n    - key_file: {}\n      cert_file: {}\n", quote(key), quote(cert))
        }
        _ => "  # https_keypairs:\n  #   - key_file: /etc/teleport/web.key\n  #     cert_file: /etc/teleport/web.pem\n"
            .to_owned(),
    };
    let (kube, kubeconfig) = match choices.kubeconfig.as_deref() {
        Some(file) => ("yes", format!("kubeconfig_file: {}", quote(file))),
        None => ("no", "# kubeconfig_file: /etc/teleport/kubeconfig".to_owned()),
    };
    format!(
        "\
# Configuration of teleport. Check a changed file with: teleport configure --test FILE
version: v3

teleport:
  # The name of this host in lists and in the audit log; the system's by default.
  # nodename: host-1
  # State: certificate authorities, users, audit log. Back it up.
  data_dir: {data_dir}
  log:
    output: stderr # stderr, stdout or a file
    severity: INFO # DEBUG, INFO, WARN, ERROR
    format:
      output: text # text or json
  # /healthz, /readyz and Prometheus /metrics; keep it private.
  # diag_addr: 127.0.0.1:3000
  # A process without auth_service joins one elsewhere:
  # auth_server: auth.internal:3025
  # auth_token: /etc/teleport/join-token
  # ca_pin: sha256:... # printed by: tctl status

# Certificate authorities, users, roles, audit log. One per cluster.
auth_service:
  enabled: yes
  # Cannot change after the first start.
  cluster_name: {cluster}
  listen_addr: 0.0.0.0:3025
  authentication:
    type: local
  # Tokens with which services on other hosts join: kinds:secret (16 characters or more).
  # tokens:
  #   - \"proxy,kube:/etc/teleport/join-token\"
  # The key that protects secrets at rest; made at the first start. Back it up apart from data_dir.
  # secrets_key_file: {data_dir}/secrets.key

# The one public port.
proxy_service:
  enabled: yes
  web_listen_addr: 0.0.0.0:{port}
  # What people and kubectl dial.
{public}  # Without a pair the certificate is signed by this cluster's own host CA.
{pairs}
# Credentials of Kubernetes clusters; requests are checked, impersonated and recorded here.
kubernetes_service:
  enabled: {kube}
  # Every context becomes a cluster, named by its context.
  {kubeconfig}
  # Inside a pod instead: the cluster around it, reached with the pod's service account.
  # kube_cluster_name: production
  # labels:
  #   env: production
"
    )
}
