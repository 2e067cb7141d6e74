//! The cluster's authorities: made at the first start, kept enclosed with the secrets key, used to sign.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use teleport_api::messages::CaBundle;
use teleport_backend::{Key, Prefix, Write};
use teleport_pki::{
    CaKind, CaSigner, CertificateDer, KeyPair, PublicKey, SharedTrust, SigningFailed, Template, TrustedCas, Validity,
    pem,
};
use teleport_runtime::Clock;
use teleport_types::ClusterName;

use crate::{
    AuthError, Config,
    secrets::{Envelope, FirstStart, SecretsKey},
    store::Store,
};

/// How long a new authority holds.
const LIFETIME: Duration = Duration::from_secs(10 * 366 * 24 * 3600);
/// Certificates begin this much before they are made, for clocks that are behind.
pub(crate) const BACKDATED: Duration = Duration::from_secs(60);

/// What marks a cluster as made: written last at the first start.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClusterRecord {
    cluster_name: ClusterName,
    secrets_key_id: String,
}

/// An authority as it is stored.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AuthorityRecord {
    certificate: String,
    key: Envelope,
}

/// The key that signs heads of the audit log, as it is stored; the public half is for whoever verifies without us.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AuditKeyRecord {
    public_key: String,
    key: Envelope,
}

/// One authority, its key opened.
#[derive(Debug)]
pub(crate) struct Authority {
    key: KeyPair,
    certificate: CertificateDer<'static>,
}

impl CaSigner for Authority {
    fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    fn sign(&self, tbs: &[u8]) -> Result<Vec<u8>, SigningFailed> {
        Ok(self.key.sign(tbs))
    }
}

/// The cluster's authorities and the key of its audit log.
#[derive(Debug)]
pub(crate) struct Authorities {
    pub(crate) cluster: ClusterName,
    pub(crate) user: Authority,
    pub(crate) host: Authority,
    pub(crate) audit: KeyPair,
    pub(crate) bundle: CaBundle,
    pub(crate) trust: SharedTrust,
}

impl Authorities {
    /// Opens the cluster's authorities, or makes them at the first start.
    pub(crate) async fn open(config: &Config, store: &Store, clock: &Clock) -> Result<(Self, SecretsKey), AuthError> {
        let marker = Key::new(["cluster", "state"])?;
        let (secrets, first) = match store.json::<ClusterRecord>(&marker).await? {
            Some(record) if record.value.cluster_name != config.cluster_name => {
                let (stored, configured) = (record.value.cluster_name, config.cluster_name.clone());
                return Err(AuthError::Renamed { stored, configured });
            }
            Some(record) => {
                let secrets = SecretsKey::open(&config.secrets_key_file, FirstStart::No)?;
                if secrets.id() != record.value.secrets_key_id {
                    return Err(AuthError::KeyWrong { path: config.secrets_key_file.clone() });
                }
                (secrets, FirstStart::No)
            }
            None => (SecretsKey::open(&config.secrets_key_file, FirstStart::Yes)?, FirstStart::Yes),
        };
        let keeper = Keeper { cluster: &config.cluster_name, store, secrets: &secrets, clock, first };
        let (user, host) = (keeper.authority(CaKind::User).await?, keeper.authority(CaKind::Host).await?);
        let audit = keeper.audit_key().await?;
        if first == FirstStart::Yes {
            let record =
                ClusterRecord { cluster_name: config.cluster_name.clone(), secrets_key_id: secrets.id().to_owned() };
            store.put_json(Write::new(marker, Store::encode(&record))).await?;
            tracing::info!(cluster = %config.cluster_name, "a new cluster was made, with its certificate authorities");
        }
        Ok((Self::assemble(&config.cluster_name, user, host, audit)?, secrets))
    }

    fn assemble(cluster: &ClusterName, user: Authority, host: Authority, audit: KeyPair) -> Result<Self, AuthError> {
        let bundle = CaBundle {
            cluster_name: cluster.clone(),
            host: vec![pem::encode_certificates(std::slice::from_ref(&host.certificate))],
            user: vec![pem::encode_certificates(std::slice::from_ref(&user.certificate))],
        };
        let trusted = TrustedCas::new(cluster.clone(), vec![user.certificate.clone()], vec![host.certificate.clone()])?;
        Ok(Self { cluster: cluster.clone(), user, host, audit, bundle, trust: SharedTrust::new(trusted) })
    }

