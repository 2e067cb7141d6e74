//! What certificates look like and when they hold: keys, profiles, verification, pins, TLS configurations.
//!
//! Nothing here holds a certificate authority's key: issuing goes through [`CaSigner`], which only the auth service
//! implements. Every other crate verifies with [`verify_client`] and takes its TLS configurations from [`tls`].

mod error;
mod extension;
mod fingerprint;
mod keys;
pub mod pem;
mod profile;
mod tbs;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod tls;
mod trust;
mod verify;

pub use error::PkiError;
pub use extension::{own_identity, own_validity};
pub use fingerprint::{Fingerprint, Pin};
pub use keys::{KeyPair, PublicKey};
pub use profile::{AltName, CaKind, Template};
pub use rustls::sign::CertifiedKey;
pub use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
pub use tbs::{CaSigner, SigningFailed, Validity};
pub use trust::{Ca, SharedTrust, TrustedCas};
pub use verify::{Refused, Standing, Verified, verify_client, verify_server};
