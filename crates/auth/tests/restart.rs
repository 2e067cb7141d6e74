//! What stays over a restart, and what an operator is told when something does not fit together.

#![allow(clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on says so at once")]

mod common;

use std::{fs, os::unix::fs::PermissionsExt as _};

use common::{Cluster, config};
use teleport_auth::AuthError;
use teleport_types::{ClusterName, auth_preference::AuthPreferenceSpec};

async fn fails(folder: tempfile::TempDir, clock: teleport_runtime::Clock) -> (AuthError, tempfile::TempDir) {
    match Cluster::open(folder, clock, config, |backend| backend).await {
        Ok(_) => panic!("it started"),
        Err((error, folder)) => {
            assert!(!error.to_string().contains('\n'), "one line: {error}");
            (error, folder)
        }
    }
}

#[tokio::test]
async fn authorities_users_and_logins_stay_over_a_restart() {
    let cluster = Cluster::start().await;
    let (cas, certificate) = (cluster.auth.cas(), cluster.login("alice").await.certificate);
    let cluster = cluster.restart().await;
    assert_eq!(cluster.auth.cas(), cas);
    cluster.client(Some(certificate)).me().await.expect("the login goes on");
    cluster.login("alice").await;
}

#[tokio::test]
async fn the_secrets_key_must_be_there_and_be_the_right_one() {
    let cluster = Cluster::start().await;
    let (folder, clock) = cluster.stop().await;
    let path = folder.path().join("secrets.key");
    assert_eq!(fs::metadata(&path).expect("stat").permissions().mode() & 0o777, 0o600);
    let right = fs::read(&path).expect("read");
    fs::remove_file(&path).expect("removed");
    let (error, folder) = fails(folder, clock.clone()).await;
    assert!(matches!(error, AuthError::KeyMissing { .. }), "{error}");
    assert!(error.to_string().contains("restore the file from a backup"), "{error}");
    assert!(!path.exists(), "no new key is made for an old cluster");
    fs::write(&path, format!("{}\n", "0".repeat(64))).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("chmod");
    let (error, folder) = fails(folder, clock.clone()).await;
    assert!(matches!(error, AuthError::KeyWrong { .. }), "{error}");
    fs::write(&path, right).expect("written");
    Cluster::open(folder, clock, config, |backend| backend).await.map_err(|(error, _)| error).expect("it starts again");
}

#[tokio::test]
async fn a_cluster_cannot_be_renamed() {
    let cluster = Cluster::start().await;
    let (folder, clock) = cluster.stop().await;
    let renamed = |folder: &std::path::Path| {
        let mut config = config(folder);
        config.cluster_name = ClusterName::parse("other").expect("a name");
        config
    };
    let Err((error, folder)) = Cluster::open(folder, clock.clone(), renamed, |backend| backend).await else {
        panic!("it started")
    };
    assert!(error.to_string().contains("cannot be renamed to other"), "{error}");
    Cluster::open(folder, clock, config, |backend| backend).await.map_err(|(error, _)| error).expect("it starts again");
}

#[tokio::test]
async fn neither_the_database_nor_the_log_holds_a_private_key_or_a_password() {
    let cluster = Cluster::start().await;
    cluster.login("alice").await;
    cluster.events("").await;
    let secrets = fs::read_to_string(cluster.folder.path().join("secrets.key")).expect("read");
    let (folder, _) = cluster.stop().await;
    let (mut files, mut stack) = (0, vec![folder.path().to_path_buf()]);
    while let Some(path) = stack.pop() {
        if path.is_dir() {
            stack.extend(fs::read_dir(path).expect("list").map(|entry| entry.expect("an entry").path()));
            continue;
        }
        if path.ends_with("secrets.key") {
            continue;
        }
        files += 1;
        let bytes = fs::read(&path).expect("read");
        // A PKCS#8 P-256 key begins like this, in DER; base64 of it begins with MIG.
        let der = [
            0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d,
            0x03, 0x01, 0x07, 0x04, 0x6d, 0x30,
        ];
        for needle in [
            &b"PRIVATE KEY"[..],
            common::PASSWORD.as_bytes(),
            common::JOIN_TOKEN.as_bytes(),
            secrets.trim().as_bytes(),
            &der,
        ] {
            let found = bytes.windows(needle.len()).any(|window| window == needle);
            assert!(!found, "{} holds {:?}", path.display(), String::from_utf8_lossy(needle));
        }
    }
    assert!(files > 2);
}

#[tokio::test]
async fn login_settings_of_the_file_win_and_go_with_it() {
    let cluster = Cluster::start().await;
    let (folder, clock) = cluster.stop().await;
    let with_settings = |folder: &std::path::Path| {
        let default_session_ttl = teleport_types::Span::parse("1h").expect("a span");
        let preference = AuthPreferenceSpec { default_session_ttl, ..AuthPreferenceSpec::default() };
        teleport_auth::Config { preference: Some(preference), ..config(folder) }
    };
    let opened = Cluster::open(folder, clock, with_settings, |backend| backend).await;
    let cluster = opened.map_err(|(error, _)| error).expect("it starts");
    let ends = cluster.login("alice").await.issued.expires;
    assert_eq!(ends, cluster.clock.now() + std::time::Duration::from_secs(3600));
    let name = "cluster-auth-preference";
    let mut document = cluster.local().resource("cluster_auth_preference", name).await.expect("settings");
    assert_eq!(document["spec"]["default_session_ttl"], "1h");
    document["spec"]["default_session_ttl"] = "2h".into();
    let change = cluster.local().put_resource("cluster_auth_preference", name, &document).await;
    assert!(common::refusal(change).message.contains("configuration file"));
    let cluster = cluster.restart().await;
    let ends = cluster.login("alice").await.issued.expires;
    assert_eq!(ends, cluster.clock.now() + std::time::Duration::from_secs(12 * 3600));
    document["metadata"] = serde_json::json!({"name": name});
    cluster.local().put_resource("cluster_auth_preference", name, &document).await.expect("changed");
    let ends = cluster.login("alice").await.issued.expires;
    assert_eq!(ends, cluster.clock.now() + std::time::Duration::from_secs(2 * 3600));
    assert_eq!(cluster.codes("auth_preference.update").await, ["TCAUTH001I"]);
}
