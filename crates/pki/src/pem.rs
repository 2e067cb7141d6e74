//! Certificate chains and private keys as PEM text.

use std::sync::Arc;

use der::pem::LineEnding;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use zeroize::Zeroizing;

use crate::{PkiError, keys};

/// Reads every `CERTIFICATE` section, in order; other sections are passed over.
///
/// # Errors
/// When there is none, or one is not well-formed.
pub fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(PkiError::Pem("CERTIFICATE")),
    }
}

/// Writes certificates one after the other, each as a `CERTIFICATE` section.
pub fn encode_certificates(chain: &[CertificateDer<'_>]) -> String {
    let section = |certificate: &CertificateDer<'_>| {
        der::pem::encode_string("CERTIFICATE", LineEnding::LF, certificate).expect("the label is legal")
    };
    chain.iter().map(section).collect()
}

/// Reads a chain and its private key (PKCS#8, PKCS#1 or SEC1), and checks that they belong together.
///
/// Serves the operator's `https_keypairs`; our own keys are [`crate::KeyPair`].
///
/// # Errors
/// Says which of the two cannot be read, or that they do not match.
pub fn certified_key(chain: &[u8], key: &[u8]) -> Result<Arc<CertifiedKey>, PkiError> {
    let chain = certificates(chain)?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| PkiError::Pem("PRIVATE KEY"))?;
    keys::certified_key(chain, key)
}

/// Joins a private key and its chain into one text, as identity files and `.cred` files hold them.
pub fn bundle(key: &crate::KeyPair, chain: &[CertificateDer<'_>]) -> Zeroizing<String> {
    let mut text = key.to_pem();
    text.push_str(&encode_certificates(chain));
    text
}
