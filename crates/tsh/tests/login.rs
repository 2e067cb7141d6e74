//! Login and logout of the real program against a cluster with real TLS.

mod common;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use common::{
    fake_cluster::{FakeCluster, PASSWORD},
    laptop::{Laptop, run},
};
use serde_json::Value;

const OWN: &str = include_str!("kubeconfig/commented.yaml");

#[test]
fn one_screen_says_who_where_and_that_kubectl_works() {
    let (cluster, laptop) = (FakeCluster::start(&["prod"]), Laptop::new());
    let login = laptop.tsh_with(&["login", &cluster.proxy(), &cluster.pin()], PASSWORD).ok();
    for part in [
        "> Profile URL:        https://127.0.0.1:",
        "  Logged in as:       alice\n",
        "  Cluster:            main\n",
        "  Roles:              dev\n",
        "  Kubernetes cluster: \"prod\"\n",
        "  Kubernetes groups:  dev, view\n",
        "[valid for 59m0s]\n",
        "kubectl uses prod (context main-prod).\n",
    ] {
        assert!(login.out.contains(part), "{part:?} is missing in:\n{}", login.out);
    }
    assert_eq!(login.err, "");
    assert!(fs::read_to_string(laptop.kubeconfig()).expect("read").contains("current-context: main-prod"));
}

#[test]
fn files_are_private_and_hold_no_password() {
    let (cluster, laptop) = (FakeCluster::start(&["prod"]), Laptop::new());
    laptop.tsh_with(&["login", &cluster.proxy(), &cluster.pin()], PASSWORD).ok();
    let mut seen = Vec::new();
    walk(&laptop.store(""), &mut |path, is_folder| {
        let mode = fs::metadata(path).expect("stat").permissions().mode() & 0o777;
        assert_eq!(mode, if is_folder { 0o700 } else { 0o600 }, "{}", path.display());
        if !is_folder {
            seen.push(path.strip_prefix(laptop.store("")).expect("below").display().to_string());
            assert!(!fs::read_to_string(path).expect("read").contains(PASSWORD));
        }
    });
    seen.sort();
    let want = [
        "127.0.0.1.yaml",
        "current-profile",
        "keys/127.0.0.1/alice.access.json",
        "keys/127.0.0.1/alice.crt",
        "keys/127.0.0.1/alice.key",
        "keys/127.0.0.1/cas/main.pem",
        "keys/127.0.0.1/login.lock",
    ];
    assert_eq!(seen, want);
}

#[test]
fn a_login_that_still_holds_asks_for_nothing() {
    let (cluster, laptop) = (FakeCluster::start(&["prod"]), Laptop::new());
    laptop.tsh_with(&["login", &cluster.proxy(), &cluster.pin()], PASSWORD).ok();
    let again = laptop.tsh(&["login"]).ok();
    assert!(again.out.contains("Logged in as:       alice"), "{}", again.out);
    laptop.tsh(&["login", &cluster.proxy(), "main"]).ok();
    assert_eq!(cluster.asked("/v1/login"), 1);
    laptop.tsh(&["login", "other"]).error("is for the cluster main, not for other");
    laptop.tsh(&["login", "--user=bob"]).error("there is no password on stdin");
}

#[test]
fn a_login_that_was_ended_is_made_anew() {
    let (cluster, laptop) = (FakeCluster::start(&["prod"]), Laptop::new());
    laptop.tsh_with(&["login", &cluster.proxy(), &cluster.pin()], PASSWORD).ok();
    cluster.end_logins();
    laptop.tsh(&["kube", "ls"]).error("this login has been ended; log in again");
    let again = laptop.tsh_with(&["login"], PASSWORD).ok();
    assert_eq!(again.err, "Your earlier login does not hold any more: this login has been ended.\n");
    assert_eq!(cluster.asked("/v1/login"), 2);
    laptop.tsh(&["kube", "ls"]).ok();
}

#[test]
fn parallel_logins_are_one_login() {
    let (cluster, laptop) = (FakeCluster::start(&["prod"]), Laptop::new());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| laptop.tsh_with(&["login", &cluster.proxy(), &cluster.pin()], PASSWORD).ok());
        }
    });
    assert_eq!(cluster.asked("/v1/login"), 1);
}

