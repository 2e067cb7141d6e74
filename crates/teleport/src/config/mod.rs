//! From a `teleport.yaml` (or none) to checked settings. The rest of the daemon sees only [`Config`].

pub mod file;
mod public_addr;
pub mod template;

use std::{
    collections::BTreeMap,
    net::{SocketAddr, ToSocketAddrs as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use teleport_types::{ClusterName, KubeClusterName, ServiceKind, auth_preference::AuthPreferenceSpec};

pub use file::KeyPairFiles;
use file::{File, OneOrMany, YesNo};
pub use public_addr::PublicAddr;
use teleport_auth::StaticToken;

use crate::output::read_file;

/// Where `teleport start` and `tctl` look for a file when none is named.
pub const DEFAULT_FILE: &str = "/etc/teleport.yaml";

/// Default port of the auth service.
pub const AUTH_PORT: u16 = 3025;
/// Default port of the proxy.
pub const PROXY_PORT: u16 = 3080;

/// Checked settings of one process.
#[derive(Clone, Debug)]
pub struct Config {
    /// The host's name, for people.
    pub node_name: String,
    /// Where state lives.
    pub data_dir: PathBuf,
    /// Logging.
    pub log: LogConfig,
    /// Where `/healthz`, `/readyz` and `/metrics` are served.
    pub diag_addr: Option<SocketAddr>,
    /// The auth service: here or elsewhere.
    pub auth: AuthPlace,
    /// The proxy service, when it runs here.
    pub proxy: Option<ProxyConfig>,
    /// The kubernetes service, when it runs here.
    pub kube: Option<KubeConfig>,
}

/// Logging.
#[derive(Clone, Debug, Default)]
pub struct LogConfig {
    /// Where lines go.
    pub output: LogOutput,
    /// The least severe level written; `None` leaves it to the command line.
    pub severity: Option<tracing::Level>,
    /// Form of a line.
    pub format: LogForm,
}

/// Where log lines go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LogOutput {
    /// Standard error.
    #[default]
    Stderr,
    /// Standard output.
    Stdout,
    /// A file, appended to.
    File(PathBuf),
}

/// Form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogForm {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Where the auth service runs.
#[derive(Clone, Debug)]
pub enum AuthPlace {
    /// In this process.
    Here(AuthConfig),
    /// In another process.
    Elsewhere(RemoteAuth),
}

/// How to reach and join an auth service elsewhere.
#[derive(Clone, Debug)]
pub struct RemoteAuth {
    /// `host:port`.
    pub addr: String,
    /// The join token; not needed once joined.
    pub token: Option<String>,
    /// Pins of the host CA; needed for the first contact.
    pub ca_pins: Vec<String>,
}

/// The auth service in this process.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// The cluster's name.
    pub cluster_name: ClusterName,
    /// Where services on other hosts reach it.
    pub listen_addr: SocketAddr,
    /// Static join tokens.
    pub tokens: Vec<StaticToken>,
    /// The key that protects secrets at rest.
    pub secrets_key_file: PathBuf,
    /// Login settings, when the file has some.
    pub preference: Option<AuthPreferenceSpec>,
}

/// The proxy service.
#[derive(Clone, Debug)]
pub struct ProxyConfig {
    /// The one public port.
    pub web_listen_addr: SocketAddr,
    /// What clients are told to dial, `host:port`; the first is the one in kubeconfigs.
    pub public_addrs: Vec<String>,
    /// Web certificates; empty: one signed by the host CA.
    pub keypairs: Vec<KeyPairFiles>,
}

/// The kubernetes service.
#[derive(Clone, Debug)]
pub struct KubeConfig {
    /// Where its clusters' credentials come from.
    pub source: KubeSource,
    /// Labels of all its clusters.
    pub labels: BTreeMap<String, String>,
}

/// Where credentials of Kubernetes clusters come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KubeSource {
    /// Each context is a cluster.
    Kubeconfig(PathBuf),
    /// One context of a kubeconfig, served under this name (the classic form).
    CurrentContext(PathBuf, KubeClusterName),
    /// The service account of the pod around this process.
    InCluster(KubeClusterName),
}

/// Reads and checks a file.
///
/// # Errors
/// Names the file, the line and the field.
pub fn load(path: &Path) -> Result<Config> {
    parse(&read_file(path)?).with_context(|| format!("{} is not a valid configuration", path.display()))
}

