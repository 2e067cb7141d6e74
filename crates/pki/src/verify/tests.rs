//! What is verified and what is refused, certificate by certificate.

//! What the verifier accepts and refuses.

use std::time::Duration;

use der::{Decode as _, asn1::OctetString};
use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, ServerName};
use teleport_types::{Identity, KubeClusterName, ServiceKind, sni::InternalName};
use x509_cert::{Certificate, ext::Extension};

use super::*;
use crate::{
    AltName, CaSigner, KeyPair, SharedTrust, Template, TrustedCas,
    extension::{self, Usage},
    tbs::Content,
    testing::{TestCa, TestCas, around, certify},
};

const HOUR: Duration = Duration::from_secs(3600);

fn cas() -> TestCas {
    TestCas::new("main")
}

fn alice(cas: &TestCas) -> CertificateDer<'static> {
    leaf(&cas.user_certificate(&cas.user_identity("alice", &["dev"])))
}

fn leaf(certified: &crate::CertifiedKey) -> CertificateDer<'static> {
    certified.cert.first().expect("a leaf").clone()
}

/// Issues a leaf with any extensions, as an authority that went wrong might.
fn odd_leaf(ca: &TestCa, now: Timestamp, extensions: Vec<Extension>) -> CertificateDer<'static> {
    let authority = Certificate::from_der(ca.certificate()).expect("parses");
    let key = KeyPair::generate();
    let name = authority.tbs_certificate().subject().clone();
    let content =
        Content { issuer: name.clone(), subject: name, key: key.public(), validity: around(now, HOUR), extensions };
    content.sign(|tbs| ca.sign(tbs)).expect("signs")
}

#[test]
fn a_user_is_known_by_the_identity_in_the_certificate() {
    let cas = cas();
    let identity = cas.user_identity("alice", &["dev", "audit"]);
    let certificate = leaf(&cas.user_certificate(&identity));
    let verified = verify_client(std::slice::from_ref(&certificate), &cas.trusted(), cas.now).expect("verifies");
    assert_eq!(*verified.identity(), Identity::User(identity));
    assert_eq!(verified.standing(), Standing::Valid);
    assert_eq!(verified.not_after().as_second(), (cas.now + HOUR).as_second());
    assert_eq!(verified.certificate(), Fingerprint::of(&certificate));
    assert_eq!(verified.ca(), Fingerprint::of(cas.user.certificate()));
}

#[test]
fn a_service_is_known_by_the_identity_in_the_certificate() {
    let cas = cas();
    let identity = cas.service_identity(&[ServiceKind::Kube, ServiceKind::Proxy]);
    let certificate = leaf(&cas.service_certificate(&identity));
    let verified = verify_client(&[certificate], &cas.trusted(), cas.now).expect("verifies");
    assert_eq!(*verified.identity(), Identity::Service(identity));
    assert_eq!(verified.ca(), Fingerprint::of(cas.host.certificate()));
}

#[test]
fn any_changed_byte_of_a_certificate_is_refused() {
    let cas = cas();
    let certificate = alice(&cas);
    let trusted = cas.trusted();
    for at in 0..certificate.len() {
        let mut bytes = certificate.to_vec();
        *bytes.get_mut(at).expect("in range") ^= 1;
        let tampered = CertificateDer::from(bytes);
        // The signature is malleable nowhere either: ECDSA's other half is another number, not one bit away.
        verify_client(&[tampered], &trusted, cas.now).expect_err(&format!("byte {at} changed"));
    }
}

#[test]
fn the_user_authority_cannot_make_services_nor_the_host_authority_users() {
    let cas = cas();
    let user = Template::user(&cas.user_identity("alice", &[])).expect("template");
    let by_host = leaf(&certify(&user, &cas.host, cas.validity()));
    let refused = verify_client(&[by_host], &cas.trusted(), cas.now).expect_err("a user by the host authority");
    assert!(matches!(refused, Refused::WrongAuthority(CaKind::Host)), "{refused:?}");

    let service = Template::service(&cas.service_identity(&[ServiceKind::Auth]), &[]).expect("template");
    let by_user = leaf(&certify(&service, &cas.user, cas.validity()));
    let refused = verify_client(&[by_user], &cas.trusted(), cas.now).expect_err("a service by the user authority");
    assert!(matches!(refused, Refused::WrongAuthority(CaKind::User)), "{refused:?}");
}

