//! Internal host names: the first label says what a connection wants, the rest which cluster it belongs to.

use crate::{ClusterName, KubeClusterName};

/// Every internal name ends in this.
pub const SUFFIX: &str = "teleport.internal";

/// ALPN protocol of the auth service's API.
pub const ALPN_AUTH: &[u8] = b"teleport-auth";

/// The first label of a Kubernetes cluster's internal name: `k-` and base32 of half a SHA-256 of its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KubeLabel(Box<str>);

/// What an internal host name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InternalName {
    /// `k-<label>.<cluster>.teleport.internal`
    Kube {
        /// Which Kubernetes cluster.
        label: KubeLabel,
        /// Which Teleport cluster serves it.
        cluster: ClusterName,
    },
    /// `auth.<cluster>.teleport.internal`
    Auth(ClusterName),
    /// `proxy.<cluster>.teleport.internal`
    Proxy(ClusterName),
}

impl KubeLabel {
    /// Returns the label of a Kubernetes cluster: `k-` and the first 16 bytes of SHA-256 of its name in lowercase base32.
    pub fn of(name: &KubeClusterName) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, name.as_str().as_bytes());
        let half = digest.as_ref().get(..16).expect("SHA-256 has 32 bytes");
        let text = data_encoding::BASE32_NOPAD.encode(half).to_ascii_lowercase();
        Self(format!("k-{text}").into())
    }

    /// Returns the label as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let code = text.strip_prefix("k-")?;
        let base32 = code.bytes().all(|b| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b));
        (code.len() == 26 && base32).then(|| Self(text.into()))
    }
}

impl InternalName {
    /// Reads a host name, letter case ignored; `None` when it is not under [`SUFFIX`] or its form is not known.
    pub fn parse(host: &str) -> Option<Self> {
        let host = host.to_ascii_lowercase();
        let inner = host.strip_suffix(SUFFIX)?.strip_suffix('.')?;
        let (first, cluster) = inner.split_once('.')?;
        let cluster = ClusterName::parse(cluster).ok()?;
        match first {
            "auth" => Some(Self::Auth(cluster)),
            "proxy" => Some(Self::Proxy(cluster)),
            _ => KubeLabel::parse(first).map(|label| Self::Kube { label, cluster }),
        }
    }

    /// Tells whether a host name is under [`SUFFIX`], of a known form or not.
    pub fn is_internal(host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        host.strip_suffix(SUFFIX).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }

    /// Returns the name of a Kubernetes cluster.
    pub fn kube(name: &KubeClusterName, cluster: &ClusterName) -> Self {
        Self::Kube { label: KubeLabel::of(name), cluster: cluster.clone() }
    }

    /// Returns the host name.
    pub fn host(&self) -> String {
        match self {
            Self::Kube { label, cluster } => format!("{}.{cluster}.{SUFFIX}", label.as_str()),
            Self::Auth(cluster) => format!("auth.{cluster}.{SUFFIX}"),
            Self::Proxy(cluster) => format!("proxy.{cluster}.{SUFFIX}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_fit_in_dns() {
        let cluster = ClusterName::parse("teleport.example.com").expect("name");
        let kube = KubeClusterName::parse("arn:aws:eks:eu-west-1:1:cluster/prod").expect("name");
        for name in [
            InternalName::kube(&kube, &cluster),
            InternalName::Auth(cluster.clone()),
            InternalName::Proxy(cluster.clone()),
        ] {
            let host = name.host();
            assert!(host.len() <= 253 && host.split('.').all(|l| l.len() <= 63), "{host}");
            assert_eq!(InternalName::parse(&host.to_ascii_uppercase()), Some(name));
        }
    }

    #[test]
    fn other_hosts_are_not_internal_names() {
        for host in [
            "example.com",
            "teleport.internal",
            "x.main.teleport.internal",
            "k-short.main.teleport.internal",
            "auth.teleport.internal",
        ] {
            assert_eq!(InternalName::parse(host), None, "{host}");
        }
        assert!(InternalName::is_internal("x.main.teleport.internal"));
        assert!(!InternalName::is_internal("notteleport.internal"));
    }
}
