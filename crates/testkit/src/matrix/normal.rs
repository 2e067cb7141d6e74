//! Takes out of an output what differs between any two runs, and nothing else.

use std::sync::LazyLock;

use regex::Regex;

use super::case::Place;

/// What two runs of one case may have different: names that the run itself chose.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// The namespace of the side.
    pub(super) namespace: String,
    /// Base address of the API server as the side's kubeconfig has it.
    pub(super) server: String,
}

/// A pattern with what stands for it.
struct Rule {
    pattern: Regex,
    stand_in: &'static str,
}

impl Rule {
    fn new(pattern: &str, stand_in: &'static str) -> Self {
        Self { pattern: Regex::new(pattern).expect("the patterns are constants, run by the tests below"), stand_in }
    }
}

/// A column of a table, a field of a description, or how often and how long an event has been seen.
const AGE: &str = r"(^|[ \t]{2,}|\t|\((?:x\d+ over )?)((\d+[ywdhms]){1,2})(\)| ago|[ \t]{2,}| \(|$)";

/// What differs even between two looks at the same object: the time since, local ports, the cluster's revision.
static ALWAYS: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    vec![
        // Twice, since what ends one age may begin the next.
        Rule::new(AGE, "$1<age>$4"),
        Rule::new(AGE, "$1<age>$4"),
        Rule::new(r"(127\.0\.0\.1|\[::1\]):\d{4,5}", "$1:<port>"),
        Rule::new(r"Handling connection for \d+", "Handling connection for <port>"),
        Rule::new(r#"("metadata":\{"resourceVersion":)"\d+""#, "$1<revision>"),
        Rule::new(r"/tmp/(LIVE|MERGED)-\d+", "/tmp/$1-<random>"),
        Rule::new(r#"(start exec )"[0-9a-f]{64}""#, "$1<id>"),
        Rule::new(r"[EWI]\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ ", "<log> "),
        Rule::new(r#"("?auditID"?: ?)"[0-9a-f-]{36}""#, "$1<id>"),
    ]
});

/// What differs between two objects that were made in the same way: identity, times, addresses, random suffixes.
static TWINS: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    vec![
        Rule::new(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uid>"),
        Rule::new(r#"("?resourceVersion"?: ?)"\d+""#, "$1<revision>"),
        Rule::new(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( \+0000 UTC|Z|[+-]\d\d:\d\d)?", "<time>"),
        Rule::new(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000", "<time>"),
        Rule::new(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}", "<time>"),
        Rule::new(r"-([bcdfghjklmnpqrstvwxz2456789]{8,10})-[bcdfghjklmnpqrstvwxz2456789]{5}\b", "-$1-<suffix>"),
        Rule::new(r"\b10\.\d+\.\d+\.\d+\b", "<address>"),
        Rule::new(r"\b3[0-2]\d{3}/TCP|\b3[0-2]\d{3}\b", "<node port>"),
    ]
});

/// kubectl 1.30.0 says this now and then, direct or not, when the first message comes before it has made its streams.
static RACE_OF_1_30: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?m)^.* websocket\.go:\d+\] Unknown stream id \d, discarding message\n").expect("a constant")
});

/// Lines whose columns move when an age or address in another line is longer.
static HEADERS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\bAGE\b|\bAge\b|^[ -]+$|\bCLUSTER-IP\b|\bLAST SEEN\b|UPDATED").expect("a constant"));
static BLANKS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"[ \t]{2,}|\t").expect("a constant"));
static DASHES: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"-{3,}").expect("a constant"));

/// Returns the output with stand-ins; the width of columns goes only where a stand-in changed it.
pub(super) fn normal(text: &str, place: Place, names: &Names) -> String {
    let text = RACE_OF_1_30.replace_all(text, "");
    let text = text.replace(&names.namespace, "<namespace>").replace(&names.server, "https://<server>");
    let mut lines: Vec<String> = text.lines().map(|line| line_of(line, place)).collect();
    if text.ends_with('\n') {
        lines.push(String::new());
    }
    lines.join("\n")
}

fn line_of(line: &str, place: Place) -> String {
    let mut new = line.to_owned();
    let twins = if place == Place::Own { TWINS.as_slice() } else { &[] };
    for rule in ALWAYS.iter().chain(twins) {
        new = rule.pattern.replace_all(&new, rule.stand_in).into_owned();
    }
    if new != line || HEADERS.is_match(line) {
        new = DASHES.replace_all(&BLANKS.replace_all(&new, "  "), "---").trim_end().to_owned();
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names { namespace: "mx-7-a".to_owned(), server: "https://10.0.0.1:6443".to_owned() }
    }

    #[test]
    fn ages_go_and_the_rest_of_a_table_stays() {
        let at = |text| normal(text, Place::Shared, &names());
        assert_eq!(at("web   1/1   5m10s   10.0.0.7\n"), at("web   1/1   12s     10.0.0.7\n"));
        assert_ne!(at("web   1/1   5m10s   10.0.0.7\n"), at("web   1/1   5m10s   10.0.0.8\n"));
        assert_ne!(at("web   1/1"), at("web   0/1"));
    }

    #[test]
    fn twins_have_other_identities_and_times_but_the_same_shape() {
        let at = |text| normal(text, Place::Own, &names());
        assert_eq!(
            at("uid: 0b9e2c6e-7c1b-4c7e-9d6e-2f1c8a1b2c3d, resourceVersion: \"17\""),
            at("uid: 1b9e2c6e-7c1b-4c7e-9d6e-2f1c8a1b2c3d, resourceVersion: \"4711\"")
        );
        assert_eq!(at("pod/app-7c5ddbdf54-x2x2x created"), "pod/app-7c5ddbdf54-<suffix> created");
        assert_eq!(at("2026-11-24T22:00:00Z"), at("2026-11-24T23:10:00Z"));
        assert_ne!(at("configmap/a created"), at("configmap/b created"));
    }

    #[test]
    fn what_kubectl_says_of_its_own_race_is_taken_out_and_nothing_else() {
        let line = "E1125 00:01:02.123456   99 websocket.go:296] Unknown stream id 1, discarding message\n";
        assert_eq!(normal(&format!("a\n{line}b\n"), Place::Shared, &names()), "a\nb\n");
        assert_ne!(normal("E1125 websocket.go:296] Unknown\n", Place::Shared, &names()), "");
    }

    #[test]
    fn shared_objects_keep_their_identity() {
        let uid = "uid: 0b9e2c6e-7c1b-4c7e-9d6e-2f1c8a1b2c3d";
        assert_eq!(normal(uid, Place::Shared, &names()), uid);
    }

    #[test]
    fn the_address_and_the_namespace_of_the_side_have_stand_ins() {
        let text = "running at https://10.0.0.1:6443 in mx-7-a";
        assert_eq!(normal(text, Place::Shared, &names()), "running at https://<server> in <namespace>");
    }
}
