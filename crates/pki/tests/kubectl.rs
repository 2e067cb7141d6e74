//! kubectl, as an example of a Go program, must be able to load what we issue.

use std::process::Command;

use teleport_pki::{KeyPair, Template, pem, testing::TestCas};

#[test]
fn kubectl_loads_a_user_certificate_with_its_identity() {
    let folder = tempfile::tempdir().expect("temp dir");
    let cas = TestCas::new("main");
    let key = KeyPair::generate();
    let template = Template::user(&cas.user_identity("alice", &["dev"])).expect("template");
    let certificate = template.issue(&cas.user, key.public(), cas.validity()).expect("issues");
    let (certificate_file, key_file) = (folder.path().join("user.crt"), folder.path().join("user.key"));
    std::fs::write(&certificate_file, pem::encode_certificates(&[certificate])).expect("writes");
    std::fs::write(&key_file, key.to_pem().as_bytes()).expect("writes");

    let output = Command::new("kubectl")
        .env("HOME", folder.path())
        .env("KUBECONFIG", folder.path().join("none"))
        .args(["get", "--raw=/version", "--request-timeout=5s"])
        // Nobody listens on port 1: the certificate is loaded before that is found out.
        .args(["--server=https://127.0.0.1:1", "--client-certificate"])
        .arg(&certificate_file)
        .arg("--client-key")
        .arg(&key_file)
        .output();
    let Ok(output) = output else {
        eprintln!("SKIPPED: kubectl is not on PATH");
        return;
    };
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("refused") && !text.contains("x509"), "kubectl got as far as dialling: {text}");
}
