//! Compares the two runs of a case.

use super::{
    case::{Case, Mark, Step},
    page::Shown,
};
use crate::process::Ended;

/// What the comparison says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The same, and everything that should succeed does.
    Works,
    /// The same, but some command does not work past Teleport either: refused to this user, or unknown to this client.
    SaysTheSame,
    /// The same but for the differences that policy makes on purpose.
    Declared,
    /// A difference that nobody declared; the text shows it.
    Failed(String),
    /// It did not run, and why.
    Skipped(String),
}

/// A step with both outcomes, what differs between any two runs taken out.
pub(super) struct Compared {
    pub(super) step: Step,
    pub(super) direct: Ended,
    pub(super) through: Ended,
}

/// Whether an answer of the direct way that the case did not expect is the case's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strictness {
    /// The client is one that the scripts are written for: it knows every command in them.
    Written,
    /// The client may be too old for some.
    Older,
}

/// Compares step by step; the first failure ends it.
pub(super) fn verdict(case: &Case, steps: &[Compared], strictness: Strictness) -> Verdict {
    if let Some(problem) = steps.iter().find_map(|compared| problem(case, compared, strictness)) {
        return Verdict::Failed(problem);
    }
    let of = |mark| steps.iter().filter(move |compared| compared.step.mark == mark);
    if of(Mark::Differs).next().is_some() {
        return Verdict::Declared;
    }
    let (worked, refused): (Vec<_>, Vec<_>) = of(Mark::Same).partition(|compared| compared.direct.code == 0);
    if worked.is_empty() || !refused.is_empty() { Verdict::SaysTheSame } else { Verdict::Works }
}

fn problem(case: &Case, compared: &Compared, strictness: Strictness) -> Option<String> {
    let Compared { step, direct, through } = compared;
    let says = |what: &str| Some(format!("{what}\n{}", Shown(compared)));
    match step.mark {
        Mark::Quiet if strictness == Strictness::Older && direct.code == through.code => None,
        Mark::Quiet => (direct.code != 0 || through.code != 0).then(|| says("a preparing step failed")).flatten(),
        Mark::Differs => declared(case, compared).and_then(says),
        _ if !equal(direct, through) => says("it differs"),
        Mark::Same if direct.code != 0 && strictness == Strictness::Written => says("it fails past Teleport too"),
        Mark::Fails if direct.code == 0 && strictness == Strictness::Written => says("it should fail and does not"),
        Mark::Same | Mark::Fails => None,
    }
}

fn declared(case: &Case, compared: &Compared) -> Option<&'static str> {
    let Some(difference) = case.difference else {
        return Some("a step is marked as different, the case says not why");
    };
    if equal(&compared.direct, &compared.through) {
        return Some("the declared difference is not there");
    }
    (!compared.through.all().contains(difference.says)).then_some("it differs in another way than declared")
}

fn equal(one: &Ended, other: &Ended) -> bool {
    (one.code, &one.stdout, &one.stderr) == (other.code, &other.stdout, &other.stderr)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(line: &str, direct: (i32, &str), through: (i32, &str)) -> Vec<Compared> {
        let steps = Case::read("g", "n", Box::leak(line.to_owned().into_boxed_str())).steps();
        let ended = |(code, stdout): (i32, &str)| Ended { code, stdout: stdout.to_owned(), stderr: String::new() };
        steps.into_iter().map(|step| Compared { step, direct: ended(direct), through: ended(through) }).collect()
    }

    fn of(case: &Case, steps: &[Compared]) -> Verdict {
        verdict(case, steps, Strictness::Written)
    }

    #[test]
    fn equal_steps_work_and_equal_refusals_say_the_same() {
        let case = Case::read("g", "n", "");
        assert_eq!(of(&case, &compared("a", (0, "x"), (0, "x"))), Verdict::Works);
        assert_eq!(of(&case, &compared("- a", (1, "x"), (1, "x"))), Verdict::SaysTheSame);
        let both = [compared("a", (0, "x"), (0, "x")), compared("- a", (1, "x"), (1, "x"))].into_iter().flatten();
        assert_eq!(of(&case, &both.collect::<Vec<_>>()), Verdict::Works);
    }

    #[test]
    fn any_difference_fails() {
        let case = Case::read("g", "n", "");
        for (direct, through) in [((0, "x"), (0, "y")), ((0, "x"), (1, "x"))] {
            assert!(matches!(of(&case, &compared("a", direct, through)), Verdict::Failed(_)));
        }
    }

    #[test]
    fn a_case_that_cannot_work_even_directly_fails_unless_the_client_is_older() {
        let case = Case::read("g", "n", "");
        let steps = compared("a", (1, "x"), (1, "x"));
        assert!(matches!(of(&case, &steps), Verdict::Failed(_)));
        assert_eq!(verdict(&case, &steps, Strictness::Older), Verdict::SaysTheSame);
    }

    #[test]
    fn a_declared_difference_must_be_there_and_be_the_declared_one() {
        let case = Case::read("g", "n", "").differs("forbidden", "policy");
        assert_eq!(of(&case, &compared("~ a", (0, "x"), (1, "forbidden"))), Verdict::Declared);
        for through in [(0, "x"), (1, "other")] {
            assert!(matches!(of(&case, &compared("~ a", (0, "x"), through)), Verdict::Failed(_)));
        }
    }
}
