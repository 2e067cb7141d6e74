//! The warm path: three files are read and one line is written. No command line parser, no runtime, no network, no lock.

use std::ffi::OsString;

use teleport_runtime::Clock;
use teleport_types::{ClusterName, KubeClusterName};

use super::{cached, entry_proxy, exec_credential};
use crate::{env::store_of_process, proxy_addr::ProxyTarget};

/// The arguments exactly as they stand in the kubeconfig entry.
#[derive(Debug)]
struct Asked {
    kube_cluster: KubeClusterName,
    cluster: ClusterName,
    proxy: ProxyTarget,
}

/// Answers when the arguments are those of a kubeconfig entry and good credentials are cached; otherwise the ordinary
/// way finds out what is the matter.
pub fn answer(args: &[OsString]) -> Option<String> {
    let asked = parse(args)?;
    let store = store_of_process()?;
    let profile = store.profile(asked.proxy.host()).ok().flatten()?;
    if !asked.proxy.matches(&profile.web_proxy_addr) || profile.cluster != asked.cluster {
        return None;
    }
    let slot = store.credentials(profile.host(), &profile.user, &profile.cluster, &asked.kube_cluster);
    let credentials = cached(&slot, Clock::system().now())?;
    Some(exec_credential::render(&credentials))
}

fn parse(args: &[OsString]) -> Option<Asked> {
    let texts: Option<Vec<&str>> = args.iter().map(|arg| arg.to_str()).collect();
    let texts = texts?;
    let [_, "kube", "credentials", flags @ ..] = texts.as_slice() else { return None };
    let [kube_cluster, cluster, proxy] = flags else { return None };
    Some(Asked {
        kube_cluster: KubeClusterName::parse(kube_cluster.strip_prefix("--kube-cluster=")?).ok()?,
        cluster: ClusterName::parse(cluster.strip_prefix("--teleport-cluster=")?).ok()?,
        proxy: entry_proxy(proxy.strip_prefix("--proxy=")?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_arguments_of_a_kubeconfig_entry_are_taken() {
        let parse = |line: &str| parse(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        let entry = "tsh kube credentials --kube-cluster=prod --teleport-cluster=main --proxy=proxy:443";
        assert!(parse(entry).is_some());
        for other in [
            "tsh kube credentials",
            "tsh kube ls",
            "tsh -d kube credentials --kube-cluster=prod --teleport-cluster=main --proxy=proxy:443",
            "tsh kube credentials --kube-cluster=prod --teleport-cluster=main --proxy=proxy:443 -d",
            "tsh kube credentials --kube-cluster= --teleport-cluster=main --proxy=proxy:443",
            "tsh kube credentials --kube-cluster=prod --teleport-cluster=../x --proxy=proxy:443",
            "tsh kube credentials --kube-cluster=prod --teleport-cluster=main --proxy=../..",
        ] {
            assert!(parse(other).is_none(), "{other}");
        }
    }
}
