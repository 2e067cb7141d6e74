//! `tctl auth`: certificates for automation, and the authorities.

use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use teleport_api::{
    Client,
    messages::{admin::SignRequest, user::IssuedUser},
};
use teleport_pki::KeyPair;
use teleport_runtime::atomic_file;
use teleport_terminal::escape;
use teleport_types::{KubeClusterName, UserName, duration::Span, sni::InternalName};

use super::files::IdentityFile;
use crate::output::{file_error, line, print};

const SIGN_EXAMPLES: &str = "\
Examples:
  tctl auth sign --user=ci --format=kubernetes --proxy=teleport.example.com:443 \\
    --kube-cluster-name=staging --ttl=8h --out=ci.kubeconfig
  tctl auth sign --user=admin --out=admin.pem      for tctl --identity=admin.pem on another host";

const EXPORT_EXAMPLES: &str = "\
Examples:
  tctl auth export                                 who vouches for the proxy
  tctl auth export --type=user";

/// Commands of `tctl auth`.
#[derive(Debug, Subcommand)]
pub enum Auth {
    /// Sign a certificate for automation and write it with its key
    #[command(after_help = SIGN_EXAMPLES)]
    Sign(Sign),
    /// Print the certificates of the authorities
    #[command(after_help = EXPORT_EXAMPLES)]
    Export {
        /// Those that vouch for services, or for users.
        #[arg(long = "type", value_enum, default_value_t)]
        kind: Authority,
    },
}

/// `tctl auth sign`
#[derive(Debug, Args)]
pub struct Sign {
    /// For which user; their roles and traits of now go into the certificate.
    #[arg(long, value_name = "NAME")]
    user: UserName,
    /// Form of the file: an identity file (key, certificate, authorities; PEM) or a kubeconfig.
    #[arg(long, value_enum, default_value_t)]
    format: FileFormat,
    /// Where to write; the key is in it, so the file is private.
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// How long it holds, as 8h or 30m; roles may shorten it.
    #[arg(long, value_name = "SPAN", default_value = "12h")]
    ttl: Span,
    /// The proxy's public address, host:port; needed for --format=kubernetes.
    #[arg(long, value_name = "ADDR")]
    proxy: Option<String>,
    /// The Kubernetes cluster; the certificate is good for this one only.
    #[arg(long, value_name = "NAME")]
    kube_cluster_name: Option<KubeClusterName>,
    /// Replace the file when it exists.
    #[arg(long)]
    overwrite: bool,
}

/// Form of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum FileFormat {
    // Not documentation, which would be a paragraph for each in the help.
    // An identity file: key, certificate and authorities, as PEM.
    #[default]
    File,
    // A kubeconfig.
    Kubernetes,
}

/// Which authorities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Authority {
    // Vouches for services and servers.
    #[default]
    Host,
    // Vouches for users.
    User,
}

pub(super) async fn run(client: &Client, command: Auth) -> Result<()> {
    match command {
        Auth::Sign(sign) => write_signed(client, sign).await,
        Auth::Export { kind } => {
            let cas = client.cas().await?;
            let authorities = if kind == Authority::Host { cas.host } else { cas.user };
            print(&authorities.concat())
        }
    }
}

async fn write_signed(client: &Client, sign: Sign) -> Result<()> {
    if sign.out.exists() && !sign.overwrite {
        bail!("{} exists already; choose another --out or add --overwrite", sign.out.display());
    }
    if sign.format == FileFormat::Kubernetes && (sign.proxy.is_none() || sign.kube_cluster_name.is_none()) {
        bail!("--format=kubernetes needs --proxy HOST:PORT and --kube-cluster-name NAME");
    }
    let key = KeyPair::generate();
    let request = SignRequest {
        user: sign.user.clone(),
        public_key: key.public().to_pem(),
        ttl_seconds: sign.ttl.get().as_secs(),
        kube_cluster: sign.kube_cluster_name.clone(),
    };
    let issued = client.sign(&request).await.map_err(|error| match error.api() {
        Some(said) if said.message.contains(&format!("user {} does not exist", sign.user)) => {
            anyhow!("there is no user {}; tctl users ls lists them", sign.user)
        }
        _ => error.into(),
    })?;
    note_unknown_cluster(client, sign.kube_cluster_name.as_ref()).await;
    let content = match (&sign.format, &sign.proxy, &sign.kube_cluster_name) {
        (FileFormat::Kubernetes, Some(proxy), Some(kube)) => kubeconfig(&issued, &key, proxy, kube)?,
        _ => IdentityFile::compose(&key, &issued.certificate, &issued.cas.host),
    };
    atomic_file::write(&sign.out, content.as_bytes(), 0o600).map_err(|error| file_error("write", &sign.out, &error))?;
    line(&format!("{} holds a certificate for {} until {}", sign.out.display(), issued.user, issued.expires))
}

/// Warns of a name that no service serves: a typo would else show only where the file is used.
async fn note_unknown_cluster(client: &Client, asked: Option<&KubeClusterName>) {
    let Some(asked) = asked else { return };
    // Who may sign need not be allowed to list.
    let Ok(status) = client.status().await else { return };
    if !status.kube_clusters.contains(asked) {
        let names: Vec<_> = status.kube_clusters.iter().map(|name| escape(name.as_str())).collect();
        let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        eprintln!("WARNING: no Kubernetes cluster named {} is served now; served are: {there}", escape(asked.as_str()));
    }
}

fn kubeconfig(issued: &IssuedUser, key: &KeyPair, proxy: &str, kube: &KubeClusterName) -> Result<String> {
    let base64 = |text: &str| data_encoding::BASE64.encode(text.as_bytes());
    let cluster = &issued.cas.cluster_name;
    let name = format!("{cluster}-{kube}");
    let document = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {
            "server": format!("https://{}", proxy.trim_start_matches("https://")),
            "tls-server-name": InternalName::kube(kube, cluster).host(),
            "certificate-authority-data": base64(&issued.cas.host.concat()),
        }}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "users": [{"name": name, "user": {
            "client-certificate-data": base64(&issued.certificate),
            "client-key-data": base64(&key.to_pem()),
        }}],
        "current-context": name,
    });
    Ok(serde_saphyr::to_string(&document)?)
}
