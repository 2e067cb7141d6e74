//! What `tsh` does to a kubeconfig, and above all what it leaves alone.

mod common;

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use common::kube::{entry, kubeconfig, login, logout, plugin};
use serde_json::Value;
use teleport_types::KubeClusterName;
use tsh::kubeconfig::Selection;

/// Layouts that people and tools write. Each must read the same, byte for byte, after a login and a logout.
const LAYOUTS: &[(&str, &str)] = &[
    ("kubectl", include_str!("kubeconfig/kubectl.yaml")),
    ("by hand, commented", include_str!("kubeconfig/commented.yaml")),
    ("strings that look like other things", include_str!("kubeconfig/odd-strings.yaml")),
    ("lists indented", include_str!("kubeconfig/indented.yaml")),
    (
        "nothing in it yet",
        "apiVersion: v1\nclusters: []\ncontexts: []\ncurrent-context: \"\"\nkind: Config\nusers: [] # none\n",
    ),
];

#[test]
fn login_then_logout_leaves_the_file_byte_for_byte() {
    for (name, text) in LAYOUTS {
        let dir = tempfile::tempdir().expect("temp dir");
        let file = dir.path().join("config");
        fs::write(&file, text).expect("write");
        login(&file, "prod");
        let between = read(&file);
        assert_ne!(between, *text, "{name}");
        let lost: Vec<&str> = text.lines().filter(|line| !between.contains(line.trim())).collect();
        assert!(lost.iter().all(|line| line.contains("current-context") || line.contains("[]")), "{name}: {lost:?}");
        logout(&file);
        assert_eq!(read(&file), *text, "{name}");
    }
}

#[test]
fn every_other_layout_keeps_what_it_says() {
    for (name, text) in [
        (
            "flow",
            "{apiVersion: v1, kind: Config, clusters: [{name: a, cluster: {server: 'https://a', odd: yes}}], users: []}\n",
        ),
        ("flow lists", "clusters: [{name: a, cluster: {server: x}}]\nusers:\n- {name: u, user: {token: '1e3'}}\n"),
        (
            "JSON",
            "{\"apiVersion\":\"v1\",\"contexts\":[{\"name\":\"a\",\"context\":{\"cluster\":\"a\",\"user\":\"u\"}}],\"current-context\":\"a\"}",
        ),
        ("nulls", "apiVersion: v1\nclusters: null\ncontexts:\ncurrent-context:\nusers: ~\n"),
        ("no end of line", "apiVersion: v1\nclusters:\n- name: a\n  cluster: {server: x}"),
        ("Windows line ends", "apiVersion: v1\r\nclusters:\r\n- name: a\r\n  cluster:\r\n    server: x\r\n"),
        ("document marks", "---\napiVersion: v1\nclusters:\n- name: a\n  cluster: {server: x}\n...\n"),
        ("anchors", "clusters:\n- &a\n  name: a\n  cluster: &c {server: x}\n- name: b\n  cluster: *c\n"),
        (
            "block text",
            "users:\n- name: u\n  user:\n    token: |\n      - not: an entry\n\n      # nor a comment\n\ncurrent-context: >-\n  folded\n  name\n",
        ),
        ("empty", ""),
        ("only a comment", "# mine\n\n"),
    ] {
        let dir = tempfile::tempdir().expect("temp dir");
        let file = dir.path().join("config");
        fs::write(&file, text).expect("write");
        let before = meaning(text);
        login(&file, "prod");
        assert_includes(&meaning(&read(&file)), &before, name);
        assert_eq!(kubeconfig(&file).current().expect("reads").expect("ours").kube_cluster, "prod", "{name}");
        logout(&file);
        assert_includes(&meaning(&read(&file)), &before, name);
        assert!(!read(&file).contains("teleport"), "{name}");
    }
}

#[test]
fn random_files_survive_login_and_logout() {
    for seed in 0..400 {
        let text = common::random_kubeconfig::generate(seed);
        let dir = tempfile::tempdir().expect("temp dir");
        let file = dir.path().join("config");
        fs::write(&file, &text).expect("write");
        let before = meaning(&text);
        login(&file, "prod");
        login(&file, "staging");
        assert_includes(&meaning(&read(&file)), &before, &format!("seed {seed}\n{text}"));
        logout(&file);
        assert_eq!(read(&file), text, "seed {seed}");
    }
}

#[test]
fn a_new_file_is_private_and_has_the_shape_kubectl_writes() {
    let dir = tempfile::tempdir().expect("temp dir");
    let file = dir.path().join("deep/.kube/config");
    login(&file, "prod");
    common::assert_golden("kubeconfig/after-login.golden.yaml", &read(&file));
    assert_eq!(mode(&file), 0o600);
    assert_eq!(fs::read_dir(file.parent().expect("parent")).expect("list").count(), 1, "no lock, no rubbish");
}

