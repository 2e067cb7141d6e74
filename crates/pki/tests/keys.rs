//! Keys, PEM and pins read back as written, and refuse what they are not.

use teleport_pki::{AltName, KeyPair, Pin, PublicKey, pem, testing::TestCas};

#[test]
fn a_key_pair_reads_back_from_pem_and_der() {
    let key = KeyPair::generate();
    let text = key.to_pem();
    assert!(text.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    for again in [KeyPair::from_pem(&text), KeyPair::from_pkcs8_der(&key.to_pkcs8_der())] {
        let again = again.expect("reads back");
        assert_eq!(again.public(), key.public());
        assert!(key.public().verifies(b"message", &again.sign(b"message")));
        assert!(!key.public().verifies(b"another", &again.sign(b"message")));
    }
}

#[test]
fn a_private_key_is_never_printed() {
    let key = KeyPair::generate();
    let shown = format!("{key:?}");
    let secret = key.to_pkcs8_der().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert!(!shown.contains(secret.get(80..100).expect("long enough")));
    assert!(shown.starts_with("KeyPair { public: PublicKey(sha256:"), "{shown}");
}

#[test]
fn keys_of_other_kinds_are_refused() {
    for bad in ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
        KeyPair::from_pem(bad).expect_err(bad);
        PublicKey::from_pem(bad).expect_err(bad);
    }
    let spki = KeyPair::generate().public().to_der().to_vec();
    PublicKey::from_der(&spki).expect("as it is");
    let mut off_the_curve = spki.clone();
    *off_the_curve.last_mut().expect("not empty") ^= 1;
    PublicKey::from_der(&off_the_curve).expect_err("a point that is not on the curve");
    PublicKey::from_der(spki.get(..90).expect("long enough")).expect_err("cut short");
    PublicKey::from_der(&[spki.as_slice(), &[0]].concat()).expect_err("with a byte behind");
}

#[test]
fn a_public_key_reads_back_from_pem() {
    let key = KeyPair::generate();
    assert_eq!(PublicKey::from_pem(&key.public().to_pem()).expect("reads"), *key.public());
}

#[test]
fn a_bundle_holds_key_and_chain_in_any_order() {
    let cas = TestCas::new("main");
    let user = cas.user_certificate(&cas.user_identity("alice", &[]));
    let key = KeyPair::generate();
    let bundle = pem::bundle(&key, &user.cert);
    assert_eq!(KeyPair::from_pem(&bundle).expect("key").public(), key.public());
    assert_eq!(pem::certificates(bundle.as_bytes()).expect("chain"), user.cert);
    let reversed = format!("{}{}", pem::encode_certificates(&user.cert), *key.to_pem());
    assert_eq!(KeyPair::from_pem(&reversed).expect("key").public(), key.public());
    pem::certificates(key.to_pem().as_bytes()).expect_err("no certificate in a key");
}

#[test]
fn a_certificate_and_a_key_that_do_not_belong_together_are_refused() {
    let cas = TestCas::new("main");
    let web = cas.web_certificate(&["localhost"]);
    let chain = pem::encode_certificates(&web.cert);
    pem::certified_key(chain.as_bytes(), KeyPair::generate().to_pem().as_bytes()).expect_err("another key");
    KeyPair::generate().certified(web.cert.clone()).expect_err("another key");
}

#[test]
fn pins_are_of_the_key_and_read_back() {
    let cas = TestCas::new("main");
    let (one, other) = (cas.web_certificate(&["a.example"]), cas.web_certificate(&["a.example"]));
    let (one, other) = (one.cert.first().expect("leaf"), other.cert.first().expect("leaf"));
    let pin = Pin::of(one).expect("a pin");
    assert_eq!(Pin::parse(&pin.to_string()).expect("reads back"), pin);
    assert_eq!(Pin::parse(&pin.to_string().to_uppercase().replacen("SHA256", "sha256", 1)).expect("capitals"), pin);
    assert!(pin.matches(one) && !pin.matches(other));
    for bad in ["", "sha256:", "sha256:00", "md5:00", &format!("{pin}00"), &pin.to_string()[7..]] {
        Pin::parse(bad).expect_err(bad);
    }
}

#[test]
fn names_for_servers_are_host_names_and_addresses() {
    for good in ["localhost", "proxy.example.com", "10.0.0.1", "::1", "[::1]"] {
        AltName::parse(good).expect(good);
    }
    for bad in ["", "a b", "https://x", "x:3080", "a,b"] {
        AltName::parse(bad).expect_err(bad);
    }
}
