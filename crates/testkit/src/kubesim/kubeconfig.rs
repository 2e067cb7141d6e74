//! Kubeconfig files that reach the simulator.

use data_encoding::BASE64;
use serde_json::json;

use super::certs::Pair;

/// How the user of a kubeconfig proves who they are.
pub(super) enum Credential<'a> {
    Token(&'a str),
    Certificate(&'a Pair),
}

/// What goes into a kubeconfig of one cluster, one user and one context, all named `kubesim` but the user.
pub(super) struct Kubeconfig<'a> {
    pub(super) server: &'a str,
    pub(super) ca_pem: &'a str,
    pub(super) user: &'a str,
    pub(super) credential: &'a Credential<'a>,
}

impl Kubeconfig<'_> {
    /// Writes it as JSON, which is YAML too.
    pub(super) fn render(&self) -> String {
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
        let document = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "kubesim",
            "clusters": [{"name": "kubesim", "cluster": cluster}],
            "users": [{"name": self.user, "user": user}],
            "contexts": [{"name": "kubesim", "context": {"cluster": "kubesim", "user": self.user, "namespace": "default"}}],
        });
        format!("{document:#}\n")
    }
}