#[test]
fn a_wrong_password_is_one_clear_line_and_leaves_nothing() {
    let (cluster, laptop) = (FakeCluster::start(&["prod"]), Laptop::new());
    let refused = laptop.tsh_with(&["login", &cluster.proxy(), &cluster.pin()], "guess\n");
    let refused = refused.error("wrong user name or password; try again");
    assert_eq!(refused.err.lines().count(), 1);
    assert!(!laptop.store("current-profile").exists() && !laptop.kubeconfig().exists());
    laptop.tsh(&["status"]).error("you are not logged in");
}

#[test]
fn an_unknown_web_certificate_needs_a_pin_or_a_risk_taken() {
    let cluster = FakeCluster::start(&["prod"]);
    let stranger = Laptop::new();
    let refused = stranger.tsh_with(&["login", &cluster.proxy()], PASSWORD);
    refused.error("cannot be verified: it is signed by nobody this machine knows; log in with --ca-pin=PIN");
    let wrong = format!("--ca-pin=sha256:{}", "0".repeat(64));
    stranger.tsh_with(&["login", &cluster.proxy(), &wrong], PASSWORD).error("has the given pin");
    stranger.tsh_with(&["login", &cluster.proxy(), "--ca-pin=sha256:12"], PASSWORD).error("a pin is written sha256:");
    assert_eq!(cluster.asked("/v1/login"), 0, "no password was sent");

    let careless = stranger.tsh_with(&["login", &cluster.proxy(), "--insecure"], PASSWORD).ok();
    assert!(careless.err.starts_with("WARNING: the web certificate of 127.0.0.1:"), "{}", careless.err);

    let roots = Laptop::new();
    fs::write(roots.home().join("roots.pem"), cluster.host_ca()).expect("write");
    let mut login = roots.command(&["login", &cluster.proxy()]);
    run(login.env("SSL_CERT_FILE", roots.home().join("roots.pem")), PASSWORD).ok();
}

#[test]
fn once_known_a_cluster_vouches_for_its_own_web_certificate() {
    let (cluster, laptop) = (FakeCluster::start(&["prod"]), Laptop::new());
    laptop.tsh_with(&["login", &cluster.proxy(), &cluster.pin()], PASSWORD).ok();
    laptop.tsh(&["logout"]).ok();
    laptop.tsh_with(&["login", &cluster.proxy()], PASSWORD).ok();
}

#[test]
fn an_impostor_gets_no_password_and_replaces_nothing() {
    let (cluster, laptop) = (FakeCluster::start(&["prod"]), Laptop::new());
    laptop.tsh_with(&["login", &cluster.proxy(), &cluster.pin()], PASSWORD).ok();
    let pinned = fs::read(laptop.store("keys/127.0.0.1/cas/main.pem")).expect("read");
    laptop.tsh(&["logout"]).ok();

    let impostor = cluster.impostor();
    fs::write(laptop.home().join("roots.pem"), impostor.host_ca()).expect("write");
    let mut verified = laptop.command(&["login", &impostor.proxy()]);
    let verified = run(verified.env("SSL_CERT_FILE", laptop.home().join("roots.pem")), PASSWORD);
    verified.error("cannot prove to be the auth service of main");
    laptop.tsh_with(&["login", &impostor.proxy(), "--insecure"], PASSWORD).error("cannot prove to be the auth service");
    assert_eq!(impostor.asked("/v1/login"), 0, "no password was sent");
    assert_eq!(fs::read(laptop.store("keys/127.0.0.1/cas/main.pem")).expect("read"), pinned);

    // Whoever compares the pin knows that the cluster was set up anew.
    laptop.tsh_with(&["login", &impostor.proxy(), &impostor.pin()], PASSWORD).ok();
}

