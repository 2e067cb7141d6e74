//! The short form of the compatibility matrix, in front of `kubesim`: one old and one new kubectl, what needs no kubelet.
//! `make test-matrix` runs all of it against a real cluster.

use teleport_testkit::{
    matrix::{self, Client, ClientKind, Options, Target, Verdict},
    skip,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_old_and_a_new_kubectl_get_the_same_through_teleport_as_past_it() {
    let here = Client::all().into_iter().filter(|client| client.kind == ClientKind::Kubectl && client.is_here());
    let labels: Vec<_> = here.map(|client| client.label()).collect();
    let (Some(oldest), Some(newest)) = (labels.first(), labels.last()) else {
        skip(
            "an_old_and_a_new_kubectl_get_the_same_through_teleport_as_past_it",
            "no kubectl; run scripts/install-test-tools",
        );
        return;
    };
    let target = Target::simulated().await.expect("kubesim starts");
    let options = Options { clients: vec![oldest.clone(), newest.clone()], ..Options::default() };
    let report = tokio::task::block_in_place(|| matrix::run(&target, &options)).expect("the matrix runs");
    // What differed, the run has printed.
    let failures: Vec<_> = report.failures().map(|row| (row.client.label(), row.case.group, row.case.name)).collect();
    assert!(failures.is_empty(), "{failures:?}");
    let works = report.rows.iter().filter(|row| row.verdict == Verdict::Works).count();
    assert!(works >= 20, "only {works} cases work");
}
