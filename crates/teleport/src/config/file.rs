//! The shape of `teleport.yaml` (v3), field by field. Read by [`super::load`] alone.
//!
//! Field names follow the field's common form so that existing files can be pasted; what is not supported is an error, never ignored.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Deserializer, de::Error as _};
use teleport_types::{ClusterName, auth_preference::LockingMode, duration::Span};

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    /// `v3`.
    pub version: Option<String>,
    /// Settings of the process.
    pub teleport: Global,
    /// The auth service.
    pub auth_service: Option<AuthService>,
    /// The proxy service.
    pub proxy_service: Option<ProxyService>,
    /// The kubernetes service.
    pub kubernetes_service: Option<KubernetesService>,
    /// Known, not part of this version; accepted when switched off.
    pub ssh_service: Option<Off>,
    /// As above.
    pub app_service: Option<Off>,
    /// As above.
    pub db_service: Option<Off>,
    /// As above.
    pub windows_desktop_service: Option<Off>,
    /// As above.
    pub discovery_service: Option<Off>,
    /// As above.
    pub debug_service: Option<Off>,
    /// As above.
    pub relay_service: Option<Off>,
}

impl File {
    /// Returns the section of a service that this version does not have, when one is switched on.
    pub(super) fn unsupported(&self) -> Option<&'static str> {
        let sections = [
            ("ssh_service", &self.ssh_service),
            ("app_service", &self.app_service),
            ("db_service", &self.db_service),
            ("windows_desktop_service", &self.windows_desktop_service),
            ("discovery_service", &self.discovery_service),
            ("debug_service", &self.debug_service),
            ("relay_service", &self.relay_service),
        ];
        sections.into_iter().find(|(_, section)| section.as_ref().is_some_and(|off| !off.0)).map(|(name, _)| name)
    }
}

/// `teleport:`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Global {
    /// The host's name, for people; the system's by default.
    pub nodename: Option<String>,
    /// Where state lives.
    pub data_dir: Option<PathBuf>,
    /// Address of an auth service elsewhere, `host:port`.
    pub auth_server: Option<String>,
    /// Join token, or the path of a file that holds it.
    pub auth_token: Option<String>,
    /// `sha256:…` of the host CA of the auth service elsewhere.
    pub ca_pin: Option<OneOrMany>,
    /// Logging.
    pub log: Log,
    /// Address of `/healthz`, `/readyz` and `/metrics`; closed by default.
    pub diag_addr: Option<String>,
}

/// `teleport.log:`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `stderr`, `stdout` or a file's path.
    pub output: Option<String>,
    /// `DEBUG`, `INFO`, `WARN` or `ERROR`.
    pub severity: Option<String>,
    /// Form of a line.
    pub format: LogFormat,
}

/// `teleport.log.format:`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogFormat {
    /// `text` or `json`.
    pub output: Option<String>,
}

/// `auth_service:`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthService {
    /// Whether it runs; yes when the section is there.
    pub enabled: Option<YesNo>,
    /// The cluster's name; cannot change after the first start.
    pub cluster_name: Option<ClusterName>,
    /// Where it listens, for services on other hosts.
    pub listen_addr: Option<String>,
    /// Static join tokens, `kinds:secret`.
    pub tokens: Vec<String>,
    /// How people log in; when it is here it wins over the stored settings.
    pub authentication: Option<Authentication>,
    /// The key that protects secrets at rest; `DATA_DIR/secrets.key` by default, made at the first start.
    pub secrets_key_file: Option<PathBuf>,
}

/// `auth_service.authentication:`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Authentication {
    /// `local`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Whether local users may log in.
    pub local_auth: Option<YesNo>,
    /// How long a login lasts when nobody asks for less.
    pub default_session_ttl: Option<Span>,
    /// `best_effort` or `strict`: what services do when they have not heard of locks for long.
    pub locking_mode: LockingMode,
}

/// `proxy_service:`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProxyService {
    /// Whether it runs; yes when the section is there.
    pub enabled: Option<YesNo>,
    /// The one public port.
    pub web_listen_addr: Option<String>,
    /// What clients are told to dial, `host:port`.
    pub public_addr: Option<OneOrMany>,
    /// Web certificates; read again when they change.
    pub https_keypairs: Vec<KeyPairFiles>,
    /// Accepted for pasted files; changes are noticed within seconds whatever it says.
    pub https_keypairs_reload_interval: Option<String>,
    /// The classic form: the proxy's own process holds the credentials of a Kubernetes cluster.
    pub kubernetes: Option<ProxyKubernetes>,
}

/// One entry of `proxy_service.https_keypairs`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyPairFiles {
    /// Private key, PEM.
    pub key_file: PathBuf,
    /// Certificate chain, PEM.
    pub cert_file: PathBuf,
}

/// `proxy_service.kubernetes:`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProxyKubernetes {
    /// Whether it runs.
    pub enabled: Option<YesNo>,
    /// Credentials; inside a pod the service account when absent.
    pub kubeconfig_file: Option<PathBuf>,
    /// `host:port` for kubectl when it is not the web address.
    pub public_addr: Option<OneOrMany>,
}

/// `kubernetes_service:`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KubernetesService {
    /// Whether it runs; yes when the section is there.
    pub enabled: Option<YesNo>,
    /// Every context becomes a cluster, named by its context.
    pub kubeconfig_file: Option<PathBuf>,
    /// Name of the cluster around this pod, reached with the pod's service account.
    pub kube_cluster_name: Option<String>,
    /// Labels of all these clusters.
    pub labels: BTreeMap<String, String>,
}

/// A service of other versions: the section may be there, switched off. Holds whether it is.
#[derive(Debug)]
pub struct Off(bool);

impl<'de> Deserialize<'de> for Off {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Section {
            enabled: Option<YesNo>,
        }
        Ok(Self(Section::deserialize(deserializer)?.enabled == Some(YesNo(false))))
    }
}

/// A YAML boolean in any of its spellings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct YesNo(pub bool);

impl<'de> Deserialize<'de> for YesNo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.to_ascii_lowercase().as_str() {
            "yes" | "true" | "on" => Ok(Self(true)),
            "no" | "false" | "off" => Ok(Self(false)),
            _ => Err(D::Error::custom(format!("{text:?} is neither yes nor no"))),
        }
    }
}

/// One text or a list of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// `a`
    One(String),
    /// `[a, b]`
    Many(Vec<String>),
}

impl OneOrMany {
    /// Returns the texts.
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        }
    }
}