#[test]
fn an_impostor_cannot_call_itself_another_cluster_and_be_met_for_the_first_time() {
    let (cluster, laptop) = (FakeCluster::start(&["prod"]), Laptop::new());
    laptop.tsh_with(&["login", &cluster.proxy(), &cluster.pin()], PASSWORD).ok();
    laptop.tsh(&["logout"]).ok();

    let impostor = cluster.impostor_called("other");
    let refusal =
        "is known for the cluster main and now says that it is for other; if that is so, log in with --ca-pin";
    laptop.tsh_with(&["login", &impostor.proxy(), "--insecure"], PASSWORD).error(refusal);
    fs::write(laptop.home().join("roots.pem"), impostor.host_ca()).expect("write");
    let mut verified = laptop.command(&["login", &impostor.proxy()]);
    run(verified.env("SSL_CERT_FILE", laptop.home().join("roots.pem")), PASSWORD).error(refusal);
    assert_eq!(impostor.asked("/v1/login"), 0, "no password was sent");
    assert!(!laptop.store("keys/127.0.0.1/cas/other.pem").exists());

    laptop.tsh_with(&["login", &impostor.proxy(), &impostor.pin()], PASSWORD).ok();
}

#[test]
fn several_clusters_are_listed_and_one_is_chosen_by_name() {
    let (cluster, laptop) = (FakeCluster::start(&["prod", "staging"]), Laptop::new());
    let login = laptop.tsh_with(&["login", &cluster.proxy(), &cluster.pin()], PASSWORD).ok();
    assert!(login.out.ends_with("Choose a cluster for kubectl:\n  tsh kube login prod\n  tsh kube login staging\n"));
    assert!(!laptop.kubeconfig().exists());

    let chosen = laptop.tsh(&["kube", "login", "staging"]).ok();
    assert_eq!(chosen.out, "kubectl now uses staging (context main-staging).\n");
    let listed = laptop.tsh(&["kube", "ls"]).ok().out;
    assert_eq!(
        listed,
        "Kube Cluster Name Labels Selected\n----------------- ------ --------\nprod\nstaging                  *\n"
    );
    laptop.tsh(&["kube", "login", "nope"]).error("named nope; there is: prod, staging");
    assert_eq!(laptop.tsh(&["kube", "ls", "-q"]).ok().out, "prod\nstaging\n");

    cluster.kube_clusters(&["main", "staging"]);
    let kept = laptop.tsh(&["login"]).ok();
    assert!(kept.out.ends_with("kubectl uses staging (context main-staging).\n"), "{}", kept.out);
}

#[test]
fn a_logout_that_cannot_clean_the_kubeconfig_says_so_and_can_be_repeated() {
    let (cluster, laptop) = (FakeCluster::start(&["prod"]), Laptop::new());
    fs::write(laptop.kubeconfig(), OWN).expect("write");
    laptop.tsh_with(&["login", &cluster.proxy(), &cluster.pin()], PASSWORD).ok();
    let good = fs::read(laptop.kubeconfig()).expect("read");
    fs::write(laptop.kubeconfig(), "clusters: [a").expect("write");
    let half = laptop.tsh(&["logout"]).error("is not a kubeconfig");
    assert!(half.out.starts_with("Logged alice out of 127.0.0.1:"), "{}", half.out);
    assert!(!laptop.store("keys/127.0.0.1/alice.key").exists());

    fs::write(laptop.kubeconfig(), good).expect("write");
    laptop.tsh(&["logout"]).ok();
    assert_eq!(fs::read_to_string(laptop.kubeconfig()).expect("read"), OWN);
    assert_eq!(laptop.tsh(&["logout"]).ok().out, "You are not logged in.\n");
}

#[test]
fn logout_gives_the_kubeconfig_back_and_tells_auth() {
    let (cluster, laptop) = (FakeCluster::start(&["prod"]), Laptop::new());
    fs::write(laptop.kubeconfig(), OWN).expect("write");
    laptop.tsh_with(&["login", &cluster.proxy(), &cluster.pin()], PASSWORD).ok();
    let logout = laptop.tsh(&["logout"]).ok();
    assert!(logout.out.contains("kubectl uses the context office again."), "{}", logout.out);
    assert_eq!(fs::read_to_string(laptop.kubeconfig()).expect("read"), OWN);
    assert_eq!(cluster.asked("/v1/logout"), 1);
    for gone in ["127.0.0.1.yaml", "current-profile", "keys/127.0.0.1/alice.key", "keys/127.0.0.1/alice-kube"] {
        assert!(!laptop.store(gone).exists(), "{gone}");
    }
    assert_eq!(laptop.tsh(&["logout"]).ok().out, "You are not logged in.\n");
}