/// Checks the text of a file.
///
/// # Errors
/// Names the line and the field.
pub fn parse(text: &str) -> Result<Config> {
    let file: File = teleport_types::yaml::from_str(text)?;
    match file.version.as_deref() {
        Some("v3") => {}
        Some(other) => bail!("version {other:?} is not supported; write `version: v3`"),
        None => bail!("the file does not say its version; begin it with `version: v3`"),
    }
    if let Some(name) = file.unsupported() {
        bail!("{name} is not supported by this version; set its `enabled: no` or remove the section");
    }
    check(file)
}

/// Settings of `teleport start` without a file: everything on loopback.
///
/// # Errors
/// When no folder for state can be named.
pub fn built_in() -> Result<Config> {
    let node_name = host_name();
    let data_dir = default_data_dir()?;
    let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
    Ok(Config {
        auth: AuthPlace::Here(AuthConfig {
            cluster_name: default_cluster_name(&node_name),
            listen_addr: loopback(AUTH_PORT),
            tokens: Vec::new(),
            secrets_key_file: data_dir.join("secrets.key"),
            preference: None,
        }),
        proxy: Some(ProxyConfig {
            web_listen_addr: loopback(PROXY_PORT),
            public_addrs: vec![format!("127.0.0.1:{PROXY_PORT}")],
            keypairs: Vec::new(),
        }),
        kube: built_in_kube()?,
        node_name,
        data_dir,
        log: LogConfig::default(),
        diag_addr: None,
    })
}

impl Config {
    /// Moves the state, and a secrets key kept beside it, to another folder.
    pub fn use_data_dir(&mut self, dir: PathBuf) {
        if let AuthPlace::Here(auth) = &mut self.auth
            && let Ok(inside) = auth.secrets_key_file.strip_prefix(&self.data_dir)
        {
            auth.secrets_key_file = dir.join(inside);
        }
        self.data_dir = dir;
    }
}

fn built_in_kube() -> Result<Option<KubeConfig>> {
    let source = if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        Some(KubeSource::InCluster(KubeClusterName::parse("local")?))
    } else {
        let listed = std::env::var("KUBECONFIG").ok().and_then(|list| list.split(':').next().map(PathBuf::from));
        let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".kube/config"));
        listed.or(home).filter(|path| path.exists()).map(KubeSource::Kubeconfig)
    };
    Ok(source.map(|source| KubeConfig { source, labels: BTreeMap::new() }))
}

fn check(file: File) -> Result<Config> {
    let node_name = file.teleport.nodename.clone().unwrap_or_else(host_name);
    let data_dir = match &file.teleport.data_dir {
        Some(dir) => dir.clone(),
        None => default_data_dir()?,
    };
    let auth = check_auth(&file, &node_name, &data_dir)?;
    let cluster = match &auth {
        AuthPlace::Here(here) => Some(here.cluster_name.clone()),
        AuthPlace::Elsewhere(_) => None,
    };
    let config = Config {
        log: check_log(&file.teleport.log)?,
        diag_addr: file
            .teleport
            .diag_addr
            .as_deref()
            .map(|addr| address(addr, "teleport.diag_addr", 3000))
            .transpose()?,
        proxy: check_proxy(&file, &node_name)?,
        kube: check_kube(&file, cluster.as_ref())?,
        auth,
        node_name,
        data_dir,
    };
    let here = matches!(config.auth, AuthPlace::Here(_));
    if !here && config.proxy.is_none() && config.kube.is_none() {
        bail!("no service is enabled; add auth_service, proxy_service or kubernetes_service");
    }
    Ok(config)
}

fn on(enabled: Option<YesNo>) -> bool {
    enabled.is_none_or(|yes| yes.0)
}

fn check_auth(file: &File, node_name: &str, data_dir: &Path) -> Result<AuthPlace> {
    let Some(auth) = file.auth_service.as_ref().filter(|auth| on(auth.enabled)) else {
        let Some(addr) = &file.teleport.auth_server else {
            bail!("neither auth_service is enabled nor teleport.auth_server names one elsewhere; add one of them");
        };
        return Ok(AuthPlace::Elsewhere(RemoteAuth {
            addr: with_port(addr, AUTH_PORT),
            token: file.teleport.auth_token.as_deref().map(token_text).transpose()?,
            ca_pins: pins(file.teleport.ca_pin.as_ref())?,
        }));
    };
    if file.teleport.auth_server.is_some() {
        bail!("teleport.auth_server and an enabled auth_service exclude one another; keep one of them");
    }
    Ok(AuthPlace::Here(AuthConfig {
        cluster_name: auth.cluster_name.clone().unwrap_or_else(|| default_cluster_name(node_name)),
        listen_addr: address(auth.listen_addr.as_deref().unwrap_or("0.0.0.0"), "auth_service.listen_addr", AUTH_PORT)?,
        tokens: auth.tokens.iter().map(|token| static_token(token)).collect::<Result<_>>()?,
        secrets_key_file: auth.secrets_key_file.clone().unwrap_or_else(|| data_dir.join("secrets.key")),
        preference: auth.authentication.as_ref().map(check_authentication).transpose()?,
    }))
}

