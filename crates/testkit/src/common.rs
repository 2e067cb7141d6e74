//! What end-to-end tests share: roles over the cluster behind them, and the kubectl in front.

use crate::{process, programs};

/// Roles that the end-to-end tests share: developers work in `default` and `dev`, never in production; admins anywhere.
pub const ROLES: &str = "\
kind: role
version: v8
metadata: {name: developer}
spec:
  options: {max_session_ttl: 8h}
  allow:
    kubernetes_labels: {'*': '*'}
    kubernetes_groups: [devs]
    kubernetes_resources:
    - {kind: '*', api_group: '*', namespace: default, name: '*', verbs: ['*']}
    - {kind: '*', api_group: '*', namespace: dev, name: '*', verbs: ['*']}
---
kind: role
version: v8
metadata: {name: admin}
spec:
  allow:
    kubernetes_labels: {'*': '*'}
    kubernetes_groups: ['system:masters']
    kubernetes_resources:
    - {kind: '*', api_group: '*', namespace: '*', name: '*', verbs: ['*']}
    rules:
    - {resources: ['*'], verbs: ['*']}
---
kind: role
version: v8
metadata: {name: nothing}
spec:
  allow: {}
";

/// Returns the first kubectl there is, newest last, or says why the test is skipped.
pub fn any_kubectl(test: &str) -> Option<std::path::PathBuf> {
    let found = programs::kubectls().pop().map(|(_, path)| path);
    if found.is_none() {
        crate::skip(test, "no kubectl; run scripts/install-test-tools");
    }
    found
}

/// Tells whether a kubectl prints this exact line somewhere.
pub fn has_line(ended: &process::Ended, line: &str) -> bool {
    ended.all().lines().any(|found| found.trim_end() == line)
}
