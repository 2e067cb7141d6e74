//! A pair of authorities for tests, behind the feature `testing`. Never part of a program.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use teleport_runtime::Clock;
use teleport_types::{
    ClusterName, LoginSession, RoleName, ServiceId, ServiceIdentity, ServiceKind, Traits, UserIdentity, UserName,
    sni::InternalName,
};

use crate::{
    AltName, CaKind, CaSigner, KeyPair, PublicKey, SharedTrust, SigningFailed, Template, TrustedCas, Validity,
};

/// An authority whose key lies in memory.
#[derive(Debug)]
pub struct TestCa {
    key: KeyPair,
    certificate: CertificateDer<'static>,
}

impl TestCa {
    /// Makes an authority.
    pub fn new(kind: CaKind, cluster: &ClusterName, validity: Validity) -> Self {
        let key = KeyPair::generate();
        let template = Template::ca(kind, cluster).expect("template");
        let certificate = template.issue_self(key.public(), validity, |tbs| Ok(key.sign(tbs))).expect("certificate");
        Self { key, certificate }
    }
}

impl CaSigner for TestCa {
    fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    fn sign(&self, tbs: &[u8]) -> Result<Vec<u8>, SigningFailed> {
        Ok(self.key.sign(tbs))
    }
}

/// Both authorities of a cluster; they and what they issue hold an hour around `now`, unless said otherwise.
#[derive(Debug)]
pub struct TestCas {
    /// The cluster.
    pub cluster: ClusterName,
    /// Signs users.
    pub user: TestCa,
    /// Signs services and servers.
    pub host: TestCa,
    /// The middle of the hour.
    pub now: Timestamp,
}

impl TestCas {
    /// Makes the authorities of a cluster around the current time.
    pub fn new(cluster: &str) -> Self {
        Self::at(cluster, Clock::system().now())
    }

    /// Makes the authorities of a cluster around a point in time.
    pub fn at(cluster: &str, now: Timestamp) -> Self {
        let cluster = ClusterName::parse(cluster).expect("cluster name");
        let validity = around(now, Duration::from_secs(7200));
        let user = TestCa::new(CaKind::User, &cluster, validity);
        let host = TestCa::new(CaKind::Host, &cluster, validity);
        Self { cluster, user, host, now }
    }

    /// Returns what a verifier of the cluster trusts.
    pub fn trusted(&self) -> TrustedCas {
        let (user, host) = (self.user.certificate().clone(), self.host.certificate().clone());
        TrustedCas::new(self.cluster.clone(), vec![user], vec![host]).expect("authorities")
    }

    /// Returns the same, shared.
    pub fn trust(&self) -> SharedTrust {
        SharedTrust::new(self.trusted())
    }

    /// Returns the hour around now.
    pub fn validity(&self) -> Validity {
        around(self.now, Duration::from_secs(3600))
    }

    /// Returns the identity of a user with these roles.
    pub fn user_identity(&self, user: &str, roles: &[&str]) -> UserIdentity {
        UserIdentity {
            user: UserName::parse(user).expect("user name"),
            session: LoginSession::random(),
            login_time: self.now,
            roles: roles.iter().map(|role| RoleName::parse(role).expect("role name")).collect(),
            traits: Traits::default(),
            cluster: self.cluster.clone(),
            kube_cluster: None,
            login_ip: None,
            mfa: false,
            renewable: true,
        }
    }

    /// Returns the identity of a service.
    pub fn service_identity(&self, kinds: &[ServiceKind]) -> ServiceIdentity {
        ServiceIdentity { id: ServiceId::random(), kinds: kinds.to_vec(), cluster: self.cluster.clone() }
    }

    /// Issues a user's certificate.
    pub fn user_certificate(&self, identity: &UserIdentity) -> Arc<CertifiedKey> {
        self.user_certificate_for(identity, self.validity())
    }

    /// Issues a user's certificate for another span of time.
    pub fn user_certificate_for(&self, identity: &UserIdentity, validity: Validity) -> Arc<CertifiedKey> {
        certify(&Template::user(identity).expect("template"), &self.user, validity)
    }

    /// Issues a service's certificate.
    pub fn service_certificate(&self, identity: &ServiceIdentity) -> Arc<CertifiedKey> {
        certify(&Template::service(identity, &[]).expect("template"), &self.host, self.validity())
    }

    /// Issues the certificate of a server with an internal name.
    pub fn server_certificate(&self, host: &InternalName) -> Arc<CertifiedKey> {
        certify(&Template::internal_server(host).expect("template"), &self.host, self.validity())
    }

    /// Issues a web certificate signed by the host authority.
    pub fn web_certificate(&self, names: &[&str]) -> Arc<CertifiedKey> {
        let names: Vec<_> = names.iter().map(|name| AltName::parse(name).expect("name")).collect();
        certify(&Template::web(&self.cluster, &names).expect("template"), &self.host, self.validity())
    }
}

/// Issues a certificate for a new key.
pub fn certify(template: &Template, ca: &dyn CaSigner, validity: Validity) -> Arc<CertifiedKey> {
    let key = KeyPair::generate();
    let certificate = issue(template, ca, key.public(), validity);
    key.certified(vec![certificate]).expect("the key matches")
}

/// Issues a certificate for a given key.
pub fn issue(template: &Template, ca: &dyn CaSigner, key: &PublicKey, validity: Validity) -> CertificateDer<'static> {
    template.issue(ca, key, validity).expect("certificate")
}

/// Returns the span of `half` before and after a point in time.
pub fn around(now: Timestamp, half: Duration) -> Validity {
    Validity { not_before: now - half, not_after: now + half }
}
