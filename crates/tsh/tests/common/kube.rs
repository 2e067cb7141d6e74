//! A login as far as the kubeconfig is concerned.

use std::path::{Path, PathBuf};

use teleport_types::{ClusterName, KubeClusterName};
use tsh::{
    kubeconfig::{Forgotten, KubeEntry, Kubeconfig, KubeconfigPaths, Plugin, Selection},
    proxy_addr::ProxyAddr,
};

/// The editor of one file, or of several joined by `:`.
pub fn kubeconfig(files: &Path) -> Kubeconfig {
    Kubeconfig::new(KubeconfigPaths::from_env(Some(files.as_os_str()), Path::new("/nonexistent")))
}

/// What the cluster `main` offers.
pub fn entry() -> KubeEntry {
    entry_of("main", "proxy.example.com:443")
}

/// What another cluster offers.
pub fn entry_of(cluster: &str, proxy: &str) -> KubeEntry {
    KubeEntry {
        cluster: ClusterName::parse(cluster).expect("name"),
        proxy: ProxyAddr::parse(proxy).expect("address"),
        host_ca: "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n".into(),
    }
}

/// `tsh` as installed.
pub fn plugin() -> Plugin {
    Plugin { command: PathBuf::from("/usr/local/bin/tsh"), home: None }
}

/// Selects a Kubernetes cluster, as a login does.
pub fn login(files: &Path, kube_cluster: &str) {
    let name = KubeClusterName::parse(kube_cluster).expect("name");
    kubeconfig(files).offer(&plugin(), &entry(), Selection::Select(&name)).expect("offer");
}

/// Removes the entries, as a logout does.
pub fn logout(files: &Path) -> Forgotten {
    kubeconfig(files).forget(&entry().proxy).expect("forget")
}