#[test]
fn a_second_login_changes_nothing() {
    let dir = tempfile::tempdir().expect("temp dir");
    let file = dir.path().join("config");
    login(&file, "prod");
    let changed = fs::metadata(&file).expect("stat").modified().expect("time");
    login(&file, "prod");
    assert_eq!(fs::metadata(&file).expect("stat").modified().expect("time"), changed);
}

#[test]
fn what_the_user_added_to_our_entries_stays() {
    let dir = tempfile::tempdir().expect("temp dir");
    let file = dir.path().join("config");
    login(&file, "prod");
    let text = read(&file)
        .replace("    user: main-prod\n", "    user: main-prod\n    namespace: team-a\n")
        .replace("    server:", "    proxy-url: socks5://localhost:1080\n    server:");
    fs::write(&file, &text).expect("write");
    login(&file, "prod");
    assert_eq!(read(&file), text);
}

#[test]
fn an_entry_of_our_name_that_is_not_ours_is_left_alone() {
    for text in [
        "users:\n- name: main-prod\n  user: {token: abc}\n",
        "clusters:\n- name: main-prod\n  cluster: {server: x}\n",
        "contexts:\n- name: main-prod\n  context: {cluster: a, user: b}\n",
    ] {
        let dir = tempfile::tempdir().expect("temp dir");
        let file = dir.path().join("config");
        fs::write(&file, text).expect("write");
        let name = kube("prod");
        let error = kubeconfig(&file).offer(&plugin(), &entry(), Selection::Select(&name)).expect_err(text).to_string();
        assert!(error.contains("named main-prod that tsh did not make"), "{error}");
        logout(&file);
        assert_eq!(read(&file), text);
    }
}

#[test]
fn a_broken_file_is_named_with_its_line_and_not_changed() {
    for (text, line) in [
        ("clusters:\n- name: a\n  cluster: [\n", "line "),
        ("a: 1\na: 2\n", "line 2"),
        ("clusters:\n- a\n", "entry 1 of clusters has no name"),
        ("clusters: {a: b}\n", "clusters is not a list"),
        ("- a\n- b\n", "not a mapping"),
        ("current-context: [a]\n", "current-context is not a text"),
        ("a: 1\n---\nb: 2\n", ""),
    ] {
        let dir = tempfile::tempdir().expect("temp dir");
        let file = dir.path().join("config");
        fs::write(&file, text).expect("write");
        let name = kube("prod");
        let error = kubeconfig(&file).offer(&plugin(), &entry(), Selection::Select(&name)).expect_err(text).to_string();
        assert!(error.contains("config is not a kubeconfig") && error.contains(line), "{error}");
        assert!(!error.contains('\n'), "{error}");
        assert_eq!(read(&file), text);
        assert_eq!(fs::read_dir(dir.path()).expect("list").count(), 1);
    }
}

#[test]
fn symlink_and_mode_are_kept() {
    let dir = tempfile::tempdir().expect("temp dir");
    let (real, link) = (dir.path().join("real"), dir.path().join("link"));
    fs::write(&real, "").expect("write");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).expect("chmod");
    symlink("real", &link).expect("symlink");
    login(&link, "prod");
    assert!(fs::symlink_metadata(&link).expect("stat").is_symlink());
    assert!(read(&real).contains("main-prod"));
    assert_eq!(mode(&real), 0o640);
}

#[test]
fn with_several_files_each_entry_stays_where_it_lives() {
    let dir = tempfile::tempdir().expect("temp dir");
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    let list = PathBuf::from(format!("{}:{}", a.display(), b.display()));
    fs::write(&b, "contexts:\n- context:\n    cluster: k\n    user: k\n  name: kind\ncurrent-context: kind\n")
        .expect("write");
    let b_before = read(&b);

    login(&list, "prod");
    assert!(read(&a).contains("name: main-prod"), "new entries go to the first file");
    assert!(read(&b).contains("current-context: main-prod"), "the current context changes where it is set");
    logout(&list);
    assert_eq!(read(&b), b_before);

    fs::remove_file(&a).expect("remove");
    login(&b, "prod");
    login(&list, "prod");
    assert!(!a.exists(), "entries that live in the second file are kept up there");
}

#[test]
fn logout_restores_the_context_from_before_the_first_login() {
    let dir = tempfile::tempdir().expect("temp dir");
    let file = dir.path().join("config");
    fs::write(&file, include_str!("kubeconfig/kubectl.yaml")).expect("write");
    let current = |want: &str| assert!(read(&file).contains(&format!("current-context: {want}\n")), "{}", read(&file));
    current("minikube");
    for name in ["prod", "staging", "prod"] {
        login(&file, name);
        current(&format!("main-{name}"));
    }
    logout(&file);
    current("minikube");

    login(&file, "prod");
    let elsewhere = read(&file).replace("current-context: main-prod", "current-context: kind-dev");
    fs::write(&file, elsewhere).expect("write");
    logout(&file);
    current("kind-dev");
}