#[test]
fn an_authority_with_the_same_name_and_another_key_is_not_trusted() {
    let (ours, theirs) = (cas(), cas());
    let refused = verify_client(&[alice(&theirs)], &ours.trusted(), ours.now).expect_err("a foreign authority");
    assert!(matches!(refused, Refused::UnknownIssuer), "{refused:?}");
}

#[test]
fn both_authorities_of_a_rotation_are_trusted() {
    let (old, new) = (cas(), cas());
    let user = vec![old.user.certificate().clone(), new.user.certificate().clone()];
    let trusted = TrustedCas::new(old.cluster.clone(), user, vec![]).expect("authorities");
    for cas in [&old, &new] {
        let verified = verify_client(&[alice(cas)], &trusted, cas.now).expect("either verifies");
        assert_eq!(verified.ca(), Fingerprint::of(cas.user.certificate()));
    }
}

#[test]
fn an_identity_of_another_cluster_is_refused() {
    let cas = cas();
    let mut identity = cas.user_identity("alice", &["admin"]);
    identity.cluster = ClusterName::parse("other").expect("name");
    let certificate = leaf(&cas.user_certificate(&identity));
    let refused = verify_client(&[certificate], &cas.trusted(), cas.now).expect_err("another cluster");
    assert!(matches!(refused, Refused::WrongCluster { .. }), "{refused:?}");
}

#[test]
fn an_expired_user_is_admitted_as_expired_only_when_all_else_is_right() {
    let cas = cas();
    let later = cas.now + HOUR;
    let certificate = alice(&cas);
    let before = verify_client(std::slice::from_ref(&certificate), &cas.trusted(), later - Duration::from_secs(2))
        .expect("valid");
    assert_eq!(before.standing(), Standing::Valid);
    for past in [later, later + Duration::from_secs(1), later + Duration::from_secs(1800)] {
        let verified = verify_client(std::slice::from_ref(&certificate), &cas.trusted(), past).expect("admitted");
        assert_eq!(verified.standing(), Standing::Expired, "{past}");
    }
    let foreign = alice(&TestCas::at("main", cas.now));
    verify_client(&[foreign], &cas.trusted(), later + HOUR / 2).expect_err("expired, by another authority");
    let by_host = Template::user(&cas.user_identity("alice", &[])).expect("template");
    let by_host = leaf(&certify(&by_host, &cas.host, cas.validity()));
    verify_client(&[by_host], &cas.trusted(), later + HOUR / 2).expect_err("expired, by the host authority");
}

#[test]
fn an_expired_service_is_refused() {
    let cas = cas();
    let certificate = leaf(&cas.service_certificate(&cas.service_identity(&[ServiceKind::Proxy])));
    let refused = verify_client(&[certificate], &cas.trusted(), cas.now + HOUR).expect_err("expired");
    assert!(matches!(refused, Refused::Expired(_)), "{refused:?}");
}

#[test]
fn a_certificate_from_the_future_is_refused() {
    let cas = cas();
    let refused = verify_client(&[alice(&cas)], &cas.trusted(), cas.now - HOUR - HOUR / 2).expect_err("not yet");
    assert!(matches!(refused, Refused::NotYetValid(_)), "{refused:?}");
}

#[test]
fn an_authority_past_its_end_is_refused_though_its_key_still_verifies() {
    let cas = cas();
    // Issued while the authority held, for as long as the authority.
    let identity = cas.user_identity("alice", &["dev"]);
    let to_the_end = Validity { not_before: cas.now - HOUR, not_after: cas.now + HOUR * 2 };
    let certificate = leaf(&cas.user_certificate_for(&identity, to_the_end));
    let past = cas.now + HOUR * 2 + Duration::from_secs(1);
    let refused = verify_client(&[certificate], &cas.trusted(), past).expect_err("the authority has expired");
    assert!(matches!(refused, Refused::Authority(CaKind::User)), "{refused:?}");
}