fn check_authentication(authentication: &file::Authentication) -> Result<AuthPreferenceSpec> {
    if let Some(kind) = &authentication.kind
        && kind != "local"
    {
        bail!("auth_service.authentication.type {kind:?} is not supported yet; write `type: local`");
    }
    if !on(authentication.local_auth) {
        bail!("auth_service.authentication.local_auth: no leaves no way to log in; remove it");
    }
    let mut preference =
        AuthPreferenceSpec { locking_mode: authentication.locking_mode, ..AuthPreferenceSpec::default() };
    if let Some(ttl) = authentication.default_session_ttl {
        preference.default_session_ttl = ttl;
    }
    Ok(preference)
}

fn check_proxy(file: &File, node_name: &str) -> Result<Option<ProxyConfig>> {
    let Some(proxy) = file.proxy_service.as_ref().filter(|proxy| on(proxy.enabled)) else {
        return Ok(None);
    };
    let listen =
        address(proxy.web_listen_addr.as_deref().unwrap_or("0.0.0.0"), "proxy_service.web_listen_addr", PROXY_PORT)?;
    let public_addrs = match &proxy.public_addr {
        Some(addrs) => addrs.as_slice().iter().map(|addr| public_addr(addr)).collect::<Result<_>>()?,
        None if listen.ip().is_unspecified() => vec![format!("{node_name}:{}", listen.port())],
        None => vec![listen.to_string()],
    };
    if let Some(missing) =
        proxy.https_keypairs.iter().flat_map(|pair| [&pair.key_file, &pair.cert_file]).find(|path| !path.exists())
    {
        bail!("proxy_service.https_keypairs names {}, which does not exist; correct the path", missing.display());
    }
    Ok(Some(ProxyConfig { web_listen_addr: listen, public_addrs, keypairs: proxy.https_keypairs.clone() }))
}

fn check_kube(file: &File, cluster: Option<&ClusterName>) -> Result<Option<KubeConfig>> {
    let classic = file
        .proxy_service
        .as_ref()
        .filter(|proxy| on(proxy.enabled))
        .and_then(|proxy| proxy.kubernetes.as_ref())
        .filter(|classic| on(classic.enabled));
    let service = file.kubernetes_service.as_ref().filter(|service| on(service.enabled));
    match (service, classic) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => {
            bail!("kubernetes_service and proxy_service.kubernetes exclude one another; keep kubernetes_service")
        }
        (Some(service), None) => {
            let source = match (&service.kubeconfig_file, &service.kube_cluster_name) {
                (Some(file), None) => KubeSource::Kubeconfig(existing(file)?),
                (None, Some(name)) => KubeSource::InCluster(KubeClusterName::parse(name)?),
                (Some(_), Some(_)) => bail!(
                    "kubernetes_service.kubeconfig_file and kube_cluster_name exclude one another: a kubeconfig's clusters are named by its contexts"
                ),
                (None, None) => {
                    bail!("kubernetes_service names no cluster; set kubeconfig_file, or kube_cluster_name inside a pod")
                }
            };
            Ok(Some(KubeConfig { source, labels: service.labels.clone() }))
        }
        (None, Some(classic)) => {
            let Some(name) = cluster else {
                bail!(
                    "proxy_service.kubernetes needs auth_service in the same process; use kubernetes_service instead"
                );
            };
            // In the classic form the Kubernetes cluster bears the Teleport cluster's name.
            let name = KubeClusterName::parse(name.as_str())?;
            let source = match &classic.kubeconfig_file {
                Some(file) => KubeSource::CurrentContext(existing(file)?, name),
                None => KubeSource::InCluster(name),
            };
            if classic.public_addr.is_some() && !same_addr(classic, file.proxy_service.as_ref()) {
                bail!(
                    "proxy_service.kubernetes.public_addr differs from proxy_service.public_addr; there is one public port, remove it"
                );
            }
            Ok(Some(KubeConfig { source, labels: BTreeMap::new() }))
        }
    }
}

fn same_addr(classic: &file::ProxyKubernetes, proxy: Option<&file::ProxyService>) -> bool {
    let public = proxy.and_then(|proxy| proxy.public_addr.as_ref()).map_or(&[][..], OneOrMany::as_slice);
    let classic = classic.public_addr.as_ref().map_or(&[][..], OneOrMany::as_slice);
    classic.iter().all(|addr| public.contains(addr))
}