#[test]
fn logout_from_one_proxy_leaves_the_entries_of_another() {
    let dir = tempfile::tempdir().expect("temp dir");
    let file = dir.path().join("config");
    login(&file, "prod");
    let before = read(&file);
    let other = common::kube::entry_of("other", "other.example.com:443");
    kubeconfig(&file).offer(&plugin(), &other, Selection::Select(&kube("dev"))).expect("offer");
    let forgotten = kubeconfig(&file).forget(&other.proxy).expect("forget");
    assert_eq!(forgotten.contexts, ["other-dev"]);
    // Between contexts of ours only the user's own is remembered, and here there was none.
    assert_eq!(meaning(&read(&file))["contexts"], meaning(&before)["contexts"]);
    assert_eq!(meaning(&read(&file))["users"], meaning(&before)["users"]);
}

#[test]
fn names_that_are_no_dns_labels_make_entries_too() {
    let dir = tempfile::tempdir().expect("temp dir");
    let file = dir.path().join("config");
    for name in ["arn:aws:eks:eu-west-1:1:cluster/prod", "yes", "0755", "null", "#x", "- a:b".replace(' ', "").as_str()]
    {
        login(&file, name);
        let current = kubeconfig(&file).current().expect("reads").expect("ours");
        assert_eq!((current.kube_cluster.as_str(), current.cluster.as_str()), (name, "main"));
    }
    logout(&file);
    assert_eq!(kubeconfig(&file).current().expect("reads"), None);
}

#[test]
fn parallel_logins_lose_no_entry() {
    let dir = tempfile::tempdir().expect("temp dir");
    let file = dir.path().join("config");
    let threads: Vec<_> = (0..12)
        .map(|n| {
            let file = file.clone();
            std::thread::spawn(move || login(&file, &format!("k{n}")))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    let users = meaning(&read(&file))["users"].as_array().expect("list").len();
    assert_eq!(users, 12);
}

#[test]
fn kubectl_reads_every_layout_and_writes_what_we_read() {
    let kubectls = common::kubectls();
    if kubectls.is_empty() {
        println!("SKIPPED kubectl_reads_every_layout_and_writes_what_we_read: there is no kubectl");
    }
    for (kubectl, (name, text)) in
        kubectls.iter().flat_map(|kubectl| LAYOUTS.iter().map(move |layout| (kubectl, layout)))
    {
        let name = format!("{} {name}", kubectl.display());
        let dir = tempfile::tempdir().expect("temp dir");
        let file = dir.path().join("config");
        fs::write(&file, text).expect("write");
        let before = kubectl_view(kubectl, &file);
        login(&file, "prod");
        assert_includes(&kubectl_view(kubectl, &file), &before, &name);
        let contexts = run(kubectl, &file, &["config", "get-contexts", "main-prod", "--no-headers"]);
        let columns: Vec<&str> = contexts.split_whitespace().collect();
        assert_eq!(columns, ["*", "main-prod", "main-prod", "main-prod"], "{name}");

        run(kubectl, &file, &["config", "set-context", "--current", "--namespace=team-a"]);
        let rewritten = read(&file);
        login(&file, "prod");
        // kubectl before 1.22 does not know interactiveMode and drops it; a login puts it back and nothing else.
        let dropped = if rewritten.contains("interactiveMode") { "" } else { "      interactiveMode: Never\n" };
        let written = read(&file);
        let written = if dropped.is_empty() { written } else { written.replace(dropped, "") };
        assert_eq!(written, rewritten, "{name}: what kubectl wrote is up to date");
        logout(&file);
        assert_eq!(kubectl_view(kubectl, &file), before, "{name}");
    }
}

fn kubectl_view(kubectl: &Path, file: &Path) -> Value {
    serde_json::from_str(&run(kubectl, file, &["config", "view", "--raw", "-o", "json"])).expect("JSON")
}

fn run(kubectl: &Path, file: &Path, args: &[&str]) -> String {
    let output = Command::new(kubectl).env_clear().env("KUBECONFIG", file).args(args).output().expect("kubectl runs");
    assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stderr), read(file));
    String::from_utf8(output.stdout).expect("text")
}

/// Everything in `before` is still in `after`: whole entries, and all other fields but the current context.
fn assert_includes(after: &Value, before: &Value, name: &str) {
    for (key, value) in before.as_object().into_iter().flatten() {
        match (key.as_str(), value.as_array()) {
            ("current-context", _) => {}
            ("clusters" | "contexts" | "users", items) => {
                for item in items.into_iter().flatten() {
                    assert!(after[key].as_array().expect("list").contains(item), "{name}: lost {item}");
                }
            }
            _ => assert_eq!(after[key], *value, "{name}"),
        }
    }
}

fn meaning(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or(Value::Null)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("reads")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("stat").permissions().mode() & 0o777
}

fn kube(name: &str) -> KubeClusterName {
    KubeClusterName::parse(name).expect("name")
}
