//! The host authorities of clusters: learned once, then pinned. A later login is checked against them, and `--insecure`
//! never replaces them.

use std::{fs, path::PathBuf, sync::Arc};

use teleport_pki::{CertificateDer, SharedTrust, TrustedCas, pem};
use teleport_types::ClusterName;

use super::{Store, damaged, read, write};
use crate::{error::Error, proxy_addr::ProxyHost};

/// The host authorities of one cluster; at least one.
#[derive(Clone, Debug)]
pub struct Authorities {
    trusted: Arc<TrustedCas>,
    pem: String,
}

impl Authorities {
    /// Reads the certificates of a cluster's host authorities.
    ///
    /// # Errors
    /// When there is none, or one cannot be read.
    pub fn new(cluster: ClusterName, host: Vec<CertificateDer<'static>>) -> Result<Self, teleport_pki::PkiError> {
        if host.is_empty() {
            return Err(teleport_pki::PkiError::Certificate);
        }
        let pem = pem::encode_certificates(&host);
        Ok(Self { trusted: Arc::new(TrustedCas::new(cluster, Vec::new(), host)?), pem })
    }

    /// Reads the PEM texts in an answer of the auth service.
    ///
    /// # Errors
    /// When there is none, or one cannot be read.
    pub fn from_answer(answer: &teleport_api::messages::CaBundle) -> Result<Self, teleport_pki::PkiError> {
        let host = pem::certificates(answer.host.join("\n").as_bytes())?;
        Self::new(answer.cluster_name.clone(), host)
    }

    /// Returns the cluster.
    pub fn cluster(&self) -> &ClusterName {
        self.trusted.cluster()
    }

    /// Returns the certificates as PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Returns the certificates.
    pub fn certificates(&self) -> impl Iterator<Item = &CertificateDer<'static>> {
        self.trusted.host().iter().map(teleport_pki::Ca::certificate)
    }

    /// Returns them in the form that TLS configurations take.
    pub fn trust(&self) -> SharedTrust {
        SharedTrust::new(TrustedCas::clone(&self.trusted))
    }
}

impl Store {
    /// Returns the pinned authorities of a cluster behind a proxy; `None` when it was never logged in to.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn authorities(&self, proxy: &ProxyHost, cluster: &ClusterName) -> Result<Option<Authorities>, Error> {
        let path = self.authorities_path(proxy, cluster);
        let Some(text) = read(&path)? else { return Ok(None) };
        let authorities = pem::certificates(&text).and_then(|host| Authorities::new(cluster.clone(), host));
        let hint = "remove it, and log in with --ca-pin so that the cluster is known for sure";
        authorities.map(Some).map_err(|error| damaged(&path, &error.to_string(), hint))
    }

    /// Returns every pinned authority of a proxy, whatever its cluster; what cannot be read is passed over.
    pub fn known_certificates(&self, proxy: &ProxyHost) -> Vec<CertificateDer<'static>> {
        let Ok(files) = fs::read_dir(self.keys(proxy).join("cas")) else { return Vec::new() };
        let texts = files.filter_map(|file| fs::read(file.ok()?.path()).ok());
        texts.filter_map(|text| pem::certificates(&text).ok()).flatten().collect()
    }

    /// Returns the clusters behind a proxy whose authorities are pinned, in order.
    pub fn known_clusters(&self, proxy: &ProxyHost) -> Vec<ClusterName> {
        let Ok(files) = fs::read_dir(self.keys(proxy).join("cas")) else { return Vec::new() };
        let cluster = |file: fs::DirEntry| ClusterName::parse(file.file_name().to_str()?.strip_suffix(".pem")?).ok();
        let mut clusters: Vec<ClusterName> = files.filter_map(|file| cluster(file.ok()?)).collect();
        clusters.sort();
        clusters
    }

    /// Pins authorities. Only what came from the cluster itself, end to end, or matched a pin may get here.
    ///
    /// # Errors
    /// Any error of the file system.
    pub fn pin(&self, proxy: &ProxyHost, authorities: &Authorities) -> Result<(), Error> {
        let path = self.authorities_path(proxy, authorities.cluster());
        match read(&path)? {
            Some(old) if old == authorities.pem.as_bytes() => Ok(()),
            _ => write(&path, authorities.pem.as_bytes()),
        }
    }

    /// Returns where the authorities of a cluster are kept, for messages.
    pub fn authorities_path(&self, proxy: &ProxyHost, cluster: &ClusterName) -> PathBuf {
        self.keys(proxy).join("cas").join(format!("{cluster}.pem"))
    }
}
