//! One Teleport cluster in front of one Kubernetes API, with the roles and the user that the end-to-end tests share.
//!
//! What needs no kubelet runs in front of both APIs; exec, logs and faults in front of `kubesim` only.

use std::path::Path;

use serde_json::Value;

use crate::{Laptop, System, common::ROLES, envtest, kubesim, wait};

/// A running cluster, `alice` being a developer in it.
pub struct World {
    /// The Teleport cluster.
    pub system: System,
    /// The Kubernetes API behind it.
    pub api: KubeApi,
}

/// A Kubernetes API of the tests.
pub enum KubeApi {
    /// Ours.
    Simulated(Box<kubesim::KubeSim>),
    /// A real API server without nodes.
    Real(&'static envtest::EnvTest),
}

impl World {
    /// Starts a cluster in front of `kubesim`.
    ///
    /// # Panics
    /// When a part does not start.
    pub async fn simulated() -> Self {
        let sim = kubesim::KubeSim::start().await.expect("kubesim starts");
        Self::around(KubeApi::Simulated(Box::new(sim)), "")
    }

    /// As [`World::simulated`], with more lines at the end of the configuration.
    ///
    /// # Panics
    /// When a part does not start.
    pub async fn simulated_with(more: &str) -> Self {
        let sim = kubesim::KubeSim::start().await.expect("kubesim starts");
        Self::around(KubeApi::Simulated(Box::new(sim)), more)
    }

    /// Starts a cluster in front of a real API server; without one the test is skipped.
    ///
    /// # Panics
    /// When a part does not start.
    pub fn real(test: &str) -> Option<Self> {
        envtest::EnvTest::shared(test).map(|real| Self::around(KubeApi::Real(real), ""))
    }

    fn around(api: KubeApi, more: &str) -> Self {
        let system = System::start_with(&api.kubeconfig_for_proxy(), more);
        system.create(ROLES);
        system.add_user("alice", "developer");
        Self { system, api }
    }

    /// Returns the simulator.
    ///
    /// # Panics
    /// When the API is a real one.
    pub fn sim(&self) -> &kubesim::KubeSim {
        match &self.api {
            KubeApi::Simulated(sim) => sim,
            KubeApi::Real(_) => panic!("this world is in front of a real API server"),
        }
    }

    /// Waits for an audit event of a type that is as wanted.
    ///
    /// # Panics
    /// When none comes in a while.
    pub fn event(&self, kind: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let found = || self.system.events(kind, 1).into_iter().find(|event| wanted(event));
        wait::for_some(wait::PATIENCE, found)
            .unwrap_or_else(|| panic!("no such {kind}: {:#?}", self.system.events(kind, 0)))
    }

    /// Waits until there are `count` audit events of a type and all of them are closed.
    ///
    /// # Panics
    /// When that takes too long.
    pub fn closed(&self, kind: &str, count: usize) -> Vec<Value> {
        let closed = || {
            let events = self.system.events(kind, count);
            events.iter().all(|event| event.get("ended").is_some()).then_some(events)
        };
        wait::for_some(wait::PATIENCE, closed)
            .unwrap_or_else(|| panic!("a {kind} stays open: {:#?}", self.system.events(kind, 0)))
    }

    /// Signs a static kubeconfig for a user, as for automation, and returns a laptop that uses it.
    ///
    /// # Panics
    /// When it is refused.
    pub fn signed(&self, user: &str, ttl: &str) -> Laptop {
        let laptop = self.system.laptop();
        let (out, proxy) = (laptop.kubeconfig(), format!("--proxy={}", self.system.proxy()));
        let (user, ttl) = (format!("--user={user}"), format!("--ttl={ttl}"));
        let (out, cluster) = (format!("--out={}", out.display()), format!("--kube-cluster-name={}", self.api.name()));
        let args = ["auth", "sign", "--format=kubernetes", &user, &ttl, &proxy, &out, &cluster];
        let _ = self.system.tctl(&args).ok();
        laptop
    }
}

impl KubeApi {
    /// Returns the name of the cluster, as `tsh kube ls` shows it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Simulated(_) => kubesim::NAME,
            Self::Real(_) => envtest::NAME,
        }
    }

    /// Returns the kubeconfig of the kubernetes service.
    pub fn kubeconfig_for_proxy(&self) -> String {
        match self {
            Self::Simulated(sim) => sim.kubeconfig_for_proxy(),
            Self::Real(real) => real.kubeconfig_for_proxy(),
        }
    }

    /// Returns a kubeconfig that leads past Teleport, as a user in groups.
    ///
    /// # Panics
    /// When the certificate cannot be made.
    pub fn kubeconfig_for_user(&self, user: &str, groups: &[&str]) -> String {
        match self {
            Self::Simulated(sim) => sim.kubeconfig_for_user(user, groups).expect("a certificate"),
            Self::Real(real) => real.kubeconfig_for_user(user, groups),
        }
    }
}

/// Asks the API server through the proxy whom it takes the user for: name and groups, sorted.
///
/// # Panics
/// When it does not say.
pub fn whoami(laptop: &Laptop, kubectl: &Path, more: &[&str]) -> (String, Vec<String>) {
    let answer = laptop.kubectl(kubectl, &[&["auth", "whoami", "-o", "json"], more].concat()).ok().stdout;
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    let info = answer.pointer("/status/userInfo").expect("a user");
    let groups = info.get("groups").and_then(Value::as_array).into_iter().flatten();
    let mut groups: Vec<String> = groups.filter_map(Value::as_str).map(str::to_owned).collect();
    groups.sort();
    (info.get("username").and_then(Value::as_str).unwrap_or_default().to_owned(), groups)
}