#[test]
fn logout_works_without_the_cluster() {
    let (cluster, laptop) = (FakeCluster::start(&["prod"]), Laptop::new());
    laptop.tsh_with(&["login", &cluster.proxy(), &cluster.pin()], PASSWORD).ok();
    drop(cluster);
    let logout = laptop.tsh(&["logout"]).ok();
    assert!(logout.out.contains("was not told"), "{}", logout.out);
    assert!(!laptop.store("keys/127.0.0.1/alice.key").exists());
}

#[test]
fn a_symlink_to_tsh_is_what_the_kubeconfig_names() {
    let (cluster, laptop) = (FakeCluster::start(&["prod"]), Laptop::new());
    let link = laptop.home().join("tsh");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tsh"), &link).expect("symlink");
    let plain = laptop.command(&["login", &cluster.proxy(), &cluster.pin()]);
    let mut login = std::process::Command::new("tsh");
    login.args(plain.get_args()).env_clear();
    login.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("PATH", laptop.home());
    run(&mut login, PASSWORD).ok();
    let kubeconfig = fs::read_to_string(laptop.kubeconfig()).expect("read");
    assert!(kubeconfig.contains(&format!("command: {}\n", link.display())), "{kubeconfig}");
}

#[test]
fn a_broken_kubeconfig_is_named_and_the_login_stands() {
    let (cluster, laptop) = (FakeCluster::start(&["prod"]), Laptop::new());
    fs::write(laptop.kubeconfig(), "clusters: [\n").expect("write");
    let login = laptop.tsh_with(&["login", &cluster.proxy(), &cluster.pin()], PASSWORD);
    let login = login.error("kubeconfig is not a kubeconfig: ");
    assert!(login.out.contains("Logged in as:       alice"), "{}", login.out);
    assert_eq!(fs::read_to_string(laptop.kubeconfig()).expect("read"), "clusters: [\n");
    laptop.tsh(&["status"]).ok();
}

#[test]
fn an_expired_login_is_said_so_everywhere() {
    let (cluster, laptop) = (FakeCluster::start(&["prod"]), Laptop::new());
    cluster.logins_last(0);
    laptop.tsh_with(&["login", &cluster.proxy(), &cluster.pin()], PASSWORD);
    let status = laptop.tsh(&["status"]).error("expired at ");
    assert!(status.out.contains("[EXPIRED]"), "{}", status.out);
    for args in [&["kube", "ls"][..], &["clusters"]] {
        let error = laptop.tsh(args).error("your login to 127.0.0.1:");
        assert!(error.err.contains("; run: tsh login --proxy=127.0.0.1:"), "{}", error.err);
    }
}

#[test]
fn debug_shows_the_chain_of_causes_and_no_secret() {
    let (cluster, laptop) = (FakeCluster::start(&["prod"]), Laptop::new());
    let refused = laptop.tsh_with(&["-d", "login", &cluster.proxy()], PASSWORD).error("signed by nobody");
    assert!(refused.err.contains("\n  because: "), "{}", refused.err);
    let login = laptop.tsh_with(&["-d", "login", &cluster.proxy(), &cluster.pin()], PASSWORD).ok();
    assert!(login.err.contains("DEBUG") && !login.err.contains(PASSWORD) && !login.err.contains("PRIVATE KEY"));
}

#[test]
fn what_servers_say_cannot_drive_the_terminal() {
    let (cluster, laptop) = (FakeCluster::start(&["prod"]), Laptop::new());
    laptop.tsh_with(&["login", &cluster.proxy(), &cluster.pin()], PASSWORD).ok();
    cluster.refuse(true);
    laptop.tsh(&["clusters"]).error(r"the auditors\u{1b}[2J said no; ask them");
}

