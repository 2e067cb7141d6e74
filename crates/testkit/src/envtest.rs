//! A real Kubernetes API without nodes: kube-apiserver and etcd found the envtest way, seeded as `kubesim` is.
//!
//! The end-to-end tests run what needs no kubelet against it as well; where it and `kubesim` differ, `kubesim` is wrong.
//! One instance serves a whole test binary ([`EnvTest::shared`]): it takes about three seconds to start.

mod admin;
mod seed;
mod servers;

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::OnceLock,
};

use anyhow::{Context as _, Result};
use http::Method;
use serde_json::Value;

use crate::{
    kubesim::{
        certs::Authority,
        kubeconfig::{Credential, Kubeconfig},
    },
    programs,
};
use admin::Admin;
use servers::Servers;

/// Name of the cluster and context in every kubeconfig of it.
pub const NAME: &str = "kubernetes";
/// The user of [`EnvTest::kubeconfig_for_proxy`], which may impersonate and little else.
pub const PROXY_USER: &str = "teleport-proxy";

/// How often other ports are tried when some were taken between their choice and their use.
const ATTEMPTS: u32 = 3;

/// A running API server with its etcd; both end with it, and with the process that started them.
pub struct EnvTest {
    url: String,
    authority: Authority,
    admin: Admin,
    servers: Servers,
}

impl EnvTest {
    /// Returns the instance of this test binary, started by who asks first; without the binaries the test is skipped.
    ///
    /// # Panics
    /// When it does not start.
    pub fn shared(test: &str) -> Option<&'static Self> {
        static SHARED: OnceLock<Option<EnvTest>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| Self::start().expect("the real Kubernetes API starts"));
        if shared.is_none() {
            crate::skip(test, "no kube-apiserver; set KUBEBUILDER_ASSETS");
        }
        shared.as_ref()
    }

    /// Starts an instance of its own; `None` when the binaries are not here. Blocks until it is ready and seeded.
    ///
    /// # Errors
    /// It does not become ready; the message holds the ends of both logs.
    pub fn start() -> Result<Option<Self>> {
        let Some(binaries) = programs::kubernetes() else { return Ok(None) };
        let mut outcome = Self::start_once(&binaries);
        for _ in 1..ATTEMPTS {
            if !matches!(&outcome, Err(error) if servers::port_was_taken(error)) {
                break;
            }
            outcome = Self::start_once(&binaries);
        }
        outcome.map(Some)
    }

    fn start_once(binaries: &std::path::Path) -> Result<Self> {
        let authority = Authority::new()?;
        let servers = Servers::start(binaries, &authority)?;
        let address = servers.address();
        let admin = Admin::new(address, &authority)?;
        servers.wait_until_ready(&admin)?;
        seed::fill(&admin).context("seed the cluster")?;
        Ok(Self { url: format!("https://{address}"), authority, admin, servers })
    }

    /// Returns the kubeconfig that a kubernetes service uses: a client certificate of [`PROXY_USER`].
    ///
    /// # Panics
    /// When the certificate cannot be made.
    pub fn kubeconfig_for_proxy(&self) -> String {
        self.kubeconfig_for_user(PROXY_USER, &[])
    }

    /// Returns a kubeconfig that may do everything.
    ///
    /// # Panics
    /// When the certificate cannot be made.
    pub fn kubeconfig_for_admin(&self) -> String {
        self.kubeconfig_for_user("kubernetes-admin", &["system:masters"])
    }

    /// Returns a kubeconfig with a client certificate of any user in any groups.
    ///
    /// # Panics
    /// When the certificate cannot be made.
    pub fn kubeconfig_for_user(&self, user: &str, groups: &[&str]) -> String {
        let pair = self.authority.client(user, groups).expect("a name and groups make a certificate");
        let (ca_pem, credential) = (self.authority.pem(), Credential::Certificate(&pair));
        Kubeconfig { cluster: NAME, server: &self.url, ca_pem: &ca_pem, user, credential: &credential }.render()
    }

    /// Asks the API as its administrator; returns the code and the document, null when there is none.
    ///
    /// # Errors
    /// It cannot be reached.
    pub fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(u16, Value)> {
        self.admin.request(&method, path, body)
    }

    /// Returns the ids of the processes, etcd's and the API server's.
    pub fn process_ids(&self) -> Vec<u32> {
        self.servers.process_ids()
    }
}

/// Where everything listens.
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
