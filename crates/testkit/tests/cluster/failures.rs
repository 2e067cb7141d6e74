//! What can go wrong around the cluster is one clear line each, and passes when its cause does.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;
use teleport_runtime::Clock;
use teleport_testkit::{
    Laptop, PASSWORD, World,
    common::any_kubectl,
    process::{Ended, clean_command, run},
    programs,
};

use teleport_testkit::wait::{self, PATIENCE};

use crate::every_kubectl;

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_upstream_is_a_clear_answer_and_comes_back() {
    let Some(kubectl) = any_kubectl("a_dead_upstream_is_a_clear_answer_and_comes_back") else { return };
    let world = World::simulated().await;
    let alice = world.system.logged_in("alice");
    let _ = alice.kubectl(&kubectl, &["get", "pods"]).ok();
    world.sim().down().await;
    for args in [&["get", "pods"][..], &["exec", "web-0", "--", "true"]] {
        let refused = alice.kubectl(&kubectl, args);
        assert_eq!(refused.code, 1, "{}", refused.all());
        assert!(refused.stderr.contains(r#"cluster "kubesim""#), "{args:?}: it names the cluster: {}", refused.stderr);
        assert!(!refused.stderr.contains(&world.sim().address().to_string()), "no address leaks: {}", refused.stderr);
    }
    world.event("kube.request", |event| event.get("response_code") == Some(&Value::from(503)));
    world.sim().up().await.expect("kubesim comes back");
    let _ = alice.kubectl(&kubectl, &["get", "pods"]).ok();
}

/// kubectl does not read the answer to its very first request, but prints the warning that comes with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_kubectl_that_knows_nothing_of_the_cluster_yet_is_told_why_it_is_refused() {
    let test = "a_kubectl_that_knows_nothing_of_the_cluster_yet_is_told_why_it_is_refused";
    let world = World::simulated().await;
    let (expired, valid) = (world.signed("alice", "1s"), world.signed("alice", "1h"));
    let end = Clock::system().now() + Duration::from_secs(2);
    let told = |laptop: &Laptop, words: &str| {
        for (version, kubectl) in every_kubectl(test) {
            let _ = std::fs::remove_dir_all(laptop.home().join(".kube"));
            let refused = laptop.kubectl(&kubectl, &["get", "pods"]);
            assert_eq!(refused.code, 1, "{version}: {}", refused.all());
            let warning = refused.stderr.lines().find(|line| line.starts_with("Warning: ")).unwrap_or_default();
            assert!(warning.contains(words), "{version}: {}", refused.stderr);
        }
    };
    world.sim().down().await;
    told(&valid, r#"cluster "kubesim" cannot be reached"#);
    world.sim().up().await.expect("kubesim comes back");
    assert!(wait::until(PATIENCE, || Clock::system().now() > end), "a second passes");
    told(&expired, "the login has expired; log in again with tsh login");
    let lock =
        "{kind: lock, version: v2, metadata: {name: l}, spec: {target: {user: alice}, message: call the office}}";
    world.system.create(lock);
    let any = || valid.kubectl(&every_kubectl(test).pop().expect("one").1, &["get", "pods"]);
    if !every_kubectl(test).is_empty() {
        let _ = until(&any, &|ended| ended.code != 0);
        told(&valid, "call the office");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_down_at_the_start_is_served_when_it_comes() {
    let Some(kubectl) = any_kubectl("a_cluster_that_is_down_at_the_start_is_served_when_it_comes") else { return };
    let mut world = World::simulated().await;
    let alice = world.system.logged_in("alice");
    let _ = alice.kubectl(&kubectl, &["get", "pods"]).ok();
    world.system.stop();
    world.sim().down().await;
    world.system.start_daemon();
    let refused = alice.kubectl(&kubectl, &["get", "pods"]);
    assert!(refused.code == 1 && refused.stderr.contains("kubesim"), "{}", refused.all());
    world.sim().up().await.expect("kubesim comes back");
    let _ = alice.kubectl(&kubectl, &["get", "pods"]).ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_without_the_right_to_impersonate_says_so_to_everyone() {
    let test = "a_proxy_without_the_right_to_impersonate_says_so_to_everyone";
    let Some(kubectl) = any_kubectl(test) else { return };
    let mut world = World::simulated().await;
    let alice = world.system.logged_in("alice");
    world.sim().control().deny_impersonation();
    let refused = alice.kubectl(&kubectl, &["get", "pods"]);
    assert_eq!(refused.code, 1, "{}", refused.all());
    assert!(refused.stderr.contains("Forbidden"), "{}", refused.stderr);
    world.system.stop();
    world.system.start_daemon();
    let line = world.system.daemon().wait_for_line("impersonate", PATIENCE);
    assert!(line.contains("WARN") || line.contains("ERROR"), "{line}");
    world.sim().control().allow_impersonation();
}

#[test]
fn a_broken_configuration_is_one_line_that_names_the_place() {
    let dir = tempfile::tempdir().expect("temp dir");
    let data = dir.path().join("data").display().to_string();
    let kubeconfig = dir.path().join("no-such-kubeconfig");
    for (text, words) in [
        ("version: v3\nteleport:\n  data_dir: [\n".to_owned(), "line "),
        ("version: v3\nteleport:\n  data_dirr: /x\n".to_owned(), "data_dirr"),
        ("version: v2\n".to_owned(), "version"),
        (format!("version: v3\nteleport: {{data_dir: {data}}}\nproxy_service: {{}}\n"), "auth_server"),
        (
            format!(
                "version: v3\nteleport: {{data_dir: {data}}}\nauth_service: {{}}\nkubernetes_service: {{kubeconfig_file: {}}}\n",
                kubeconfig.display()
            ),
            "no-such-kubeconfig",
        ),
        (
            format!("version: v3\nteleport: {{data_dir: {data}}}\nauth_service: {{listen_addr: '300.1.2.3:1'}}\n"),
            "listen_addr",
        ),
        (
            format!("version: v3\nteleport: {{data_dir: {data}}}\nauth_service: {{}}\nssh_service: {{enabled: yes}}\n"),
            "ssh_service is not supported",
        ),
        (
            format!("version: v3\nteleport: {{data_dir: {data}}}\nauth_service: {{tokens: ['proxy:short']}}\n"),
            "16 characters",
        ),
    ] {
        let file = dir.path().join("teleport.yaml");
        std::fs::write(&file, &text).expect("write");
        let ended = start(&file);
        assert_eq!(ended.code, 1, "{text}: {}", ended.all());
        assert_eq!(ended.all().lines().count(), 1, "{text}: {}", ended.all());
        assert!(ended.stderr.starts_with("ERROR: "), "{}", ended.stderr);
        assert!(ended.stderr.contains(words), "{words:?} is missing in {}", ended.stderr);
    }
    let ended = start(&dir.path().join("none.yaml"));
    assert!(
        ended.code == 1 && ended.stderr.contains("none.yaml") && ended.stderr.lines().count() == 1,
        "{}",
        ended.all()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_kubeconfig_is_one_line_that_names_it() {
    let mut world = World::simulated().await;
    world.system.stop();
    let upstreams = world.system.dir().join("upstreams");
    for text in ["{", "apiVersion: v1\nkind: Config\n", "just words"] {
        std::fs::write(&upstreams, text).expect("write");
        assert_one_error(&start(&world.system.dir().join("teleport.yaml")), "upstreams");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_is_one_line_and_is_left_as_it_is() {
    let mut world = World::simulated().await;
    world.system.stop();
    let database = database(&world);
    let mut bytes = std::fs::read(&database).expect("read");
    let middle = bytes.len() / 4;
    bytes[middle..].fill(0x5a);
    std::fs::write(&database, &bytes).expect("write");
    assert_one_error(&start(&world.system.dir().join("teleport.yaml")), "database");
    assert!(std::fs::read(&database).expect("read") == bytes, "the evidence was changed");
    std::fs::write(&database, b"this is no database at all, whatever its name says").expect("write");
    assert_one_error(&start(&world.system.dir().join("teleport.yaml")), "database");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_secrets_key_is_one_line() {
    let mut world = World::simulated().await;
    world.system.stop();
    std::fs::remove_file(world.system.data_dir().join("secrets.key")).expect("it is there");
    assert_one_error(&start(&world.system.dir().join("teleport.yaml")), "secrets.key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_on_the_same_folder_is_one_line_and_the_first_goes_on() {
    let test = "a_second_daemon_on_the_same_folder_is_one_line_and_the_first_goes_on";
    let Some(kubectl) = any_kubectl(test) else { return };
    let world = World::simulated().await;
    let ended = start(&world.system.dir().join("teleport.yaml"));
    assert_one_error(&ended, "");
    let alice = world.system.logged_in("alice");
    let _ = alice.kubectl(&kubectl, &["get", "pods"]).ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_requests_keeps_logins_and_ends_when_there_is_room() {
    let test = "a_full_disk_refuses_requests_keeps_logins_and_ends_when_there_is_room";
    let Some(kubectl) = any_kubectl(test) else { return };
    let mut world = World::simulated().await;
    world.system.stop();
    let Some(_disk) = Disk::under(&world.system.data_dir()) else {
        return teleport_testkit::skip(test, "no right to mount a small disk");
    };
    world.system.start_daemon();
    let alice = world.system.logged_in("alice");
    let _ = alice.kubectl(&kubectl, &["get", "pods"]).ok();
    let filler = fill(&world.system.data_dir());
    let refused = until(&|| alice.kubectl(&kubectl, &["get", "pods"]), &|ended| ended.code != 0);
    assert!(refused.stderr.contains("audit storage full"), "{}", refused.stderr);
    world.sim().clear_requests();
    assert_ne!(alice.kubectl(&kubectl, &["get", "pods"]).code, 0);
    assert!(world.sim().requests().iter().all(|seen| !seen.path.contains("/pods")), "nothing goes unrecorded");
    // An administrator can still log in and look.
    let _ = world.system.logged_in("alice");
    let _ = world.system.tctl(&["status"]).ok();
    std::fs::remove_file(filler).expect("remove");
    let _ = until(&|| alice.kubectl(&kubectl, &["get", "pods"]), &|ended| ended.code == 0).ok();
    let _ = world.system.tctl(&["audit", "verify"]).ok();
    world.system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_on_a_full_disk_is_one_line() {
    let test = "a_start_on_a_full_disk_is_one_line";
    let mut world = World::simulated().await;
    world.system.stop();
    let data = world.system.data_dir();
    std::fs::remove_dir_all(&data).expect("remove");
    std::fs::create_dir(&data).expect("create");
    let Some(_disk) = Disk::under(&data) else {
        return teleport_testkit::skip(test, "no right to mount a small disk");
    };
    fill(&data);
    assert_one_error(&start(&world.system.dir().join("teleport.yaml")), "");
}

/// Runs the daemon, which must end by itself.
fn start(config: &Path) -> Ended {
    run(clean_command(&programs::ours("teleport")).args(["start", "-c"]).arg(config), PASSWORD.as_bytes())
}

/// Holds that the daemon ended with one line for people; log lines may stand around it.
fn assert_one_error(ended: &Ended, words: &str) {
    assert_eq!(ended.code, 1, "{}", ended.all());
    let errors: Vec<_> = ended.stderr.lines().filter(|line| !line.starts_with('{')).collect();
    assert_eq!(errors.len(), 1, "{}", ended.all());
    assert!(errors.iter().all(|line| line.starts_with("ERROR: ") && line.contains(words)), "{}", ended.all());
}

fn database(world: &World) -> PathBuf {
    world.system.data_dir().join("backend/teleport.db")
}

/// Repeats something until it is as wanted, for a little while; returns the last outcome.
fn until(act: &dyn Fn() -> Ended, wanted: &dyn Fn(&Ended) -> bool) -> Ended {
    wait::for_some(PATIENCE, || Some(act()).filter(wanted)).unwrap_or_else(act)
}

/// Fills a disk to the last byte; returns the file to remove.
fn fill(folder: &Path) -> PathBuf {
    use std::io::Write as _;

    let filler = folder.join("filler");
    let mut file = std::fs::File::create(&filler).expect("create");
    for size in [1 << 20, 4096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
    filler
}

/// A small disk mounted over a folder, whose content moves there; unmounted when dropped.
struct Disk {
    place: PathBuf,
}

impl Disk {
    fn under(place: &Path) -> Option<Self> {
        let aside = place.with_extension("aside");
        std::fs::rename(place, &aside).expect("move aside");
        std::fs::create_dir(place).expect("create");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=32m,mode=0700", "tmpfs"]).arg(place).output();
        if !mounted.is_ok_and(|mounted| mounted.status.success()) {
            return None;
        }
        let disk = Self { place: place.to_owned() };
        let copied = Command::new("cp").arg("-a").arg(aside.join(".")).arg(place).status();
        assert!(copied.expect("cp runs").success());
        Some(disk)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazy: a daemon of a failed test may still be inside.
        let _ = Command::new("umount").arg("-l").arg(&self.place).status();
    }
}
