//! The server certificates auth answers with: its own name's, and those of Kubernetes names that nobody serves, made when
//! a client asks and kept for a while.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use rustls::server::{ClientHello, ResolvesServerCert};
use teleport_pki::{CaKind, CertifiedKey, KeyPair, Template};
use teleport_runtime::Clock;
use teleport_types::sni::InternalName;

use crate::{AuthError, ca::Authorities};

/// How long a certificate lasts; another is made at half of it.
const LIFETIME: Duration = Duration::from_secs(2 * 24 * 3600);
/// Most certificates kept. Anybody can ask for any Kubernetes name, so names must not fill the memory.
const KEPT: usize = 1024;

/// Makes and keeps certificates.
#[derive(Debug)]
pub(crate) struct Mint {
    authorities: Arc<Authorities>,
    clock: Clock,
    key: KeyPair,
    kept: Mutex<HashMap<String, Kept>>,
}

#[derive(Debug)]
struct Kept {
    certificate: Arc<CertifiedKey>,
    /// After the clock was set back behind this moment the certificate does not hold yet.
    made_at: Timestamp,
    renew_at: Timestamp,
}

impl Mint {
    pub(crate) fn new(authorities: Arc<Authorities>, clock: Clock) -> Self {
        Self { authorities, clock, key: KeyPair::generate(), kept: Mutex::default() }
    }

    /// Returns the certificate of an internal name of this cluster; `None` for one of another cluster.
    ///
    /// A client that names nobody it could mean gets auth's own: a service that joins does not know the cluster's name
    /// yet, and compares the authority with its pin.
    fn certificate(&self, host: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let name =
            host.and_then(InternalName::parse).unwrap_or_else(|| InternalName::Auth(self.authorities.cluster.clone()));
        match &name {
            InternalName::Auth(cluster) | InternalName::Kube { cluster, .. }
                if *cluster == self.authorities.cluster => {}
            _ => return None,
        }
        let now = self.clock.now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let host = name.host();
        if let Some(found) = kept.get(&host).filter(|found| found.made_at <= now && now < found.renew_at) {
            return Some(Arc::clone(&found.certificate));
        }
        let certificate = self.make(&name).inspect_err(|error| tracing::error!(%error, host, "no certificate")).ok()?;
        if kept.len() >= KEPT {
            kept.clear();
        }
        let renew_at = now.saturating_add(LIFETIME / 2).unwrap_or(now);
        kept.insert(host, Kept { certificate: Arc::clone(&certificate), made_at: now, renew_at });
        Some(certificate)
    }

    fn make(&self, name: &InternalName) -> Result<Arc<CertifiedKey>, AuthError> {
        let template = Template::internal_server(name)?;
        let validity = self.authorities.validity(&self.clock, LIFETIME);
        let certificate = self.authorities.issue(CaKind::Host, &template, self.key.public(), validity)?;
        Ok(self.key.certified(vec![certificate])?)
    }
}

impl ResolvesServerCert for Mint {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.certificate(hello.server_name())
    }
}
