//! What a configuration file may say, and how a wrong one is answered.

#![allow(clippy::panic, reason = "a test that cannot go on should say so at once")]

use teleport::config::{self, AuthPlace, Config, KubeSource, template};

fn error(text: &str) -> String {
    format!("{:#}", config::parse(text).expect_err("refused"))
}

fn good(text: &str) -> Config {
    config::parse(text).unwrap_or_else(|error| panic!("{error:#}"))
}

#[test]
fn the_printed_file_is_a_valid_one() {
    let text = template::render(&template::Choices {
        cluster_name: Some(teleport_types::ClusterName::parse("main").expect("name")),
        public_addr: Some(config::PublicAddr::parse("teleport.example.com:443").expect("address")),
        ..template::Choices::default()
    });
    let config = good(&text);
    assert_eq!(config.proxy.expect("proxy").public_addrs, ["teleport.example.com:443"]);
    assert!(config.kube.is_none(), "switched off in the printed file");
}

#[test]
fn an_unknown_field_is_named_with_its_line_and_the_nearest_known_name() {
    let text = "version: v3\nauth_service:\n  enabled: yes\n  cluster_nam: x\n";
    let error = error(text);
    for part in ["line 4", "cluster_nam", "cluster_name"] {
        assert!(error.contains(part), "{part} in {error}");
    }
}

#[test]
fn known_services_may_be_there_when_they_are_off() {
    let base = "version: v3\nauth_service: {enabled: yes}\n";
    good(&format!("{base}ssh_service:\n  enabled: no\n  labels: {{a: b}}\napp_service: {{enabled: \"no\"}}\n"));
    let error = error(&format!("{base}ssh_service: {{enabled: yes}}\n"));
    assert!(error.contains("not supported"), "{error}");
}

#[test]
fn booleans_have_all_their_spellings() {
    for (word, on) in [("yes", true), ("true", true), ("on", true), ("no", false), ("off", false), ("False", false)] {
        let config = good(&format!("version: v3\nauth_service: {{}}\nproxy_service: {{enabled: {word}}}\n"));
        assert_eq!(config.proxy.is_some(), on, "{word}");
    }
    assert!(error("version: v3\nauth_service: {enabled: maybe}\n").contains("neither yes nor no"));
}

#[test]
fn a_file_without_the_right_version_is_refused() {
    assert!(error("auth_service: {}\n").contains("version: v3"));
    assert!(error("version: v1\nauth_service: {}\n").contains("version: v3"));
}

#[test]
fn a_process_without_auth_needs_to_know_where_it_is() {
    assert!(error("version: v3\nproxy_service: {}\n").contains("auth_server"));
    let config =
        good("version: v3\nteleport: {auth_server: auth.internal, auth_token: 0123456789abcdef}\nproxy_service: {}\n");
    let AuthPlace::Elsewhere(auth) = config.auth else { panic!("elsewhere") };
    assert_eq!(auth.addr, "auth.internal:3025");
}

#[test]
fn weak_or_powerful_static_tokens_are_refused() {
    let with = |token: &str| error(&format!("version: v3\nauth_service: {{tokens: [\"{token}\"]}}\n"));
    assert!(with("proxy:short").contains("shorter"));
    assert!(with("auth:0123456789abcdef").contains("grants auth"));
    assert!(with("0123456789abcdef").contains("no kinds"));
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    let config = good("version: v3\nauth_service: {tokens: [\"proxy,kube:0123456789abcdef\"]}\n");
    assert!(!format!("{config:?}").contains("0123456789abcdef"));
}

#[test]
fn the_classic_form_serves_one_cluster_named_as_the_teleport_cluster() {
    let dir = tempfile::tempdir().expect("temp dir");
    let kubeconfig = dir.path().join("config");
    std::fs::write(&kubeconfig, "apiVersion: v1\nkind: Config\n").expect("write");
    let config = good(&format!(
        "version: v3\nauth_service: {{cluster_name: main}}\nproxy_service:\n  kubernetes: {{enabled: yes, kubeconfig_file: {}}}\n",
        kubeconfig.display()
    ));
    match config.kube.expect("kube").source {
        KubeSource::CurrentContext(path, name) => assert_eq!((path, name.as_str()), (kubeconfig, "main")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_kubernetes_service_names_one_source() {
    let base = "version: v3\nauth_service: {}\nkubernetes_service: ";
    assert!(error(&format!("{base}{{}}\n")).contains("names no cluster"));
    assert!(error(&format!("{base}{{kubeconfig_file: /no/such, kube_cluster_name: x}}\n")).contains("exclude"));
    assert!(error(&format!("{base}{{kubeconfig_file: /no/such}}\n")).contains("does not exist"));
}
