//! Kubeconfig files that reach a Kubernetes API of the tests.

use data_encoding::BASE64;
use serde_json::json;

use super::certs::Pair;

/// How the user of a kubeconfig proves who they are.
pub(crate) enum Credential<'a> {
    Token(&'a str),
    Certificate(&'a Pair),
}

/// What goes into a kubeconfig of one cluster, one user and one context that bears the cluster's name.
pub(crate) struct Kubeconfig<'a> {
    pub(crate) cluster: &'a str,
    pub(crate) server: &'a str,
    pub(crate) ca_pem: &'a str,
    pub(crate) user: &'a str,
    pub(crate) credential: &'a Credential<'a>,
}

impl Kubeconfig<'_> {
    /// Writes it as JSON, which is YAML too.
    pub(crate) fn render(&self) -> String {
        let user = match self.credential {
            Credential::Token(token) => json!({"token": token}),
            Credential::Certificate(pair) => json!({
                "client-certificate-data": BASE64.encode(pair.certificate_pem().as_bytes()),
                "client-key-data": BASE64.encode(pair.key_pem().as_bytes()),
            }),
        };
        let cluster = json!({
            "server": self.server, "certificate-authority-data": BASE64.encode(self.ca_pem.as_bytes()),
        });
        let context = json!({"cluster": self.cluster, "user": self.user, "namespace": "default"});
        let document = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": self.cluster,
            "clusters": [{"name": self.cluster, "cluster": cluster}],
            "users": [{"name": self.user, "user": user}],
            "contexts": [{"name": self.cluster, "context": context}],
        });
        format!("{document:#}\n")
    }
}