fn existing(path: &Path) -> Result<PathBuf> {
    if !path.exists() {
        bail!("the kubeconfig {} does not exist; correct kubeconfig_file", path.display());
    }
    Ok(path.to_path_buf())
}

fn check_log(log: &file::Log) -> Result<LogConfig> {
    Ok(LogConfig {
        output: match log.output.as_deref() {
            None | Some("stderr") => LogOutput::Stderr,
            Some("stdout") => LogOutput::Stdout,
            Some("syslog") => {
                bail!("teleport.log.output syslog is not supported; write to stderr and let systemd keep it")
            }
            Some(path) => LogOutput::File(path.into()),
        },
        severity: match log.severity.as_deref().map(str::to_ascii_uppercase).as_deref() {
            None => None,
            Some("DEBUG") => Some(tracing::Level::DEBUG),
            Some("INFO") => Some(tracing::Level::INFO),
            Some("WARN" | "WARNING") => Some(tracing::Level::WARN),
            Some("ERROR" | "ERR") => Some(tracing::Level::ERROR),
            Some(other) => bail!("teleport.log.severity {other:?} is none of DEBUG, INFO, WARN, ERROR"),
        },
        format: match log.format.output.as_deref() {
            None | Some("text") => LogForm::Text,
            Some("json") => LogForm::Json,
            Some(other) => bail!("teleport.log.format.output {other:?} is neither text nor json"),
        },
    })
}

fn static_token(text: &str) -> Result<StaticToken> {
    let Some((kinds, secret)) = text.split_once(':') else {
        bail!("an entry of auth_service.tokens has no kinds; write `proxy,kube:SECRET`");
    };
    if kinds.split(',').any(|kind| kind.trim() == ServiceKind::Auth.as_str()) {
        bail!("an entry of auth_service.tokens grants auth; tokens may grant proxy and kube");
    }
    let secret = token_text(secret)?;
    if secret.len() < 16 {
        bail!("a secret in auth_service.tokens is shorter than 16 characters; make one with `openssl rand -hex 16`");
    }
    Ok(StaticToken::parse(&format!("{kinds}:{secret}"))?)
}

/// Reads a token: the text itself, or the content of the file it names.
fn token_text(text: &str) -> Result<String> {
    if !text.starts_with('/') {
        return Ok(text.to_owned());
    }
    let content = read_file(Path::new(text)).context("the join token")?;
    Ok(content.trim().to_owned())
}

fn pins(pins: Option<&OneOrMany>) -> Result<Vec<String>> {
    let texts = pins.map_or(&[][..], OneOrMany::as_slice);
    for pin in texts {
        let hex = pin.strip_prefix("sha256:").unwrap_or_default();
        if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            bail!("teleport.ca_pin {pin:?} is not `sha256:` and 64 hex digits; `tctl status` prints it");
        }
    }
    Ok(texts.to_vec())
}

fn address(text: &str, field: &str, port: u16) -> Result<SocketAddr> {
    let full = with_port(text, port);
    let mut found =
        full.to_socket_addrs().with_context(|| format!("{field}: {text:?} is not an address; write HOST:PORT"))?;
    found.next().with_context(|| format!("{field}: {text:?} has no address"))
}

fn public_addr(text: &str) -> Result<String> {
    Ok(PublicAddr::parse(text).context("proxy_service.public_addr")?.to_string())
}

/// Adds the port when the text has none; IPv6 addresses may stand bare or in brackets.
fn with_port(text: &str, port: u16) -> String {
    let text = text.strip_prefix("https://").unwrap_or(text).trim_end_matches('/');
    if let Ok(ip) = text.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>() {
        return SocketAddr::new(ip, port).to_string();
    }
    match text.rsplit_once(':') {
        Some((_, digits)) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => text.to_owned(),
        _ => format!("{text}:{port}"),
    }
}

fn default_data_dir() -> Result<PathBuf> {
    let system = PathBuf::from("/var/lib/teleport");
    if rustix::process::geteuid().is_root() {
        return Ok(system);
    }
    if let Some(data) = std::env::var_os("XDG_DATA_HOME") {
        return Ok(Path::new(&data).join("teleport"));
    }
    let home = std::env::var_os("HOME").context("HOME is not set; name a folder in teleport.data_dir")?;
    Ok(Path::new(&home).join(".local/share/teleport"))
}

fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

fn default_cluster_name(node_name: &str) -> ClusterName {
    let text = node_name.to_ascii_lowercase();
    ClusterName::parse(&text).unwrap_or_else(|_| ClusterName::parse("teleport").expect("the fallback is a DNS name"))
}