#[test]
fn a_leaf_cannot_outlive_its_authority() {
    let cas = cas();
    let template = Template::user(&cas.user_identity("alice", &[])).expect("template");
    let key = KeyPair::generate();
    template.issue(&cas.user, key.public(), around(cas.now, HOUR * 3)).expect_err("longer than the authority");
    let reversed = Validity { not_before: cas.now, not_after: cas.now };
    template.issue(&cas.user, key.public(), reversed).expect_err("an empty span");
}

#[test]
fn chains_and_nested_authorities_are_refused() {
    let cas = cas();
    let (alice, trusted) = (alice(&cas), cas.trusted());
    for chain in [vec![alice.clone(), cas.user.certificate().clone()], vec![alice.clone(), alice.clone()]] {
        let refused = verify_client(&chain, &trusted, cas.now).expect_err("two certificates");
        assert!(matches!(refused, Refused::Chain(2)), "{refused:?}");
    }
    assert!(matches!(verify_client(&[], &trusted, cas.now), Err(Refused::Missing)));
    verify_client(&[cas.user.certificate().clone()], &trusted, cas.now).expect_err("an authority as a client");

    // A user's own key that signs as if it were an authority: the user's certificate is not one.
    let (key, identity) = (KeyPair::generate(), cas.user_identity("alice", &[]));
    let template = Template::user(&identity).expect("template");
    let certificate = template.issue(&cas.user, key.public(), cas.validity()).expect("issues");
    let nested = SelfMade { key, certificate };
    let admin = Template::user(&cas.user_identity("admin", &[])).expect("template");
    let certificate = leaf(&certify(&admin, &nested, cas.validity()));
    verify_client(&[certificate], &trusted, cas.now).expect_err("signed by a user");
}

struct SelfMade {
    key: KeyPair,
    certificate: CertificateDer<'static>,
}

impl CaSigner for SelfMade {
    fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }
    fn sign(&self, tbs: &[u8]) -> Result<Vec<u8>, crate::SigningFailed> {
        Ok(self.key.sign(tbs))
    }
}

#[test]
fn exactly_one_identity_of_a_known_version_is_accepted() {
    let cas = cas();
    let trusted = cas.trusted();
    let alice = extension::identity(&Identity::User(cas.user_identity("alice", &[]))).expect("encodes");
    let admin = extension::identity(&Identity::User(cas.user_identity("admin", &[]))).expect("encodes");
    let with = |identities: &[&Extension]| {
        let mut extensions = extension::leaf(Usage::Client).expect("encodes");
        extensions.extend(identities.iter().map(|&identity| identity.clone()));
        verify_client(&[odd_leaf(&cas.user, cas.now, extensions)], &trusted, cas.now)
    };
    assert_eq!(with(&[&alice]).expect("one identity").standing(), Standing::Valid);
    assert!(matches!(with(&[]), Err(Refused::IdentityCount(0))));
    assert!(matches!(with(&[&alice, &admin]), Err(Refused::IdentityCount(2))));

    let text = String::from_utf8(alice.extn_value.as_bytes().to_vec()).expect("utf-8");
    for (from, to) in [("\"v\":1", "\"v\":2"), ("\"user\":{", "\"robot\":{"), ("{", "")] {
        let document = text.replacen(from, to, 1);
        let changed = Extension { extn_value: OctetString::new(document.into_bytes()).expect("fits"), ..alice.clone() };
        assert!(matches!(with(&[&changed]), Err(Refused::Identity(_))), "{from} -> {to}");
    }
}

#[test]
fn a_critical_extension_that_is_not_known_is_refused() {
    let cas = cas();
    let mut extensions = extension::leaf(Usage::Client).expect("encodes");
    let identity = extension::identity(&Identity::User(cas.user_identity("alice", &[]))).expect("encodes");
    extensions.push(Extension { critical: true, ..identity });
    let certificate = odd_leaf(&cas.user, cas.now, extensions);
    verify_client(&[certificate], &cas.trusted(), cas.now).expect_err("critical");
}

