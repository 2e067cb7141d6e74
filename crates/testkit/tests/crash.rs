//! `kill -9` under load: no request reached the cluster without its event, no user is lost, the chain verifies.
//!
//! A few rounds by default; `TELEPORT_CRASH_ROUNDS=200` for the long run.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use teleport_runtime::random;
use teleport_testkit::{System, client::RawClient, common::ROLES, kubesim::KubeSim, wait};

const CLIENTS: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn no_forwarded_request_is_without_its_event_whenever_the_daemon_is_killed() {
    let rounds: u32 = std::env::var("TELEPORT_CRASH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(8);
    let sim = KubeSim::start().await.expect("kubesim starts");
    let mut system = System::start(&sim.kubeconfig_for_proxy());
    system.create(ROLES);
    system.add_user("alice", "developer");
    let out = system.dir().join("alice.kubeconfig");
    let (proxy, out_arg) = (format!("--proxy={}", system.proxy()), format!("--out={}", out.display()));
    let sign = ["auth", "sign", "--user=alice", "--format=kubernetes", "--kube-cluster-name=kubesim", "--ttl=8h"];
    let _ = system.tctl(&[&sign[..], &[&proxy, &out_arg]].concat()).ok();
    let client = RawClient::from_kubeconfig(&out).expect("a static kubeconfig");

    let (stop, number) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let load: Vec<_> =
        (0..CLIENTS).map(|_| tokio::spawn(hammer(client.clone(), Arc::clone(&stop), Arc::clone(&number)))).collect();
    for round in 0..rounds {
        // Anywhere in the first quarter of a second: while starting to serve, in mid-request, in mid-write.
        let moment = u64::from(u16::from_le_bytes(random::bytes())) % 250;
        tokio::time::sleep(Duration::from_millis(moment)).await;
        system.kill();
        system.start_daemon();
        // Users made between crashes must all be there in the end.
        system.add_user(&format!("user-{round}"), "developer");
    }
    stop.store(true, Ordering::Relaxed);
    for client in load {
        client.await.expect("a client does not panic");
    }

    let forwarded: HashSet<String> =
        sim.requests().iter().filter_map(|seen| marker(&seen.path).map(str::to_owned)).collect();
    assert!(forwarded.len() > CLIENTS, "the load reached the cluster: {}", forwarded.len());
    assert_recorded(&system, &forwarded);
    let users = system.tctl(&["users", "ls"]).ok().stdout;
    for round in 0..rounds {
        assert!(users.contains(&format!("user-{round}")), "user-{round} is lost");
    }
    let _ = system.tctl(&["audit", "verify"]).ok();
}

async fn hammer(client: RawClient, stop: Arc<AtomicBool>, number: Arc<AtomicU64>) {
    while !stop.load(Ordering::Relaxed) {
        let Ok(mut connection) = client.connect().await else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        while !stop.load(Ordering::Relaxed) {
            let mark = number.fetch_add(1, Ordering::Relaxed);
            if connection.get(&format!("/api/v1/namespaces/default/pods/mark-{mark}-")).await.is_err() {
                break;
            }
            // The simulator remembers a bounded number of requests.
            tokio::time::sleep(Duration::from_millis(4)).await;
        }
    }
}

fn marker(path: &str) -> Option<&str> {
    let start = path.find("mark-")?;
    path.get(start..)?.split('?').next()
}

/// Waits until the spool has been shipped, then compares.
fn assert_recorded(system: &System, forwarded: &HashSet<String>) {
    let missing = || -> Vec<String> {
        let export = system.tctl(&["audit", "export"]).ok().stdout;
        let recorded: HashSet<String> = export
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter_map(|event| event.get("request_path").and_then(Value::as_str).and_then(marker).map(str::to_owned))
            .collect();
        forwarded.difference(&recorded).cloned().collect()
    };
    assert!(
        wait::until(wait::PATIENCE, || missing().is_empty()),
        "{} forwarded requests have no event, as {:?}",
        missing().len(),
        missing().first()
    );
}
