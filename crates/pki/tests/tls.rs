//! Handshakes between our own configurations, in memory.

use std::{sync::Arc, time::Duration};

use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use teleport_pki::{
    CaSigner as _, ServerName, Standing,
    testing::TestCas,
    tls::{self, Certificates, ClientAuth, InsecureWeb},
    verify_client,
};
use teleport_runtime::Clock;
use teleport_types::{
    KubeClusterName, ServiceKind,
    sni::{ALPN_AUTH, InternalName},
};

struct Rig {
    cas: TestCas,
    clock: Clock,
    server: Arc<ServerConfig>,
    name: ServerName<'static>,
}

fn rig(client_auth: ClientAuth) -> Rig {
    let now = Clock::system().now();
    let cas = TestCas::at("main", now);
    let clock = Clock::manual(now);
    let host = InternalName::Auth(cas.cluster.clone());
    let certificates = Arc::new(Certificates::single(cas.server_certificate(&host)));
    let server =
        tls::internal_server(certificates, &cas.trust(), client_auth, &[ALPN_AUTH], &clock).expect("configuration");
    Rig { cas, clock, server, name: ServerName::try_from(host.host()).expect("name") }
}

/// Carries the handshake to its end, or to the first error at either end.
fn handshake(
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    name: &ServerName<'static>,
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    let mut client = ClientConnection::new(client, name.clone())?;
    let mut server = ServerConnection::new(server)?;
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).expect("to memory");
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).expect("from memory");
            server.process_new_packets()?;
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).expect("to memory");
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).expect("from memory");
            client.process_new_packets()?;
        }
    }
    Ok((client, server))
}

#[test]
fn users_and_services_come_through_and_are_verified_once_more_for_their_identity() {
    let rig = rig(ClientAuth::Required);
    let trust = rig.cas.trust();
    let user = rig.cas.user_certificate(&rig.cas.user_identity("alice", &["dev"]));
    let service = rig.cas.service_certificate(&rig.cas.service_identity(&[ServiceKind::Kube]));
    for certificate in [user, service] {
        let client = tls::internal_client(&trust, Some(certificate), &[ALPN_AUTH], &rig.clock);
        let (_, server) = handshake(client, Arc::clone(&rig.server), &rig.name).expect("handshake");
        assert_eq!(server.alpn_protocol(), Some(ALPN_AUTH));
        let chain = server.peer_certificates().expect("a chain");
        let verified = verify_client(chain, &trust.current(), rig.clock.now()).expect("verifies");
        assert_eq!(verified.standing(), Standing::Valid);
    }
}

#[test]
fn a_client_without_a_certificate_comes_through_only_where_it_is_optional() {
    for (client_auth, good) in [(ClientAuth::Required, false), (ClientAuth::Optional, true)] {
        let rig = rig(client_auth);
        let client = tls::internal_client(&rig.cas.trust(), None, &[ALPN_AUTH], &rig.clock);
        let made = handshake(client, rig.server, &rig.name);
        assert_eq!(made.is_ok(), good, "{client_auth:?}: {:?}", made.err());
    }
}

#[test]
fn a_certificate_of_a_foreign_authority_fails_even_where_none_is_needed() {
    let rig = rig(ClientAuth::Optional);
    let foreign = TestCas::at("main", rig.cas.now);
    let mallory = foreign.user_certificate(&foreign.user_identity("mallory", &[]));
    let client = tls::internal_client(&rig.cas.trust(), Some(mallory), &[ALPN_AUTH], &rig.clock);
    handshake(client, rig.server, &rig.name).expect_err("a foreign authority");
}

#[test]
fn an_expired_user_comes_through_and_is_known_as_expired() {
    let rig = rig(ClientAuth::Required);
    let trust = rig.cas.trust();
    let user = rig.cas.user_certificate(&rig.cas.user_identity("alice", &[]));
    // The client of a user whose clock is behind: its own check of the server must not end the test.
    let client = tls::internal_client(&trust, Some(user), &[ALPN_AUTH], &Clock::manual(rig.cas.now));
    rig.clock.advance(Duration::from_secs(3601));
    let (_, server) = handshake(client, rig.server, &rig.name).expect("handshake");
    let chain = server.peer_certificates().expect("a chain");
    let verified = verify_client(chain, &trust.current(), rig.clock.now()).expect("verifies");
    assert_eq!(verified.standing(), Standing::Expired);
}

