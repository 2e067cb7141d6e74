//! Chooses the way of a connection from its ClientHello. Pure, so that every case is a row of a table.

use teleport_net::Hello;
use teleport_types::{
    ClusterName,
    sni::{ALPN_AUTH, InternalName, KubeLabel},
};

/// Where a connection goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// To auth's API: bytes are carried, TLS ends there.
    Auth,
    /// To the Kubernetes service that serves this name: handed over, TLS ends there.
    Kube(KubeLabel),
    /// To auth, which answers in the place of a Kubernetes cluster that nobody serves.
    Answer,
    /// To the web pages: TLS ends here.
    Web,
    /// Nowhere.
    Refuse(Refusal),
}

/// Why a connection goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// An internal name of a form or a cluster that is not known here.
    UnknownName,
    /// A known name, without the protocol that is spoken there.
    UnknownProtocol,
}

/// Chooses the way. `serves` tells whether a Kubernetes service of this process serves a name.
///
/// Only the name and the protocols decide; what is inside the session carries no meaning here.
pub fn route(hello: &Hello, cluster: &ClusterName, serves: impl Fn(&KubeLabel) -> bool) -> Route {
    let Some(host) = hello.server_name.as_deref() else {
        return Route::Web;
    };
    if !InternalName::is_internal(host) {
        return Route::Web;
    }
    match InternalName::parse(host) {
        Some(InternalName::Kube { label, cluster: of }) if of == *cluster => {
            if serves(&label) {
                Route::Kube(label)
            } else {
                Route::Answer
            }
        }
        Some(InternalName::Auth(of)) if of == *cluster => {
            if hello.offers(ALPN_AUTH) {
                Route::Auth
            } else {
                Route::Refuse(Refusal::UnknownProtocol)
            }
        }
        Some(InternalName::Proxy(of)) if of == *cluster => Route::Refuse(Refusal::UnknownProtocol),
        _ => Route::Refuse(Refusal::UnknownName),
    }
}

impl Route {
    /// Returns the word that stands in metrics and logs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Kube(_) => "kube",
            Self::Answer => "answer",
            Self::Web => "web",
            Self::Refuse(_) => "refused",
        }
    }
}

#[cfg(test)]
mod tests {
    use teleport_types::KubeClusterName;

    use super::*;

    #[test]
    fn the_first_label_the_cluster_and_the_protocol_decide() {
        let cluster = ClusterName::parse("main.example.com").expect("name");
        let label = |name| KubeLabel::of(&KubeClusterName::parse(name).expect("name"));
        let (here, nowhere) = (label("prod"), label("gone"));
        let kube = |label: &KubeLabel, cluster: &str| format!("{}.{cluster}.teleport.internal", label.as_str());
        let (kube_here, kube_nowhere) = (kube(&here, "main.example.com"), kube(&nowhere, "main.example.com"));
        let kube_foreign = kube(&here, "leaf.example.com");
        let refuse = Route::Refuse;
        let table: &[(Option<&str>, &[&str], Route)] = &[
            (Some(&kube_here), &["h2", "http/1.1"], Route::Kube(here.clone())),
            (Some(&kube_here), &[], Route::Kube(here.clone())),
            (Some(&kube_here), &["teleport-auth"], Route::Kube(here.clone())),
            (Some(&kube_nowhere), &["h2"], Route::Answer),
            (Some(&kube_nowhere), &[], Route::Answer),
            (Some(&kube_foreign), &["h2"], refuse(Refusal::UnknownName)),
            (Some("auth.main.example.com.teleport.internal"), &["teleport-auth"], Route::Auth),
            (Some("auth.main.example.com.teleport.internal"), &["h2", "teleport-auth"], Route::Auth),
            (Some("auth.main.example.com.teleport.internal"), &["h2"], refuse(Refusal::UnknownProtocol)),
            (Some("auth.main.example.com.teleport.internal"), &[], refuse(Refusal::UnknownProtocol)),
            (Some("auth.other.teleport.internal"), &["teleport-auth"], refuse(Refusal::UnknownName)),
            (Some("auth.teleport.internal"), &["teleport-auth"], refuse(Refusal::UnknownName)),
            (Some("proxy.main.example.com.teleport.internal"), &["teleport-ssh"], refuse(Refusal::UnknownProtocol)),
            (Some("k-short.main.example.com.teleport.internal"), &["h2"], refuse(Refusal::UnknownName)),
            (Some("web.main.example.com.teleport.internal"), &["h2"], refuse(Refusal::UnknownName)),
            (Some("teleport.internal"), &["h2"], refuse(Refusal::UnknownName)),
            (Some("main.example.com"), &["h2", "http/1.1"], Route::Web),
            (Some("main.example.com"), &["teleport-auth"], Route::Web),
            (Some("notteleport.internal"), &[], Route::Web),
            (Some("anything.test"), &[], Route::Web),
            (None, &["h2"], Route::Web),
            (None, &["teleport-auth"], Route::Web),
            (None, &[], Route::Web),
        ];
        for (name, alpn, expected) in table {
            let hello = Hello {
                server_name: name.map(str::to_owned),
                alpn: alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect(),
            };
            assert_eq!(route(&hello, &cluster, |label| *label == here), *expected, "{name:?} {alpn:?}");
        }
    }
}
