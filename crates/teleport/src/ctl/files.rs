//! Identity files: one PEM file with a key, its certificate and the authorities that vouch for the other side.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use teleport_pki::{CertificateDer, KeyPair, pem};

use crate::output::read_file;

/// What an identity file holds.
pub struct IdentityFile {
    /// The key.
    pub key: KeyPair,
    /// The user's certificate.
    pub certificate: CertificateDer<'static>,
    /// Host CAs of the cluster.
    pub host_cas: Vec<CertificateDer<'static>>,
}

impl IdentityFile {
    /// Returns the text of a file: key, certificate, host CAs.
    pub fn compose(key: &KeyPair, certificate: &str, host_cas: &[String]) -> String {
        format!("{}{certificate}{}", &*key.to_pem(), host_cas.concat())
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or holds something else.
    pub fn read(path: &Path) -> Result<Self> {
        let text = read_file(path)?;
        let wrong =
            || format!("{} is not an identity file; make one with tctl auth sign --format=file", path.display());
        let Ok(key) = KeyPair::from_pem(&text) else { bail!(wrong()) };
        let mut certificates = pem::certificates(text.as_bytes()).with_context(wrong)?.into_iter();
        let (Some(certificate), host_cas) = (certificates.next(), certificates.collect::<Vec<_>>()) else {
            bail!(wrong());
        };
        if host_cas.is_empty() {
            bail!(wrong());
        }
        Ok(Self { key, certificate, host_cas })
    }
}
