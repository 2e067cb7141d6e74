//! The throw-away CA of one Kubernetes API: its server certificate and client certificates for whoever a test wants to be.
//!
//! Called by [`super::KubeSim`] and `envtest` at start and when they write a kubeconfig, by `server` to read who a peer
//! certificate names.

use std::{
    net::IpAddr,
    str::FromStr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use der::{Decode, Encode, asn1::BitString, oid::ObjectIdentifier};
use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use teleport_runtime::Clock;
use x509_cert::{
    Certificate,
    builder::{Builder, CertificateBuilder, profile::BuilderProfile},
    certificate::TbsCertificate,
    ext::{
        Extension, ToExtension,
        pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName, name::GeneralName},
    },
    name::Name,
    serial_number::SerialNumber,
    spki::{self, AlgorithmIdentifierOwned, EncodePublicKey, SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef},
    time::{Time, Validity},
};

use super::identity::Identity;

const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");
/// How long everything lives; a `kubesim` does not outlive a day.
const LIFE: Duration = Duration::from_secs(24 * 3600);
const ISSUER: &str = "CN=kubesim";

/// A certificate and its key, both DER.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: Vec<u8>,
    pub(crate) key_pkcs8: Vec<u8>,
}

/// The CA itself.
pub(crate) struct Authority {
    pair: Pair,
    key: Key,
}

enum Purpose {
    Authority,
    Server(Vec<IpAddr>),
    Client,
}

impl Authority {
    /// Makes a new CA.
    pub(crate) fn new() -> Result<Self> {
        let key = Key::generate()?;
        let certificate = issue(Profile { subject: Name::from_str(ISSUER)?, purpose: Purpose::Authority }, &key, &key)?;
        Ok(Self { pair: Pair { certificate, key_pkcs8: key.pkcs8.clone() }, key })
    }

    /// Returns the CA's certificate as PEM.
    pub(crate) fn pem(&self) -> String {
        pem("CERTIFICATE", &self.pair.certificate)
    }

    /// Returns the CA's certificate, DER.
    pub(crate) fn certificate(&self) -> &[u8] {
        &self.pair.certificate
    }

    /// Issues a client certificate: the user becomes CN, each group one O.
    pub(crate) fn client(&self, user: &str, groups: &[&str]) -> Result<Pair> {
        let mut parts: Vec<String> = vec![format!("CN={}", escaped(user))];
        parts.extend(groups.iter().map(|group| format!("O={}", escaped(group))));
        // Kubernetes reads every O; which RDN holds it does not matter.
        self.leaf(Profile { subject: Name::from_str(&parts.join(","))?, purpose: Purpose::Client })
    }

    /// Issues the certificate of a server at these addresses.
    pub(crate) fn server(&self, addresses: Vec<IpAddr>) -> Result<Pair> {
        self.leaf(Profile { subject: Name::from_str("CN=kubernetes")?, purpose: Purpose::Server(addresses) })
    }

    /// Makes the TLS configuration of the listener: HTTP/2 and HTTP/1.1, client certificates asked for and not required.
    pub(crate) fn server_config(&self, addresses: Vec<IpAddr>) -> Result<ServerConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let pair = self.server(addresses)?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.pair.certificate.clone()))?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(verifier)
            .with_single_cert(
                vec![CertificateDer::from(pair.certificate)],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pair.key_pkcs8)),
            )?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    fn leaf(&self, profile: Profile) -> Result<Pair> {
        let key = Key::generate()?;
        let certificate = issue(profile, &key, &self.key)?;
        Ok(Pair { certificate, key_pkcs8: key.pkcs8 })
    }
}

impl Pair {
    /// Returns the certificate as PEM.
    pub(crate) fn certificate_pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    /// Returns the key as PEM.
    pub(crate) fn key_pem(&self) -> String {
        pem("PRIVATE KEY", &self.key_pkcs8)
    }
}

/// Reads the user (CN) and groups (O) that a client certificate names, as the API server does.
pub(crate) fn identity_of(certificate: &[u8]) -> Option<Identity> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let (mut user, mut groups) = (None, Vec::new());
    for attribute in certificate.tbs_certificate().subject().iter() {
        let text = String::from_utf8(attribute.value.value().to_vec()).ok()?;
        if attribute.oid == COMMON_NAME {
            user = Some(text);
        } else if attribute.oid == ORGANIZATION {
            groups.push(text);
        }
    }
    Some(Identity::authenticated(user?, groups))
}

