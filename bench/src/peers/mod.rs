//! What is measured: the static upstream itself, and each proxy in front of it.
//!
//! Proxies are pinned to a core of their own; upstream and load generator share the other.

mod child;
mod kubectl;
mod nginx;
mod ours;

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::{certificates::Certificates, target::Target};

pub(crate) use child::Child;
pub(crate) use ours::{Options, Ours};

/// One way to the upstream.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) target: Target,
    /// The proxy's process; `None` for the direct way.
    pub(crate) pid: Option<u32>,
    /// Lives as long as the peer.
    _child: Option<Child>,
}

/// Programs and where things are put.
pub(crate) struct Place {
    pub(crate) dir: PathBuf,
    pub(crate) teleport: PathBuf,
    pub(crate) tsh: PathBuf,
    pub(crate) kubectl: PathBuf,
    pub(crate) nginx: PathBuf,
    pub(crate) certificates: Certificates,
    /// Core of the proxies.
    pub(crate) core: usize,
}

/// The running upstream.
pub(crate) struct Upstream {
    pub(crate) address: String,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) pid: u32,
    _child: Child,
}

impl Upstream {
    /// Starts it beside us, on our core.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) fn start(place: &Place) -> Result<Self> {
        let mut command = std::process::Command::new(std::env::current_exe()?);
        command.arg("upstream").arg("--dir").arg(&place.dir);
        let child = Child::start(&mut command, &place.dir.join("upstream.log"))?;
        let address = child.wait_for_line("127.0.0.1:")?;
        let kubeconfig = place.certificates.kubeconfig("bench", &address)?;
        Ok(Self { address, kubeconfig, pid: child.id(), _child: child })
    }
}

impl Peer {
    /// The upstream without anything in front.
    ///
    /// # Errors
    /// When its kubeconfig cannot be read.
    pub(crate) fn direct(upstream: &Upstream) -> Result<Self> {
        let target = Target::from_kubeconfig(&upstream.kubeconfig)?;
        Ok(Self { name: "direct", target, pid: None, _child: None })
    }

    /// nginx: mutual TLS, static impersonation headers.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) fn nginx(place: &Place, upstream: &Upstream) -> Result<Self> {
        let (child, target) = nginx::start(place, upstream)?;
        Ok(Self { name: "nginx", target, pid: Some(child.id()), _child: Some(child) })
    }

    /// `kubectl proxy`: no TLS in front, no identity.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) fn kubectl(place: &Place, upstream: &Upstream) -> Result<Self> {
        let (child, target) = kubectl::start(place, upstream)?;
        Ok(Self { name: "kubectl proxy", target, pid: Some(child.id()), _child: Some(child) })
    }

    /// A user of our own proxy.
    ///
    /// # Errors
    /// When their kubeconfig cannot be read.
    pub(crate) fn of_ours(ours: &Ours, kubeconfig: &Path) -> Result<Self> {
        let target = Target::from_kubeconfig(kubeconfig)?;
        Ok(Self { name: "teleport", target, pid: Some(ours.pid()), _child: None })
    }
}

impl Place {
    /// Makes a command for a program that runs on the proxies' core.
    pub(crate) fn pinned(&self, program: &Path) -> std::process::Command {
        let mut command = std::process::Command::new("taskset");
        command.arg("-c").arg(self.core.to_string()).arg(program);
        command
    }
}

/// Finds a port that is free now.
fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
