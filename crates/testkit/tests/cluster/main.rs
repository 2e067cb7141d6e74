//! The whole cluster with real binaries, every kubectl there is, and two Kubernetes APIs behind it: ours and a real one.
//!
//! One binary, so that the real API server starts once. What needs no kubelet runs on both, by `both_apis`.

/// Makes two tests of each function, which takes a world and the test's name: in front of `kubesim`, and of a real API
/// server when there is one.
macro_rules! both_apis {
    ($($name:ident,)*) => {$(
        mod $name {
            use teleport_testkit::World;

            #[tokio::test(flavor = "multi_thread")]
            async fn on_kubesim() {
                super::$name(World::simulated().await, concat!(stringify!($name), " on kubesim")).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn on_a_real_api_server() {
                let test = concat!(stringify!($name), " on a real API server");
                if let Some(world) = World::real(test) {
                    super::$name(world, test).await;
                }
            }
        }
    )*};
}

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

use std::path::PathBuf;

use teleport_testkit::programs;

/// Every kubectl there is with its version; none is a reason to skip the test.
fn every_kubectl(test: &str) -> Vec<(&'static str, PathBuf)> {
    let found = programs::kubectls();
    if found.is_empty() {
        teleport_testkit::skip(test, "no kubectl; run scripts/install-test-tools");
    }
    found
}
