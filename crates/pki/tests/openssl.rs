//! What OpenSSL says about our certificates.

use std::{path::Path, process::Command};

use teleport_pki::{CaSigner as _, CertificateDer, KeyPair, Template, pem, testing::TestCas};
use teleport_types::{ServiceKind, sni::InternalName};

fn openssl(args: &[&str]) -> Option<(bool, String)> {
    match Command::new("openssl").args(args).output() {
        Ok(output) => {
            let text = [output.stdout, output.stderr].concat();
            Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
        }
        Err(_) => {
            eprintln!("SKIPPED: openssl is not on PATH");
            None
        }
    }
}

fn write(folder: &Path, name: &str, certificate: &CertificateDer<'_>) -> String {
    let path = folder.join(name);
    std::fs::write(&path, pem::encode_certificates(std::slice::from_ref(certificate))).expect("writes");
    path.to_str().expect("utf-8").to_owned()
}

#[test]
fn openssl_verifies_each_profile_for_its_purpose_and_no_other() {
    if openssl(&["version"]).is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("temp dir");
    let cas = TestCas::new("main");
    let user_ca = write(folder.path(), "user-ca.pem", cas.user.certificate());
    let host_ca = write(folder.path(), "host-ca.pem", cas.host.certificate());
    let user = cas.user_certificate(&cas.user_identity("alice", &["dev"]));
    let service = cas.service_certificate(&cas.service_identity(&[ServiceKind::Kube]));
    let server = cas.server_certificate(&InternalName::Auth(cas.cluster.clone()));
    let web = cas.web_certificate(&["localhost", "127.0.0.1"]);
    let cases = [
        ("user", &user, &user_ca, "sslclient", true),
        ("user", &user, &user_ca, "sslserver", false),
        ("user", &user, &host_ca, "sslclient", false),
        ("service", &service, &host_ca, "sslclient", true),
        ("service", &service, &host_ca, "sslserver", true),
        ("service", &service, &user_ca, "sslclient", false),
        ("server", &server, &host_ca, "sslserver", true),
        ("server", &server, &host_ca, "sslclient", false),
        ("web", &web, &host_ca, "sslserver", true),
        ("web", &web, &host_ca, "sslclient", false),
    ];
    for (name, certified, ca, purpose, good) in cases {
        let leaf = write(folder.path(), "leaf.pem", certified.cert.first().expect("a leaf"));
        let (verified, text) =
            openssl(&["verify", "-x509_strict", "-purpose", purpose, "-CAfile", ca, &leaf]).expect("openssl runs");
        assert_eq!(verified, good, "{name} as {purpose} with {ca}: {text}");
    }
}

#[test]
fn names_with_separators_stay_whole_in_the_subject() {
    let folder = tempfile::tempdir().expect("temp dir");
    let cas = TestCas::new("main");
    let identity = cas.user_identity("o'hara,O=admin+CN=root@example.com", &["a,O=admin", "b=c", "名前"]);
    let template = Template::user(&identity).expect("template");
    let key = KeyPair::generate();
    let certificate = template.issue(&cas.user, key.public(), cas.validity()).expect("issues");
    let path = write(folder.path(), "user.pem", &certificate);
    let Some((ok, text)) =
        openssl(&["x509", "-in", &path, "-noout", "-subject", "-nameopt", "multiline,-esc_msb,utf8"])
    else {
        return;
    };
    assert!(ok, "{text}");
    let lines: Vec<_> = text.lines().skip(1).map(|line| line.split_once(" = ").expect("a value").1).collect();
    assert_eq!(lines, ["a,O=admin", "b=c", "名前", "o'hara,O=admin+CN=root@example.com"]);
}

#[test]
fn openssl_reads_the_private_extension_as_not_critical() {
    let folder = tempfile::tempdir().expect("temp dir");
    let cas = TestCas::new("main");
    let user = cas.user_certificate(&cas.user_identity("alice", &["dev"]));
    let path = write(folder.path(), "user.pem", user.cert.first().expect("a leaf"));
    let Some((ok, text)) = openssl(&["x509", "-in", &path, "-noout", "-text"]) else {
        return;
    };
    assert!(ok, "{text}");
    assert!(text.contains("Version: 3"), "{text}");
    assert!(text.contains("2.25.1963481207: \n"), "the identity is there and not critical: {text}");
    assert!(text.contains("TLS Web Client Authentication\n"), "{text}");
    assert!(text.contains("ecdsa-with-SHA256"), "{text}");
}
