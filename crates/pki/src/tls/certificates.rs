//! The certificates a server answers with, chosen by name and replaced while it runs.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;

/// Server certificates by host name, with one for all other names if wanted. Clones share the content.
#[derive(Clone, Debug, Default)]
pub struct Certificates(Arc<ArcSwap<Content>>);

#[derive(Clone, Debug, Default)]
struct Content {
    by_name: HashMap<String, Arc<CertifiedKey>>,
    otherwise: Option<Arc<CertifiedKey>>,
}

impl Certificates {
    /// Returns an empty set; handshakes fail until something is set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a set that answers every name with one certificate.
    pub fn single(certificate: Arc<CertifiedKey>) -> Self {
        let certificates = Self::new();
        certificates.set_otherwise(certificate);
        certificates
    }

    /// Answers one host name with this certificate from now on.
    pub fn set(&self, host: &str, certificate: Arc<CertifiedKey>) {
        self.change(|content| {
            content.by_name.insert(host.to_ascii_lowercase(), Arc::clone(&certificate));
        });
    }

    /// Stops answering a host name.
    pub fn remove(&self, host: &str) {
        self.change(|content| {
            content.by_name.remove(&host.to_ascii_lowercase());
        });
    }

    /// Answers every name that has no certificate of its own, and clients that name none, with this one.
    pub fn set_otherwise(&self, certificate: Arc<CertifiedKey>) {
        self.change(|content| content.otherwise = Some(Arc::clone(&certificate)));
    }

    /// Replaces all named certificates at once.
    pub fn replace(&self, by_name: impl IntoIterator<Item = (String, Arc<CertifiedKey>)>) {
        let by_name: HashMap<_, _> =
            by_name.into_iter().map(|(host, certificate)| (host.to_ascii_lowercase(), certificate)).collect();
        self.change(|content| content.by_name.clone_from(&by_name));
    }

    /// Replaces everything: each certificate answers the names that stand in it, the first one all others too.
    pub fn replace_by_content(&self, certificates: &[Arc<CertifiedKey>]) {
        let mut by_name = HashMap::new();
        for certificate in certificates {
            for name in certificate.cert.first().map(names_in).unwrap_or_default() {
                by_name.entry(name).or_insert_with(|| Arc::clone(certificate));
            }
        }
        self.0.store(Arc::new(Content { by_name, otherwise: certificates.first().cloned() }));
    }

    /// Returns the certificate that a client asking for `host` gets: of that name, of its `*.` parent, or of the rest.
    pub fn find(&self, host: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let content = self.0.load();
        let named = host.map(str::to_ascii_lowercase).and_then(|host| {
            content.by_name.get(&host).or_else(|| {
                let (_, parent) = host.split_once('.')?;
                content.by_name.get(&format!("*.{parent}"))
            })
        });
        named.or(content.otherwise.as_ref()).cloned()
    }

    fn change(&self, change: impl Fn(&mut Content)) {
        self.0.rcu(|content| {
            let mut content = Content::clone(content);
            change(&mut content);
            content
        });
    }
}

fn names_in(certificate: &CertificateDer<'static>) -> Vec<String> {
    EndEntityCert::try_from(certificate)
        .map(|certificate| certificate.valid_dns_names().map(str::to_ascii_lowercase).collect())
        .unwrap_or_default()
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.find(hello.server_name())
    }
}
