//! P-256 key pairs and the public keys that we certify.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, ParsedPublicKey},
};
use der::pem::LineEnding;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject as _};
use zeroize::{Zeroize as _, Zeroizing};

use crate::{PkiError, tls};

/// An ECDSA P-256 key pair. The private part is wiped from memory when dropped and never printed.
pub struct KeyPair {
    pkcs8: Zeroizing<Vec<u8>>,
    pair: EcdsaKeyPair,
    public: PublicKey,
}

impl KeyPair {
    /// Makes a new key pair.
    pub fn generate() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("the provider makes P-256 keys");
        let document = pair.to_pkcs8v1().expect("the provider encodes the keys it makes");
        Self::new(Zeroizing::new(document.as_ref().to_vec()), pair)
    }

    /// Reads a PKCS#8 DER document.
    ///
    /// # Errors
    /// When it is not an ECDSA P-256 private key.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, PkiError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der)
            .map_err(|_| PkiError::PrivateKey("it must be an ECDSA P-256 key in PKCS#8"))?;
        Ok(Self::new(Zeroizing::new(der.to_vec()), pair))
    }

    /// Reads the first `PRIVATE KEY` section of a PEM text; other sections are passed over.
    ///
    /// # Errors
    /// When there is none, or it is not an ECDSA P-256 private key.
    pub fn from_pem(text: &str) -> Result<Self, PkiError> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).map_err(|_| PkiError::Pem("PRIVATE KEY"))?;
        let pair = Self::from_pkcs8_der(key.secret_pkcs8_der());
        PrivateKeyDer::Pkcs8(key).zeroize();
        pair
    }

    /// Returns the PKCS#8 DER document.
    pub fn to_pkcs8_der(&self) -> Zeroizing<Vec<u8>> {
        self.pkcs8.clone()
    }

    /// Returns the PKCS#8 document as PEM, `-----BEGIN PRIVATE KEY-----`.
    pub fn to_pem(&self) -> Zeroizing<String> {
        let text = der::pem::encode_string("PRIVATE KEY", LineEnding::LF, &self.pkcs8).expect("the label is legal");
        Zeroizing::new(text)
    }

    /// Returns the public key.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a message with ECDSA and SHA-256; the signature is in ASN.1 form.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature = self.pair.sign(&SystemRandom::new(), message);
        signature.expect("signing with a P-256 key in memory needs only randomness").as_ref().to_vec()
    }

    /// Returns this key with its certificate chain (leaf first), as TLS uses it.
    ///
    /// # Errors
    /// When the leaf does not certify this key.
    pub fn certified(&self, chain: Vec<CertificateDer<'static>>) -> Result<Arc<CertifiedKey>, PkiError> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.pkcs8.to_vec()));
        certified_key(chain, key)
    }

    fn new(pkcs8: Zeroizing<Vec<u8>>, pair: EcdsaKeyPair) -> Self {
        let public = PublicKey::from_point(pair.public_key().as_ref());
        Self { pkcs8, pair, public }
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").field("public", &self.public).finish_non_exhaustive()
    }
}

/// Puts any private key (RSA, ECDSA, Ed25519) and its chain together, as TLS uses them.
///
/// # Errors
/// When the leaf does not certify the key.
pub(crate) fn certified_key(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<CertifiedKey>, PkiError> {
    CertifiedKey::from_der(chain, key, &tls::provider()).map(Arc::new).map_err(PkiError::KeyMismatch)
}

/// Everything of a P-256 `SubjectPublicKeyInfo` before the point (RFC 5480).
const P256_SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// An uncompressed point: `04`, x, y.
const P256_POINT_LENGTH: usize = 65;

/// A P-256 public key that was checked to be a point of the curve.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicKey(Vec<u8>);

impl PublicKey {
    /// Reads a DER `SubjectPublicKeyInfo`.
    ///
    /// # Errors
    /// When it is not a P-256 key with an uncompressed point on the curve.
    pub fn from_der(spki: &[u8]) -> Result<Self, PkiError> {
        let point = spki.strip_prefix(&P256_SPKI_PREFIX).ok_or(PkiError::PublicKey)?;
        if point.len() != P256_POINT_LENGTH || point.first() != Some(&4) {
            return Err(PkiError::PublicKey);
        }
        ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).map_err(|_| PkiError::PublicKey)?;
        Ok(Self(spki.to_vec()))
    }

    /// Reads a PEM `PUBLIC KEY` section.
    ///
    /// # Errors
    /// When there is none, or as [`PublicKey::from_der`].
    pub fn from_pem(text: &str) -> Result<Self, PkiError> {
        let spki = rustls_pki_types::SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes())
            .map_err(|_| PkiError::Pem("PUBLIC KEY"))?;
        Self::from_der(&spki)
    }

    /// Returns the DER `SubjectPublicKeyInfo`.
    pub fn to_der(&self) -> &[u8] {
        &self.0
    }

    /// Returns the key as PEM, `-----BEGIN PUBLIC KEY-----`.
    pub fn to_pem(&self) -> String {
        der::pem::encode_string("PUBLIC KEY", LineEnding::LF, &self.0).expect("the label is legal")
    }

    /// Checks an ECDSA SHA-256 signature in ASN.1 form.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, self.0.get(P256_SPKI_PREFIX.len()..).unwrap_or_default())
            .is_ok_and(|key| key.verify_sig(message, signature).is_ok())
    }

    fn from_point(point: &[u8]) -> Self {
        Self([P256_SPKI_PREFIX.as_slice(), point].concat())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", crate::Pin::of_spki(&self.0))
    }
}