#[test]
fn an_expired_service_does_not_come_through() {
    let rig = rig(ClientAuth::Required);
    let service = rig.cas.service_certificate(&rig.cas.service_identity(&[ServiceKind::Proxy]));
    let client = tls::internal_client(&rig.cas.trust(), Some(service), &[ALPN_AUTH], &Clock::manual(rig.cas.now));
    rig.clock.advance(Duration::from_secs(3601));
    handshake(client, rig.server, &rig.name).expect_err("expired");
}

#[test]
fn an_authority_that_is_removed_ends_new_handshakes() {
    let rig = rig(ClientAuth::Required);
    let (old, new) = (&rig.cas, TestCas::at("main", rig.cas.now));
    let trust = old.trust();
    let host = InternalName::Auth(old.cluster.clone());
    let certificates = Arc::new(Certificates::single(old.server_certificate(&host)));
    let server = tls::internal_server(certificates, &trust, ClientAuth::Required, &[], &rig.clock).expect("config");
    let user = old.user_certificate(&old.user_identity("alice", &[]));
    let client = tls::internal_client(&old.trust(), Some(user), &[], &rig.clock);
    handshake(Arc::clone(&client), Arc::clone(&server), &rig.name).expect("before");
    trust.replace(new.trusted());
    handshake(client, server, &rig.name).expect_err("after");
}

#[test]
fn no_session_is_ever_resumed() {
    let rig = rig(ClientAuth::Required);
    let user = rig.cas.user_certificate(&rig.cas.user_identity("alice", &[]));
    // A client that would resume if it could.
    let mut client = (*tls::internal_client(&rig.cas.trust(), Some(user), &[ALPN_AUTH], &rig.clock)).clone();
    client.resumption = rustls::client::Resumption::in_memory_sessions(16);
    let client = Arc::new(client);
    for _ in 0..3 {
        let (client_end, server) =
            handshake(Arc::clone(&client), Arc::clone(&rig.server), &rig.name).expect("handshake");
        for kind in [client_end.handshake_kind(), server.handshake_kind()] {
            assert_eq!(kind, Some(rustls::HandshakeKind::Full));
        }
        assert_eq!(client_end.tls13_tickets_received(), 0);
    }
}

