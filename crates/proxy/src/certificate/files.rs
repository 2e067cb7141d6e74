//! The operator's `https_keypairs`: served as they are, read again when they change.

use std::{sync::Arc, time::Duration};

use teleport_pki::{CertifiedKey, pem, tls::Certificates};

use super::{CertificateError, KeyPairFiles};

/// The bytes of one pair, as last looked at.
#[derive(PartialEq, Eq)]
pub(super) struct Content {
    chain: Vec<u8>,
    key: zeroize::Zeroizing<Vec<u8>>,
}

/// Watches pairs of files by content: renamed, rewritten and re-linked files are all noticed.
pub(super) struct Files<'a> {
    pairs: &'a [KeyPairFiles],
    seen: Option<Vec<Content>>,
    failing: bool,
}

impl<'a> Files<'a> {
    pub(super) fn new(pairs: &'a [KeyPairFiles]) -> Self {
        Self { pairs, seen: None, failing: false }
    }

    /// Looks at the files again and again; never returns.
    pub(super) async fn follow(mut self, certificates: &Certificates, every: Duration) {
        loop {
            self.look(certificates);
            tokio::time::sleep(every).await;
        }
    }

    /// Serves the files if they changed and are good; otherwise what is served stays, and the log says why, once.
    fn look(&mut self, certificates: &Certificates) {
        let content = match read(self.pairs) {
            Ok(content) => content,
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    complain(&error);
                }
                return;
            }
        };
        self.failing = false;
        if self.seen.as_ref() == Some(&content) {
            return;
        }
        match load(&content, self.pairs) {
            Ok(loaded) => {
                certificates.replace_by_content(&loaded);
                tracing::info!(count = loaded.len(), "web certificates were read");
            }
            Err(error) => complain(&error),
        }
        self.seen = Some(content);
    }
}

fn complain(error: &CertificateError) {
    tracing::error!(error = error as &dyn std::error::Error, "web certificates stay as they are");
}

/// Reads every pair. Small local files, a few times a minute: not worth a thread of their own.
pub(super) fn read(pairs: &[KeyPairFiles]) -> Result<Vec<Content>, CertificateError> {
    let read = |path: &std::path::Path| {
        std::fs::read(path).map_err(|source| CertificateError::File { path: path.to_path_buf(), source })
    };
    let content =
        |pair: &KeyPairFiles| Ok(Content { chain: read(&pair.cert_file)?, key: read(&pair.key_file)?.into() });
    pairs.iter().map(content).collect()
}

/// Parses every pair and checks that chain and key belong together.
pub(super) fn load(content: &[Content], pairs: &[KeyPairFiles]) -> Result<Vec<Arc<CertifiedKey>>, CertificateError> {
    let load = |(content, pair): (&Content, &KeyPairFiles)| {
        pem::certified_key(&content.chain, &content.key)
            .map_err(|source| CertificateError::Pair { pair: pair.clone(), source })
    };
    content.iter().zip(pairs).map(load).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use teleport_pki::{AltName, KeyPair, Template, testing::TestCas};

    use super::*;

    fn write_pair(folder: &Path, cas: &TestCas) {
        let names = [AltName::parse("proxy.example.com").expect("a name")];
        let template = Template::web(&cas.cluster, &names).expect("template");
        let key = KeyPair::generate();
        let certificate = template.issue(&cas.host, key.public(), cas.validity()).expect("issues");
        std::fs::write(folder.join("crt"), pem::encode_certificates(&[certificate])).expect("writes");
        std::fs::write(folder.join("key"), key.to_pem().as_bytes()).expect("writes");
    }

    #[test]
    fn what_is_served_stays_while_the_files_are_wrong_and_changes_once_they_are_right() {
        let folder = tempfile::tempdir().expect("temp dir");
        let cas = TestCas::new("main");
        let (crt, key) = (folder.path().join("crt"), folder.path().join("key"));
        let pairs = [KeyPairFiles { cert_file: crt.clone(), key_file: key.clone() }];
        let (mut files, certificates) = (Files::new(&pairs), Certificates::new());
        let served = || certificates.find(None);

        files.look(&certificates);
        assert!(served().is_none(), "there are no files yet");
        write_pair(folder.path(), &cas);
        files.look(&certificates);
        let first = served().expect("served now");
        files.look(&certificates);
        assert!(Arc::ptr_eq(&first, &served().expect("served")), "nothing changed");

        let good_key = std::fs::read(&key).expect("reads");
        for wrong in [&b""[..], b"-----BEGIN PRIVATE KEY-----\n", KeyPair::generate().to_pem().as_bytes()] {
            std::fs::write(&key, wrong).expect("writes");
            files.look(&certificates);
            assert!(Arc::ptr_eq(&first, &served().expect("served")), "the old one stays");
        }
        std::fs::remove_file(&key).expect("removes");
        files.look(&certificates);
        assert!(Arc::ptr_eq(&first, &served().expect("served")), "the old one stays");

        std::fs::write(&key, good_key).expect("writes");
        files.look(&certificates);
        let again = served().expect("served");
        assert_eq!(again.cert, first.cert, "the same pair, read again");
        write_pair(folder.path(), &cas);
        files.look(&certificates);
        assert_ne!(served().expect("served").cert, first.cert);
    }
}