#[test]
fn other_commands_know_the_login() {
    let (cluster, laptop) = (FakeCluster::start(&["prod"]), Laptop::new());
    laptop.tsh_with(&["login", &cluster.proxy(), &cluster.pin()], PASSWORD).ok();
    let proxy = cluster.proxy().replace("--proxy=", "");

    let env = laptop.tsh(&["env"]).ok().out;
    let kubeconfig = laptop.kubeconfig();
    let want = format!(
        "export TELEPORT_PROXY={proxy}\nexport TELEPORT_CLUSTER=main\nexport TELEPORT_KUBE_CLUSTER=prod\nexport KUBECONFIG={}\n",
        kubeconfig.display()
    );
    assert_eq!(env, want);
    let unset = laptop.tsh(&["env", "--unset"]).ok().out;
    assert!(unset.starts_with("unset TELEPORT_PROXY\n"), "{unset}");

    let version: Value = serde_json::from_str(&laptop.tsh(&["version", "-f", "json"]).ok().out).expect("JSON");
    assert_eq!(version["proxyVersion"], "9.9.9");
    assert_eq!(version["proxyPublicAddress"], proxy);
    let clusters: Value = serde_json::from_str(&laptop.tsh(&["clusters", "--format=json"]).ok().out).expect("JSON");
    assert_eq!(clusters[0]["selected"], true);
    let status: Value = serde_saphyr::from_str(&laptop.tsh(&["status", "-f", "yaml"]).ok().out).expect("YAML");
    assert_eq!(status["active"]["kubernetes_groups"], serde_json::json!(["dev", "view"]));
}

#[test]
fn a_proxy_that_is_none_is_said_so() {
    let laptop = Laptop::new();
    laptop.tsh(&["login"]).error("which proxy is meant is not known; name it once");
    laptop.tsh(&["login", "--proxy=127.0.0.1:1"]).error("cannot reach the proxy at 127.0.0.1:1: connection refused");
    laptop.tsh(&["login", "--proxy=http://x"]).error("a proxy is reached over https");
    laptop.tsh(&["login", "--proxy=x", "--auth=okta"]).error("no way to log in called \"okta\"");
    laptop.tsh(&["status", "--proxy=x:1"]).error("you are not logged in to x:1; run: tsh login --proxy=x:1");
}

#[test]
fn help_is_as_reviewed() {
    let laptop = Laptop::new();
    let commands =
        ["", "login", "logout", "status", "clusters", "kube", "kube ls", "kube login", "env", "version", "completion"];
    for command in commands {
        let args: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let name = if command.is_empty() { "tsh".to_owned() } else { command.replace(' ', "-") };
        let help = laptop.tsh(&args).ok().out;
        assert!(help.contains("Examples:\n"), "{name}");
        common::assert_golden(&format!("help/{name}.golden.txt"), &help);
    }
    assert_eq!(
        laptop.tsh(&[]).error("there is no command").out.lines().next(),
        Some("Log in once, then kubectl works as yourself")
    );
    for shell in ["bash", "zsh", "fish"] {
        assert!(laptop.tsh(&["completion", shell]).ok().out.contains("tsh"));
    }
}

#[test]
fn man_pages_are_written_for_every_command_that_people_use() {
    let laptop = Laptop::new();
    let folder = laptop.home().join("man");
    let said = laptop.tsh(&["man", &folder.display().to_string()]).ok();
    assert!(said.out.contains("tsh.1"), "{}", said.out);
    let page = |name: &str| fs::read_to_string(folder.join(name));
    assert!(page("tsh-kube-login.1").expect("a page").contains("Point kubectl at a Kubernetes cluster"));
    assert!(page("tsh.1").expect("a page").contains(".SH EXAMPLES\n.nf\n"));
    page("tsh-kube-credentials.1").expect_err("hidden");
    laptop.tsh(&["man", "/proc/no/such"]).error("cannot write man pages into /proc/no/such");
}

fn walk(path: &Path, visit: &mut impl FnMut(&Path, bool)) {
    visit(path, path.is_dir());
    for entry in path.is_dir().then(|| fs::read_dir(path).expect("list")).into_iter().flatten() {
        walk(&entry.expect("entry").path(), visit);
    }
}