    /// Signs a certificate. Only who issues (`issue`, `services`, the server's own names) comes here.
    pub(crate) fn issue(
        &self,
        kind: CaKind,
        template: &Template,
        key: &PublicKey,
        validity: Validity,
    ) -> Result<CertificateDer<'static>, AuthError> {
        let authority = match kind {
            CaKind::User => &self.user,
            CaKind::Host => &self.host,
        };
        Ok(template.issue(authority, key, validity)?)
    }

    /// Returns the validity of a certificate made now: from a minute ago, for `lifetime` or as long as the authorities hold.
    pub(crate) fn validity(&self, clock: &Clock, lifetime: Duration) -> Validity {
        let now = whole_seconds(clock.now());
        let end = self.trust.current().all().map(|ca| ca.validity().not_after).min().unwrap_or(now);
        let asked = now.saturating_add(lifetime).unwrap_or(end);
        Validity { not_before: now.saturating_sub(BACKDATED).unwrap_or(now), not_after: asked.min(end) }
    }
}

/// Certificates speak of whole seconds.
pub(crate) fn whole_seconds(time: jiff::Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// Reads authorities and makes missing ones.
struct Keeper<'a> {
    cluster: &'a ClusterName,
    store: &'a Store,
    secrets: &'a SecretsKey,
    clock: &'a Clock,
    first: FirstStart,
}

impl Keeper<'_> {
    async fn authority(&self, kind: CaKind) -> Result<Authority, AuthError> {
        let place = Prefix::new(["authorities"])?.key(kind.as_str())?;
        if self.first == FirstStart::Yes {
            let made = self.make(kind)?;
            let record = AuthorityRecord {
                certificate: pem::encode_certificates(std::slice::from_ref(&made.certificate)),
                key: self.secrets.seal(place.as_str(), &made.key.to_pkcs8_der()),
            };
            self.store.put_json(Write::new(place, Store::encode(&record))).await?;
            return Ok(made);
        }
        let record: AuthorityRecord = self.required(&place).await?;
        let key = KeyPair::from_pkcs8_der(&self.secrets.unseal(place.as_str(), &record.key)?)?;
        let certificate = pem::certificates(record.certificate.as_bytes())?;
        let certificate = certificate.into_iter().next().ok_or(AuthError::Pki(teleport_pki::PkiError::Certificate))?;
        Ok(Authority { key, certificate })
    }

    async fn audit_key(&self) -> Result<KeyPair, AuthError> {
        let place = Prefix::new(["authorities"])?.key("audit")?;
        if self.first == FirstStart::Yes {
            let key = KeyPair::generate();
            let record = AuditKeyRecord {
                public_key: key.public().to_pem(),
                key: self.secrets.seal(place.as_str(), &key.to_pkcs8_der()),
            };
            self.store.put_json(Write::new(place, Store::encode(&record))).await?;
            return Ok(key);
        }
        let record: AuditKeyRecord = self.required(&place).await?;
        Ok(KeyPair::from_pkcs8_der(&self.secrets.unseal(place.as_str(), &record.key)?)?)
    }

    async fn required<T: serde::de::DeserializeOwned>(&self, place: &Key) -> Result<T, AuthError> {
        match self.store.json(place).await? {
            Some(record) => Ok(record.value),
            None => Err(AuthError::Corrupt { what: place.to_string(), source: "it is missing".into() }),
        }
    }

    fn make(&self, kind: CaKind) -> Result<Authority, AuthError> {
        let key = KeyPair::generate();
        let now = whole_seconds(self.clock.now());
        let validity = Validity {
            not_before: now.saturating_sub(BACKDATED).unwrap_or(now),
            not_after: now.saturating_add(LIFETIME).unwrap_or(now),
        };
        let template = Template::ca(kind, self.cluster)?;
        let certificate = template.issue_self(key.public(), validity, |tbs| Ok(key.sign(tbs)))?;
        Ok(Authority { key, certificate })
    }
}