fn issue(profile: Profile, subject: &Key, issuer: &Key) -> Result<Vec<u8>> {
    let now = SystemTime::from(Clock::system().now());
    // A minute of grace for clocks that are a little behind.
    let validity = Validity::new(Time::try_from(now - Duration::from_secs(60))?, Time::try_from(now + LIFE)?);
    let serial = SerialNumber::new(&[&[1u8][..], &teleport_runtime::random::bytes::<15>()].concat())?;
    let public = SubjectPublicKeyInfoOwned::from_der(&subject.public)?;
    let builder = CertificateBuilder::new(profile, serial, validity, public).context("certificate builder")?;
    let certificate = builder.build::<Key, Signature>(issuer).context("sign certificate")?;
    Ok(certificate.to_der()?)
}

struct Profile {
    subject: Name,
    purpose: Purpose,
}

impl BuilderProfile for Profile {
    fn get_issuer(&self, _subject: &Name) -> Name {
        Name::from_str(ISSUER).unwrap_or_default()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        _spk: SubjectPublicKeyInfoRef<'_>,
        _issuer_spk: SubjectPublicKeyInfoRef<'_>,
        tbs: &TbsCertificate,
    ) -> x509_cert::builder::Result<Vec<Extension>> {
        let mut extensions = Vec::new();
        let mut add = |extension: Extension| extensions.push(extension);
        let subject = tbs.subject();
        match &self.purpose {
            Purpose::Authority => {
                add(BasicConstraints { ca: true, path_len_constraint: None }.to_extension(subject, &[])?);
                add(KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign).to_extension(subject, &[])?);
            }
            Purpose::Server(addresses) => {
                add(KeyUsage(KeyUsages::DigitalSignature.into()).to_extension(subject, &[])?);
                add(ExtendedKeyUsage(vec![SERVER_AUTH]).to_extension(subject, &[])?);
                let mut names: Vec<GeneralName> = addresses.iter().map(|address| GeneralName::from(*address)).collect();
                for name in ["localhost", "kubernetes", "kubernetes.default.svc"] {
                    names.push(GeneralName::DnsName(der::asn1::Ia5String::new(name)?));
                }
                add(SubjectAltName(names).to_extension(subject, &[])?);
            }
            Purpose::Client => {
                add(KeyUsage(KeyUsages::DigitalSignature.into()).to_extension(subject, &[])?);
                add(ExtendedKeyUsage(vec![CLIENT_AUTH]).to_extension(subject, &[])?);
            }
        }
        Ok(extensions)
    }
}

/// A P-256 key as x509-cert wants to see it.
struct Key {
    pair: EcdsaKeyPair,
    public: Vec<u8>,
    pkcs8: Vec<u8>,
}

impl Key {
    fn generate() -> Result<Self> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref())?;
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der()?;
        Ok(Self { public: public.as_ref().to_vec(), pkcs8: document.as_ref().to_vec(), pair })
    }
}

#[derive(Clone)]
struct PublicKey(Vec<u8>);
struct Signature(Vec<u8>);

impl signature::Keypair for Key {
    type VerifyingKey = PublicKey;
    fn verifying_key(&self) -> PublicKey {
        PublicKey(self.public.clone())
    }
}

impl EncodePublicKey for PublicKey {
    fn to_public_key_der(&self) -> spki::Result<der::Document> {
        Ok(der::Document::try_from(self.0.as_slice())?)
    }
}

impl spki::DynSignatureAlgorithmIdentifier for Key {
    fn signature_algorithm_identifier(&self) -> spki::Result<AlgorithmIdentifierOwned> {
        Ok(AlgorithmIdentifierOwned { oid: ECDSA_WITH_SHA256, parameters: None })
    }
}

impl spki::SignatureBitStringEncoding for Signature {
    fn to_bitstring(&self) -> der::Result<BitString> {
        BitString::from_bytes(&self.0)
    }
}

impl signature::Signer<Signature> for Key {
    fn try_sign(&self, message: &[u8]) -> Result<Signature, signature::Error> {
        let signed = self.pair.sign(&SystemRandom::new(), message).map_err(|_| signature::Error::new())?;
        Ok(Signature(signed.as_ref().to_vec()))
    }
}

/// Escapes the characters that RFC 4514 gives a meaning.
fn escaped(text: &str) -> String {
    text.chars().flat_map(|c| if ",+\"\\<>;=#".contains(c) { vec!['\\', c] } else { vec![c] }).collect()
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = data_encoding::BASE64.encode(der);
    let lines: Vec<&str> = body.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_certificate_names_its_user_and_every_group() {
        let authority = Authority::new().unwrap();
        let pair = authority.client("alice", &["devs", "system:masters"]).unwrap();
        let identity = identity_of(&pair.certificate).unwrap();
        assert_eq!(identity.user, "alice");
        let mut groups = identity.groups;
        groups.sort();
        assert_eq!(groups, ["devs", "system:authenticated", "system:masters"]);
    }
}
