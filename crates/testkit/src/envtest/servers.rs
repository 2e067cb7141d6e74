//! The two processes, and the shell that watches over them.
//!
//! A shared instance is a static, which Rust never drops, and a test may panic or be killed: so the servers are children
//! of a shell that kills them and removes their folder as soon as the pipe from this process closes, however it ends.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Error, Result, bail};
use http::Method;

use super::{LOOPBACK, admin::Admin};
use crate::{kubesim::certs::Authority, process, wait};

const READY: Duration = Duration::from_secs(60);

/// What the shell runs: signals for this process's group must not take the watchman before its work is done.
const WATCH: &str = r#"
trap '' INT TERM HUP
cd "$DIR" || exit 1
client=http://127.0.0.1:$CLIENT_PORT
peer=http://127.0.0.1:$PEER_PORT
"$BINARIES/etcd" --data-dir=etcd --unsafe-no-fsync --name=test --initial-cluster="test=$peer" \
    --listen-client-urls="$client" --advertise-client-urls="$client" \
    --listen-peer-urls="$peer" --initial-advertise-peer-urls="$peer" >etcd.log 2>&1 &
etcd=$!
"$BINARIES/kube-apiserver" --etcd-servers="$client" --bind-address=127.0.0.1 --secure-port="$API_PORT" \
    --advertise-address=127.0.0.1 --endpoint-reconciler-type=none --service-cluster-ip-range=10.0.0.0/24 \
    --tls-cert-file=server.crt --tls-private-key-file=server.key --client-ca-file=ca.crt \
    --authorization-mode=RBAC --disable-admission-plugins=ServiceAccount \
    --service-account-issuer=https://kubernetes.default.svc \
    --service-account-key-file=server.crt --service-account-signing-key-file=server.key >api.log 2>&1 &
api=$!
echo "$etcd $api" >pids
read -r _
kill -KILL "$etcd" "$api"
wait
cd / && rm -rf "$DIR"
"#;

/// Both servers; they end when this is dropped.
pub(super) struct Servers {
    watchman: Child,
    dir: PathBuf,
    address: SocketAddr,
}

impl Servers {
    /// Starts both on free ports; they are not ready yet.
    pub(super) fn start(binaries: &Path, authority: &Authority) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("envtest-").tempdir()?;
        let pair = authority.server(vec![LOOPBACK])?;
        std::fs::write(dir.path().join("ca.crt"), authority.pem())?;
        std::fs::write(dir.path().join("server.crt"), pair.certificate_pem())?;
        std::fs::write(dir.path().join("server.key"), pair.key_pem())?;
        let [client, peer, api] = free_ports()?;
        let watchman = process::clean_command(Path::new("/bin/sh"))
            .args(["-c", WATCH])
            .env("BINARIES", binaries)
            .env("DIR", dir.path())
            .env("CLIENT_PORT", client.to_string())
            .env("PEER_PORT", peer.to_string())
            .env("API_PORT", api.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("start a shell")?;
        // From here on the shell removes the folder.
        Ok(Self { watchman, dir: dir.keep(), address: SocketAddr::new(LOOPBACK, api) })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn process_ids(&self) -> Vec<u32> {
        let text = std::fs::read_to_string(self.dir.join("pids")).unwrap_or_default();
        text.split_whitespace().filter_map(|id| id.parse().ok()).collect()
    }

    /// Waits until the API server says that it is ready.
    pub(super) fn wait_until_ready(&self, admin: &Admin) -> Result<()> {
        let is_ready = || matches!(admin.request(&Method::GET, "/readyz", None), Ok((200, _)));
        let outcome = wait::for_some(READY, || match is_ready() {
            true => Some(true),
            false => self.has_failed().then_some(false),
        });
        match outcome {
            Some(true) => Ok(()),
            _ => bail!("the API server gave up, or is not ready after {READY:?}:\n{}", self.log_ends()),
        }
    }

    fn has_failed(&self) -> bool {
        self.log("api.log").contains("command failed") || self.log("etcd.log").contains(r#""level":"fatal""#)
    }

    fn log(&self, name: &str) -> String {
        std::fs::read(self.dir.join(name)).map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
    }

    fn log_ends(&self) -> String {
        let end = |name| {
            let log = self.log(name);
            let lines: Vec<&str> = log.lines().collect();
            format!("{name}:\n{}", lines.get(lines.len().saturating_sub(10)..).unwrap_or_default().join("\n"))
        };
        format!("{}\n{}", end("etcd.log"), end("api.log"))
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        drop(self.watchman.stdin.take());
        let _ = self.watchman.wait();
    }
}

/// Tells whether the servers gave up because somebody else had one of the ports.
pub(super) fn port_was_taken(error: &Error) -> bool {
    error.to_string().contains("address already in use")
}

/// Finds ports that are free now; all are held until all are found, so that they differ.
fn free_ports() -> Result<[u16; 3]> {
    let held = [bind()?, bind()?, bind()?];
    let port = |listener: &TcpListener| listener.local_addr().map(|address| address.port());
    let [client, peer, api] = &held;
    Ok([port(client)?, port(peer)?, port(api)?])
}

fn bind() -> Result<TcpListener> {
    TcpListener::bind((LOOPBACK, 0)).context("find a free port")
}
