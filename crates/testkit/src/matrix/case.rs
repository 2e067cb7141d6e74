//! One case: a script that people could type, who types it, where, and what may differ.

/// A kind of client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClientKind {
    /// kubectl.
    Kubectl,
    /// helm.
    Helm,
    /// The client library for Python.
    Python,
    /// The client library for Node.
    Node,
}

/// Which objects the two runs of a case act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Both read the very same objects.
    Shared,
    /// Each has a namespace of its own and changes what is in it.
    Own,
}

/// What a cluster must have for a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// What `kubesim` has too.
    Basics,
    /// A real API server with its controllers and a kubelet.
    Kubelet,
}

/// Who runs a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Person {
    /// A developer whose Teleport role allows everything, so that only Kubernetes itself refuses.
    Developer,
    /// A reader of two kinds in the run's namespaces; Kubernetes would let them do what the developer does.
    Reader,
    /// Someone who may touch one namespace and nothing else.
    Owner,
}

/// A difference that policy makes on purpose.
#[derive(Clone, Copy, Debug)]
pub struct Difference {
    /// Why it is there.
    pub why: &'static str,
    /// What the answer through Teleport must hold.
    pub says: &'static str,
}

/// A script with its circumstances.
///
/// Each line of the script is a step whose exit code, output and errors are compared; an indented line continues the one
/// before. A mark in front says more: `- ` the step fails on both sides, `~ ` it differs on purpose, `@ ` it only
/// prepares or clears away and is not compared. A line that starts with `#` is a comment.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Which client it is for.
    pub client: ClientKind,
    /// The row of the table that it counts for.
    pub group: &'static str,
    /// What is tried.
    pub name: &'static str,
    /// Which objects it acts on.
    pub place: Place,
    /// Who acts.
    pub person: Person,
    /// What the cluster must have.
    pub needs: Needs,
    /// What is typed.
    pub script: &'static str,
    /// What differs on purpose, in the steps marked so.
    pub difference: Option<Difference>,
    /// The first minor version of kubectl that it is for, and why not the ones before.
    pub since: Option<(u32, &'static str)>,
}

impl Case {
    /// Makes a kubectl case on the shared objects.
    pub const fn read(group: &'static str, name: &'static str, script: &'static str) -> Self {
        Self {
            client: ClientKind::Kubectl,
            group,
            name,
            place: Place::Shared,
            person: Person::Developer,
            needs: Needs::Kubelet,
            script,
            difference: None,
            since: None,
        }
    }

    /// Makes a kubectl case in a namespace of its own.
    pub const fn own(group: &'static str, name: &'static str, script: &'static str) -> Self {
        Self { place: Place::Own, ..Self::read(group, name, script) }
    }

    /// Makes a case of another client.
    pub const fn of(self, client: ClientKind) -> Self {
        Self { client, ..self }
    }

    /// Lets someone else act.
    pub const fn by(self, person: Person) -> Self {
        Self { person, ..self }
    }

    /// Says that `kubesim` can do it too.
    pub const fn basic(self) -> Self {
        Self { needs: Needs::Basics, ..self }
    }

    /// Declares what the steps marked `~ ` do differently through Teleport, and why.
    pub const fn differs(self, says: &'static str, why: &'static str) -> Self {
        Self { difference: Some(Difference { why, says }), ..self }
    }

    /// Leaves out kubectls older than a minor version.
    pub const fn since(self, minor: u32, why: &'static str) -> Self {
        Self { since: Some((minor, why)), ..self }
    }

    /// Returns the steps in order.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for line in self.script.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
            match steps.last_mut() {
                Some(step) if line.starts_with(' ') => step.text.extend(["\n", line.trim_start()]),
                _ => steps.push(Step::parse(line)),
            }
        }
        steps
    }
}

/// One step of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// How its outcome is looked at.
    pub mark: Mark,
    /// What the shell runs.
    pub text: String,
}

/// How a step's outcome is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It succeeds, and is the same on both sides.
    Same,
    /// It fails, in the same way on both sides.
    Fails,
    /// It differs on purpose.
    Differs,
    /// It must succeed on both sides and is not compared.
    Quiet,
}

impl Step {
    fn parse(line: &str) -> Self {
        let marks = [("- ", Mark::Fails), ("~ ", Mark::Differs), ("@ ", Mark::Quiet)];
        let marked = marks.into_iter().find_map(|(sign, mark)| Some((mark, line.strip_prefix(sign)?)));
        let (mark, text) = marked.unwrap_or((Mark::Same, line));
        Self { mark, text: text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_read_line_by_line_with_marks_and_continuations() {
        let script = "\n# Why.\nkubectl get pods\n- kubectl get nope\n@ cat <<E |\n  a: b\n  kubectl apply -f -\n";
        let steps = Case::read("get", "x", script).steps();
        let of = |mark, text: &str| Step { mark, text: text.to_owned() };
        assert_eq!(
            steps,
            [
                of(Mark::Same, "kubectl get pods"),
                of(Mark::Fails, "kubectl get nope"),
                of(Mark::Quiet, "cat <<E |\na: b\nkubectl apply -f -"),
            ]
        );
    }
}
