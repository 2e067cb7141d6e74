//! `tsh kube credentials` as kubectl uses it: cold, warm, forty at once, and when nothing goes right.

mod common;

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use common::{
    fake_cluster::{FakeCluster, PASSWORD},
    laptop::{Ended, Laptop, run},
};
use serde_json::Value;
use teleport_pki::{own_identity, own_validity, pem};
use teleport_types::Identity;

const CRED: &str = "keys/127.0.0.1/alice-kube/main/prod.cred";

struct World {
    cluster: FakeCluster,
    laptop: Laptop,
}

impl World {
    fn logged_in() -> Self {
        let world = Self { cluster: FakeCluster::start(&["prod"]), laptop: Laptop::new() };
        world.login().ok();
        world
    }

    fn login(&self) -> Ended {
        self.laptop.tsh_with(&["login", &self.cluster.proxy(), &self.cluster.pin()], PASSWORD)
    }

    fn command(&self) -> Command {
        let args = ["kube", "credentials", "--kube-cluster=prod", "--teleport-cluster=main", &self.cluster.proxy()];
        self.laptop.command(&args)
    }

    fn credentials(&self) -> Ended {
        run(&mut self.command(), "")
    }

    fn reissues(&self) -> usize {
        self.cluster.asked("/v1/certs/user")
    }
}

#[test]
fn the_first_call_fetches_and_the_next_ones_read_a_file() {
    let world = World::logged_in();
    let first = world.credentials().ok();
    let answer: Value = serde_json::from_str(&first.out).expect("JSON");
    assert_eq!(answer["apiVersion"], "client.authentication.k8s.io/v1beta1");
    let certificate = answer["status"]["clientCertificateData"].as_str().expect("text");
    assert!(answer["status"]["clientKeyData"].as_str().expect("text").contains("PRIVATE KEY"));
    let chain = pem::certificates(certificate.as_bytes()).expect("certificates");
    let Identity::User(user) = own_identity(&chain[0]).expect("identity") else { panic!("a user's") };
    assert_eq!(user.kube_cluster.expect("pinned").as_str(), "prod");
    let end = own_validity(&chain[0]).expect("validity").not_after - Duration::from_secs(60);
    assert_eq!(answer["status"]["expirationTimestamp"], end.to_string());

    assert_eq!(world.credentials().ok().out, first.out);
    assert_eq!(world.reissues(), 1);
}

#[test]
fn forty_at_once_cost_one_certificate_cold_and_none_warm() {
    let world = World::logged_in();
    let all = || {
        let answers: Vec<String> = std::thread::scope(|scope| {
            let runs: Vec<_> = (0..40).map(|_| scope.spawn(|| world.credentials().ok().out)).collect();
            runs.into_iter().map(|run| run.join().expect("no panic")).collect()
        });
        assert!(answers.iter().all(|answer| *answer == answers[0]));
    };
    all();
    assert_eq!(world.reissues(), 1);
    all();
    assert_eq!(world.reissues(), 1);
}

#[test]
fn a_warm_call_needs_no_cluster() {
    let World { cluster, laptop } = World::logged_in();
    let args = ["kube", "credentials", "--kube-cluster=prod", "--teleport-cluster=main", &cluster.proxy()];
    laptop.tsh(&args).ok();
    drop(cluster);
    laptop.tsh(&args).ok();
    // Written differently it goes the long way, and ends at the same file.
    let mut other = args.to_vec();
    other.insert(0, "-d");
    laptop.tsh(&other).ok();
}

#[test]
fn credentials_with_less_than_a_minute_left_are_renewed() {
    let world = World::logged_in();
    world.cluster.logins_last(59);
    world.credentials().ok();
    world.credentials().ok();
    assert_eq!(world.reissues(), 2);
    world.cluster.logins_last(3600);
    world.credentials().ok();
    world.credentials().ok();
    assert_eq!(world.reissues(), 3);
}

#[test]
fn damaged_credentials_are_replaced() {
    let world = World::logged_in();
    world.credentials().ok();
    for damage in ["", "rubbish", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        fs::write(world.laptop.store(CRED), damage).expect("write");
        world.credentials().ok();
    }
    assert_eq!(world.reissues(), 4);
}

#[test]
fn without_a_login_one_sentence_says_what_to_do() {
    let world = World { cluster: FakeCluster::start(&["prod"]), laptop: Laptop::new() };
    let proxy = world.cluster.proxy();
    let never = world.credentials().error("you are not logged in to 127.0.0.1:");
    assert_eq!(never.err.lines().count(), 1);
    assert!(never.err.ends_with(&format!("; run: tsh login {proxy}\n")) && never.out.is_empty(), "{}", never.err);

    world.cluster.logins_last(0);
    world.login();
    let expired = world.credentials().error("your login to 127.0.0.1:");
    assert!(expired.err.contains(" expired at ") && expired.err.ends_with(&format!("; run: tsh login {proxy}\n")));
    assert_eq!(expired.err.lines().count(), 1);
    assert_eq!(world.reissues(), 0);
}

#[test]
fn a_failure_is_asked_about_once_and_a_new_login_clears_it() {
    let world = World::logged_in();
    world.cluster.refuse(true);
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| world.credentials().error(r"the auditors\u{1b}[2J said no; ask them"));
        }
    });
    assert_eq!(world.reissues(), 1);
    world.cluster.refuse(false);
    world.laptop.tsh(&["logout"]).ok();
    world.login().ok();
    world.credentials().ok();
}

#[test]
fn credentials_of_an_earlier_login_are_gone_after_the_next() {
    let world = World::logged_in();
    let before = world.credentials().ok().out;
    world.laptop.tsh(&["logout"]).ok();
    world.login().ok();
    assert_ne!(world.credentials().ok().out, before);
}

#[test]
fn a_cluster_that_is_gone_is_an_answer_and_no_wait() {
    let World { cluster, laptop } = World::logged_in();
    let args = ["kube", "credentials", "--kube-cluster=prod", "--teleport-cluster=main", &cluster.proxy()];
    drop(cluster);
    let start = Instant::now();
    laptop.tsh(&args).error("cannot reach the proxy at 127.0.0.1:");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn kubectl_accepts_the_answer() {
    let kubectls = common::kubectls();
    if kubectls.is_empty() {
        println!("SKIPPED kubectl_accepts_the_answer: there is no kubectl");
    }
    for kubectl in kubectls {
        let world = World::logged_in();
        let mut command = Command::new(&kubectl);
        command.env_clear().env("KUBECONFIG", world.laptop.kubeconfig()).env("HOME", world.laptop.home());
        // The cluster behind it is none, so all there is to see is that kubectl got past the plugin.
        let ended = run(command.args(["get", "--raw=/version", "--request-timeout=5s"]), "");
        assert_eq!(world.reissues(), 1, "{}: {}", kubectl.display(), ended.err);
        assert!(!ended.err.contains("exec plugin"), "{}: {}", kubectl.display(), ended.err);
    }
}

#[test]
fn the_user_of_the_login_counts_wherever_kubectl_runs() {
    let world = World::logged_in();
    run(world.command().env("TELEPORT_USER", "bob").env("TELEPORT_CLUSTER", "other"), "").ok();
}
