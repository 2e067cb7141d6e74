//! Kubeconfigs: what is read, and what is refused by name.

use teleport_kube::upstream::{Authority, CredentialConfig, InCluster, kubeconfig};
use teleport_types::KubeClusterName;

use crate::support::{Home, base64, kubeconfig_text};

const SERVER: &str = "server: 'https://api.test:6443'";

fn name(text: &str) -> KubeClusterName {
    KubeClusterName::parse(text).expect("name")
}

#[test]
fn every_context_is_a_cluster_named_like_it() {
    let home = Home::new();
    let text = "apiVersion: v1\nkind: Config\npreferences: {}\nextensions: [{name: x, extension: {y: 1}}]\n\
        contexts:\n- {name: one, context: {cluster: c, user: u, namespace: n, extensions: null}}\n\
        - {name: 'arn:aws:eks:eu-west-1:1:cluster/two', context: {cluster: d, user: u}}\n\
        clusters:\n- {name: c, cluster: {server: 'https://one.test', unknown-field: [1]}}\n\
        - {name: d, cluster: {server: 'https://two.test:6443/base', insecure-skip-tls-verify: true}}\n\
        users:\n- {name: u, user: {token: t, exec: null, extensions: null}}\n- {name: nobody, user: null}\n";
    let configs = kubeconfig::every_context(&home.write("config", text)).expect("kubeconfig");
    let seen: Vec<_> = configs.iter().map(|config| (config.name.as_str(), config.endpoint.to_string())).collect();
    let expected = [
        ("one", "https://one.test".to_owned()),
        ("arn:aws:eks:eu-west-1:1:cluster/two", "https://two.test:6443/base".to_owned()),
    ];
    assert_eq!(seen, expected);
    assert!(matches!(configs[0].trust.authority, Authority::System));
    assert!(matches!(configs[1].trust.authority, Authority::Anyone));
}

#[test]
fn the_current_context_is_served_under_the_given_name() {
    let home = Home::new();
    let path = home.write("config", &kubeconfig_text(SERVER, "token: t"));
    assert_eq!(kubeconfig::current_context(&path, name("staging")).expect("config").name, name("staging"));
    let path = home.write("config", &kubeconfig_text(SERVER, "token: t").replace("current-context: production", ""));
    let error = kubeconfig::current_context(&path, name("staging")).expect_err("no current context");
    assert!(error.to_string().contains("no current-context"), "{error}");
}

#[test]
fn what_we_cannot_honour_is_refused_by_name() {
    let cases = [
        ("", "token: t", "server is missing"),
        ("server: 'http://10.0.0.1'", "token: t", "not encrypted"),
        ("server: 'https://h', proxy-url: 'http://p:3128'", "token: t", "proxy-url is not supported"),
        ("server: 'https://h', tls-server-name: 'a b'", "token: t", "tls-server-name"),
        (
            "server: 'https://h', certificate-authority-data: '%%'",
            "token: t",
            "certificate-authority-data is not base64",
        ),
        (
            "server: 'https://h', insecure-skip-tls-verify: true, certificate-authority: ca.pem",
            "token: t",
            "exclude one another",
        ),
        (SERVER, "", "no credential"),
        (SERVER, "auth-provider: {name: gcp}", "auth-provider is not supported"),
        (SERVER, "username: admin, password: x", "username and password are not supported"),
        (SERVER, "token: t, as: someone", "as, as-groups"),
        (SERVER, "client-certificate: c.pem", "client-key is missing"),
        (SERVER, "client-key: k.pem", "client-certificate is missing"),
        (
            SERVER,
            "exec: {command: x, apiVersion: client.authentication.k8s.io/v1alpha1}",
            "v1alpha1\" is not supported",
        ),
        (SERVER, "exec: {command: x}", "apiVersion is missing"),
        (SERVER, "exec: {command: ./nowhere, apiVersion: client.authentication.k8s.io/v1}", "there is no program"),
        (SERVER, "token: t, exec: {command: x, apiVersion: client.authentication.k8s.io/v1}", "exclude one another"),
        ("server: 'http://127.0.0.1:1'", "client-certificate: c, client-key: k", "needs an https server"),
    ];
    let home = Home::new();
    for (cluster, user, expected) in cases {
        let path = home.write("config", &kubeconfig_text(cluster, user));
        let error = kubeconfig::every_context(&path).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error:?} should say {expected:?}");
        assert!(error.contains("context \"production\"") && error.contains("/config"), "{error}");
    }
}

#[test]
fn broken_files_say_what_and_where() {
    let home = Home::new();
    let cases = [
        ("", "no contexts"),
        ("contexts: []\n", "no contexts"),
        ("contexts: [{name: a, context: {cluster: c, user: u}}]\n", "there is no cluster \"c\""),
        ("contexts: [{name: a, context: {user: u}}]\n", "names no cluster"),
        ("contexts: [{name: a}]\n", "empty"),
        ("contexts: [{name: '', context: {}}]\n", "1 to 253 characters"),
        ("contexts: [{name: a, context: {}}, {name: a, context: {}}]\n", "two contexts named \"a\""),
        ("contexts:\n- name: a\n  name: b\n", "line 3"),
        ("contexts: {", "line"),
    ];
    for (text, expected) in cases {
        let error = kubeconfig::every_context(&home.write("config", text)).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error:?} should say {expected:?}");
    }
    let missing = kubeconfig::every_context(&home.folder.path().join("nowhere")).expect_err("missing");
    assert!(missing.to_string().contains("cannot be read"), "{missing}");
}

#[test]
fn files_are_relative_to_the_kubeconfig_and_data_comes_before_them() {
    let home = Home::new();
    let config = home.config(
        &format!("{SERVER}, certificate-authority: pki/ca.pem"),
        &format!("client-certificate: c.pem, client-key-data: '{}', client-key: k.pem", base64("key")),
    );
    let shown = format!("{config:?}");
    let folder = home.folder.path().display().to_string();
    assert!(shown.contains(&format!("File({folder}/pki/ca.pem)")), "{shown}");
    assert!(shown.contains(&format!("File({folder}/c.pem), Inline(..)")), "{shown}");
}

#[test]
fn secrets_are_not_in_what_is_printed() {
    let home = Home::new();
    let exec = "exec: {command: x, apiVersion: client.authentication.k8s.io/v1, args: [hidden], env: [{name: A, value: hidden}]}";
    for user in ["token: hidden", exec] {
        let shown = format!("{:?}", home.config(SERVER, user));
        assert!(!shown.contains("hidden"), "{shown}");
    }
}

#[test]
fn a_token_file_comes_before_a_token() {
    let config = Home::new().config(SERVER, "token: t, tokenFile: token");
    let CredentialConfig::Given { token: Some(token), .. } = config.credential else { panic!("a token") };
    assert!(format!("{token:?}").starts_with("File("), "{token:?}");
}

#[test]
fn outside_a_pod_there_is_no_service_account() {
    let home = Home::new();
    let mut pod = InCluster { folder: home.folder.path().to_owned(), host: None, port: None };
    let error = pod.config(name("here")).expect_err("no pod").to_string();
    assert!(error.contains("this is no pod"), "{error}");
    (pod.host, pod.port) = (Some("fd00::1".to_owned()), Some("443".to_owned()));
    let error = pod.config(name("here")).expect_err("no token").to_string();
    assert!(error.contains("token is missing"), "{error}");
    home.write("token", "t");
    home.write("ca.crt", "pem");
    assert_eq!(pod.config(name("here")).expect("pod").endpoint.to_string(), "https://[fd00::1]:443");
}