#[test]
fn server_certificates_are_no_client_certificates_nor_the_reverse() {
    let cas = cas();
    let host = InternalName::Auth(cas.cluster.clone());
    let server = leaf(&cas.server_certificate(&host));
    let refused =
        verify_client(std::slice::from_ref(&server), &cas.trusted(), cas.now).expect_err("a server as client");
    assert!(matches!(refused, Refused::Usage), "{refused:?}");

    let name = ServerName::try_from(host.host()).expect("name");
    verify_server(&[server], &name, &cas.trusted(), cas.now).expect("the server itself");
    // Even when the user authority is asked for a certificate of that name.
    let mut extensions = extension::leaf(Usage::Client).expect("encodes");
    extensions.push(extension::identity(&Identity::User(cas.user_identity("alice", &[]))).expect("encodes"));
    let client = odd_leaf(&cas.host, cas.now, extensions);
    let refused = verify_server(&[client], &name, &cas.trusted(), cas.now).expect_err("a client as server");
    assert!(matches!(refused, Refused::Usage), "{refused:?}");
}

#[test]
fn a_server_is_good_for_its_own_name_authority_and_time_only() {
    let cas = cas();
    let kube = |name| InternalName::kube(&KubeClusterName::parse(name).expect("name"), &cas.cluster);
    let server_name = |host: &InternalName| ServerName::try_from(host.host()).expect("name");
    let (prod, dev) = (kube("prod"), kube("dev"));
    let certificate = leaf(&cas.server_certificate(&prod));
    let trusted = cas.trusted();
    verify_server(std::slice::from_ref(&certificate), &server_name(&prod), &trusted, cas.now).expect("its own name");
    let other =
        verify_server(std::slice::from_ref(&certificate), &server_name(&dev), &trusted, cas.now).expect_err("another");
    assert!(matches!(other, Refused::Name(_)), "{other:?}");
    let late = cas.now + HOUR + Duration::from_secs(1);
    let expired =
        verify_server(std::slice::from_ref(&certificate), &server_name(&prod), &trusted, late).expect_err("expired");
    assert!(matches!(expired, Refused::Expired(_)), "{expired:?}");
    let by_user = Template::internal_server(&prod).expect("template");
    let by_user = leaf(&certify(&by_user, &cas.user, cas.validity()));
    verify_server(&[by_user], &server_name(&prod), &trusted, cas.now).expect_err("by the user authority");
}

#[test]
fn web_certificates_cannot_take_internal_names() {
    let cas = cas();
    let internal = AltName::parse("auth.main.teleport.internal").expect("a host name");
    Template::web(&cas.cluster, &[internal]).expect_err("an internal name");
    Template::web(&cas.cluster, &[]).expect_err("no name");
    let shouted = AltName::parse("AUTH.MAIN.TELEPORT.INTERNAL").expect("a host name");
    Template::web(&cas.cluster, &[shouted]).expect_err("an internal name in capitals");
    let certificate = leaf(&cas.web_certificate(&["proxy.example.com", "127.0.0.1", "[::1]"]));
    for name in ["proxy.example.com", "127.0.0.1", "::1"] {
        let name = ServerName::try_from(name).expect("name");
        verify_server(std::slice::from_ref(&certificate), &name, &cas.trusted(), cas.now).expect("each of its names");
    }
}

#[test]
fn trust_that_is_replaced_holds_from_then_on() {
    let (old, new) = (cas(), cas());
    let shared = SharedTrust::new(old.trusted());
    let certificate = alice(&old);
    let before = verify_client(std::slice::from_ref(&certificate), &shared.current(), old.now).expect("trusted");
    assert_eq!(before.ca(), Fingerprint::of(old.user.certificate()));
    shared.replace(new.trusted());
    verify_client(&[certificate], &shared.current(), old.now).expect_err("the old authority was removed");
}
