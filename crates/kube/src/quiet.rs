//! Keeps a certificate that is refused again and again from filling the audit log.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use teleport_pki::Fingerprint;

/// How long the same certificate's refusals are not written down again.
const QUIET: Duration = Duration::from_secs(60);

/// Certificates remembered at a time; when there are more, the oldest are forgotten and noted again.
const REMEMBERED: usize = 4096;

/// When each certificate's refusal was last written down.
#[derive(Debug, Default)]
pub(crate) struct Quiet(Mutex<HashMap<Fingerprint, Timestamp>>);

impl Quiet {
    /// Tells whether a refusal of this certificate is to be written down now.
    pub(crate) fn admits(&self, certificate: Fingerprint, now: Timestamp) -> bool {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = |at: &Timestamp| now < at.saturating_add(QUIET).unwrap_or(Timestamp::MAX);
        if noted.get(&certificate).is_some_and(recent) {
            return false;
        }
        if noted.len() >= REMEMBERED {
            noted.retain(|_, at| recent(at));
            if noted.len() >= REMEMBERED {
                noted.clear();
            }
        }
        noted.insert(certificate, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use teleport_pki::CertificateDer;

    use super::*;

    #[test]
    fn a_certificate_is_noted_once_a_minute() {
        let quiet = Quiet::default();
        let fingerprint = |byte: u8| Fingerprint::of(&CertificateDer::from(vec![byte]));
        let (one, other) = (1, 2);
        let at = |second| Timestamp::from_second(second).expect("a time");
        assert!(quiet.admits(fingerprint(one), at(0)));
        assert!(!quiet.admits(fingerprint(one), at(59)));
        assert!(quiet.admits(fingerprint(other), at(59)), "others are noted all the same");
        assert!(quiet.admits(fingerprint(one), at(60)));
    }

    #[test]
    fn memory_stays_bounded() {
        let quiet = Quiet::default();
        for number in 0..u32::try_from(REMEMBERED).expect("small") * 2 {
            let certificate = CertificateDer::from(number.to_le_bytes().to_vec());
            assert!(quiet.admits(Fingerprint::of(&certificate), Timestamp::UNIX_EPOCH));
        }
        assert!(quiet.0.lock().expect("no panic").len() <= REMEMBERED);
    }
}
