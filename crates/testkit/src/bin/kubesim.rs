//! Runs the simulated Kubernetes API server until SIGTERM or Ctrl-C, for the demo and for trying things by hand.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use clap::Parser;
use teleport_testkit::kubesim::KubeSim;
use tokio::signal::unix::{SignalKind, signal};

/// A small stand-in for a Kubernetes API server.
///
/// It listens on loopback and runs `kubectl exec` as real processes of your own user: no sandbox.
#[derive(Parser)]
struct Options {
    /// Where to write the kubeconfig that a kubernetes service uses (it may impersonate, little else).
    #[arg(long, value_name = "FILE")]
    kubeconfig_out: PathBuf,
    /// Where to write a kubeconfig that may do everything.
    #[arg(long, value_name = "FILE")]
    admin_kubeconfig_out: Option<PathBuf>,
    /// Port to listen on; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let mut terminate = signal(SignalKind::terminate())?;
    let sim = KubeSim::start_on(options.port).await?;
    write(&options.kubeconfig_out, &sim.kubeconfig_for_proxy())?;
    if let Some(path) = &options.admin_kubeconfig_out {
        write(path, &sim.kubeconfig_for_admin()?)?;
    }
    // The line tells a script that waits for it that the files are there.
    writeln!(std::io::stdout(), "kubesim listens on {}", sim.url)?;
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    sim.down().await;
    Ok(())
}

/// Writes a file that only its owner can read.
fn write(path: &Path, text: &str) -> Result<()> {
    teleport_runtime::atomic_file::write(path, text.as_bytes(), 0o600)
        .with_context(|| format!("write {}", path.display()))
}
