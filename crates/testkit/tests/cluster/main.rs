//! The whole cluster with real binaries, every kubectl there is, and two Kubernetes APIs behind it: ours and a real one.
//!
//! One binary, so that the real API server starts once.

mod access;
mod audit;
mod commands;
mod failures;
mod impersonation;
mod live;
mod login;
mod real_api;
mod streams;
mod two_processes;

use std::{path::PathBuf, time::Duration};

use teleport_testkit::programs;

/// How long something may take that should happen soon, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Every kubectl there is with its version; none is a reason to skip the test.
fn every_kubectl(test: &str) -> Vec<(&'static str, PathBuf)> {
    let found = programs::kubectls();
    if found.is_empty() {
        teleport_testkit::skip(test, "no kubectl; run scripts/install-test-tools");
    }
    found
}
