//! The cases, by what people do.

mod change;
mod cluster;
mod create;
mod helm;
mod libraries;
mod pods;
mod policy;
mod read;
mod rollout;

use super::case::{Case, ClientKind};

/// Returns the cases of a kind of client, in the order of the page.
pub(super) fn of(kind: ClientKind) -> impl Iterator<Item = &'static Case> {
    [
        read::CASES,
        cluster::CASES,
        create::CASES,
        change::CASES,
        rollout::CASES,
        pods::CASES,
        policy::CASES,
        helm::CASES,
        libraries::CASES,
    ]
    .into_iter()
    .flatten()
    .filter(move |case| case.client == kind)
}

/// Returns the groups of a kind of client, in the order of the page.
pub(super) fn groups(kind: ClientKind) -> Vec<&'static str> {
    let mut groups: Vec<&str> = Vec::new();
    for case in of(kind) {
        if !groups.contains(&case.group) {
            groups.push(case.group);
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{super::case::Mark, *};

    fn all() -> Vec<&'static Case> {
        [ClientKind::Kubectl, ClientKind::Helm, ClientKind::Python, ClientKind::Node].into_iter().flat_map(of).collect()
    }

    #[test]
    fn no_two_cases_have_the_same_name() {
        let mut seen = BTreeSet::new();
        for case in all() {
            assert!(seen.insert((case.client, case.group, case.name)), "{} {}", case.group, case.name);
        }
        assert!(seen.len() > 60, "{}", seen.len());
    }

    #[test]
    fn a_difference_is_declared_exactly_where_a_step_is_marked() {
        for case in all() {
            let marked = case.steps().iter().any(|step| step.mark == Mark::Differs);
            assert_eq!(marked, case.difference.is_some(), "{} {}", case.group, case.name);
        }
    }
}