#[test]
fn the_server_hints_at_the_user_authority_alone() {
    #[derive(Debug)]
    struct Hints(std::sync::Mutex<Vec<Vec<u8>>>);
    impl rustls::client::ResolvesClientCert for Hints {
        fn resolve(&self, hints: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<rustls::sign::CertifiedKey>> {
            self.0.lock().expect("lock").extend(hints.iter().map(|hint| hint.to_vec()));
            None
        }
        fn has_certs(&self) -> bool {
            true
        }
    }
    let rig = rig(ClientAuth::Optional);
    let hints = Arc::new(Hints(std::sync::Mutex::default()));
    let mut client = (*tls::internal_client(&rig.cas.trust(), None, &[ALPN_AUTH], &rig.clock)).clone();
    client.client_auth_cert_resolver = Arc::clone(&hints) as _;
    handshake(Arc::new(client), rig.server, &rig.name).expect("handshake");
    let seen = hints.0.lock().expect("lock").clone();
    let subject = |ca: &teleport_pki::CertificateDer<'static>| {
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone()).expect("an anchor");
        roots.subjects().into_iter().map(|name| name.as_ref().to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(seen, subject(rig.cas.user.certificate()));
}

#[test]
fn internal_clients_refuse_other_names_authorities_and_public_names() {
    let rig = rig(ClientAuth::Optional);
    let client = |cas: &TestCas| tls::internal_client(&cas.trust(), None, &[ALPN_AUTH], &rig.clock);
    let kube = InternalName::kube(&KubeClusterName::parse("prod").expect("name"), &rig.cas.cluster).host();
    let other = ServerName::try_from(kube).expect("name");
    handshake(client(&rig.cas), Arc::clone(&rig.server), &other).expect_err("another name");
    handshake(client(&TestCas::at("main", rig.cas.now)), Arc::clone(&rig.server), &rig.name)
        .expect_err("another authority");
    let web = Arc::new(Certificates::single(rig.cas.web_certificate(&["localhost", "127.0.0.1"])));
    let web = tls::web_server(web, &[ALPN_AUTH], &rig.clock);
    for public in ["localhost", "127.0.0.1"] {
        let public = ServerName::try_from(public).expect("name");
        handshake(client(&rig.cas), Arc::clone(&web), &public).expect_err("a public name by the host authority");
    }
}

#[test]
fn web_clients_believe_their_roots_and_the_insecure_one_anything() {
    let rig = rig(ClientAuth::Optional);
    let certificates = Certificates::single(rig.cas.web_certificate(&["localhost"]));
    let server = tls::web_server(Arc::new(certificates), &[tls::ALPN_H2, tls::ALPN_HTTP1], &rig.clock);
    let localhost = ServerName::try_from("localhost").expect("name");
    let roots = |cas: &TestCas| {
        let mut roots = RootCertStore::empty();
        roots.add(cas.host.certificate().clone()).expect("an anchor");
        roots
    };
    let good = tls::web_client(roots(&rig.cas), &[tls::ALPN_HTTP1], &rig.clock);
    let (_, made) = handshake(good, Arc::clone(&server), &localhost).expect("handshake");
    assert_eq!(made.alpn_protocol(), Some(tls::ALPN_HTTP1));
    let bad = tls::web_client(roots(&TestCas::at("main", rig.cas.now)), &[tls::ALPN_HTTP1], &rig.clock);
    handshake(bad, Arc::clone(&server), &localhost).expect_err("unknown roots");
    let insecure = tls::unverified_web_client(InsecureWeb, &[tls::ALPN_HTTP1], &rig.clock);
    handshake(insecure, server, &localhost).expect("asked for");
}

#[test]
fn certificates_are_chosen_by_name_and_replaced_while_running() {
    let cas = TestCas::new("main");
    let host = |name| InternalName::kube(&KubeClusterName::parse(name).expect("name"), &cas.cluster);
    let (prod, dev) = (host("prod"), host("dev"));
    let certificates = Certificates::new();
    assert!(certificates.find(None).is_none() && certificates.find(Some("x")).is_none());
    let (first, second) = (cas.server_certificate(&prod), cas.server_certificate(&prod));
    certificates.set(&prod.host(), Arc::clone(&first));
    certificates.set(&dev.host(), cas.server_certificate(&dev));
    let shared = certificates.clone();
    let found = |name: &InternalName| shared.find(Some(&name.host().to_ascii_uppercase()));
    assert!(Arc::ptr_eq(&found(&prod).expect("found"), &first));
    certificates.set(&prod.host(), Arc::clone(&second));
    assert!(Arc::ptr_eq(&found(&prod).expect("found"), &second));
    certificates.remove(&prod.host());
    assert!(found(&prod).is_none() && found(&dev).is_some());
    certificates.replace([(prod.host(), first)]);
    assert!(found(&prod).is_some() && found(&dev).is_none());
}

#[test]
fn web_certificates_answer_the_names_in_them_and_the_first_the_rest() {
    let cas = TestCas::new("main");
    let (first, wide) = (cas.web_certificate(&["a.example.com"]), cas.web_certificate(&["a.example.com", "b.test"]));
    let certificates = Certificates::new();
    certificates.replace_by_content(&[Arc::clone(&first), Arc::clone(&wide)]);
    certificates.set("*.apps.example.com", Arc::clone(&wide));
    for (host, expected) in [
        (Some("a.example.com"), &first),
        (Some("B.test"), &wide),
        (Some("x.apps.example.com"), &wide),
        (Some("x.y.apps.example.com"), &first),
        (Some("apps.example.com"), &first),
        (None, &first),
    ] {
        assert!(Arc::ptr_eq(&certificates.find(host).expect("found"), expected), "{host:?}");
    }
}
