//! Templates in roles: `{{internal.x}}`, `{{external.x}}`, `{{external["http://…"]}}`, `email.local(…)`, `regexp.replace(…)`.
//!
//! A template has at most one expression between a literal prefix and suffix. It gives one value for each value of the
//! trait; none when the trait has none.

mod parse;

use regex::Regex;

use crate::Traits;

/// A text with an expression in it.
#[derive(Clone, Debug)]
pub struct Template {
    prefix: Box<str>,
    expression: Expression,
    suffix: Box<str>,
}

/// A text that is not a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a template: {reason}")]
pub struct InvalidTemplate {
    pub(crate) text: String,
    pub(crate) reason: String,
}

#[derive(Clone, Debug)]
enum Expression {
    Trait(Box<str>),
    EmailLocal(Box<Expression>),
    Replace { of: Box<Expression>, regex: Regex, with: Box<str> },
}

impl Template {
    /// Tells whether a text of a role means to be a template.
    pub fn is_in(text: &str) -> bool {
        text.contains("{{") || text.contains("}}")
    }

    /// Returns one text for each value; what is empty or would not survive a header is dropped.
    pub fn expand(&self, traits: &Traits) -> Vec<String> {
        let whole = |value: String| format!("{}{value}{}", self.prefix, self.suffix);
        self.expression
            .values(traits)
            .into_iter()
            .filter(|value| !value.is_empty())
            .map(whole)
            .filter(|v| is_clean(v))
            .collect()
    }
}

/// Tells whether a text can stand in a header and in a log as it is: not empty, no control characters, no space at its ends.
pub fn is_clean(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && !text.chars().any(char::is_control)
}

impl Expression {
    fn values(&self, traits: &Traits) -> Vec<String> {
        match self {
            Self::Trait(name) => traits.values(name).to_vec(),
            Self::EmailLocal(of) => {
                of.values(traits).iter().filter_map(|v| email_local(v)).map(str::to_owned).collect()
            }
            Self::Replace { of, regex, with } => of
                .values(traits)
                .iter()
                .filter(|value| regex.is_match(value))
                .map(|value| regex.replace_all(value, &**with).into_owned())
                .collect(),
        }
    }
}

/// Returns the part before the `@`; quoted parts, a second `@` and spaces make it no address.
fn email_local(address: &str) -> Option<&str> {
    let (local, domain) = address.split_once('@')?;
    let odd =
        |c: char| c.is_whitespace() || c.is_control() || matches!(c, '@' | '"' | '<' | '>' | '(' | ')' | '\\' | ',');
    (!local.is_empty() && !domain.is_empty() && !local.contains(odd) && !domain.contains(odd)).then_some(local)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traits() -> Traits {
        let rows: [(&str, &[&str]); 6] = [
            ("logins", &["root", "alice"]),
            ("email", &["alice@example.com", "not an address", "a@evil@good.com", "\"x\"@y"]),
            ("groups", &["team-a", "team-b", "other"]),
            ("odd", &["a\nb", " system:masters", "", "ok"]),
            ("http://claims/x", &["v"]),
            ("none", &[]),
        ];
        Traits(rows.iter().map(|(k, v)| ((*k).to_owned(), v.iter().map(|v| (*v).to_owned()).collect())).collect())
    }

    #[test]
    fn a_template_gives_one_value_for_each_of_the_trait() {
        for (text, values) in [
            ("{{internal.logins}}", &["root", "alice"][..]),
            ("{{ external.logins }}", &["root", "alice"]),
            ("dev-{{external.logins}}-x", &["dev-root-x", "dev-alice-x"]),
            (r#"{{external["http://claims/x"]}}"#, &["v"]),
            ("{{email.local(external.email)}}", &["alice"]),
            (r#"{{regexp.replace(external.groups, "^team-(.*)$", "$1")}}"#, &["a", "b"]),
            (r#"k8s:{{regexp.replace(external.groups, "^team-(.*)$", "${1}s")}}"#, &["k8s:as", "k8s:bs"]),
            (r#"{{regexp.replace(email.local(external.email), "ali", "b\"")}}"#, &["b\"ce"]),
            ("{{external.none}}", &[]),
            ("{{external.absent}}", &[]),
            ("{{external.odd}}", &["ok"]),
        ] {
            let template = Template::parse(text).expect(text);
            assert_eq!(template.expand(&traits()), values, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_template_is_refused() {
        for text in [
            "{{",
            "}}",
            "{{}}",
            "{{external}}",
            "{{external.}}",
            "{{secret.x}}",
            "{{external.a}}{{external.b}}",
            "{{email.local(external.a}}",
            "{{email.local()}}",
            "{{email.domain(external.a)}}",
            "{{external.a.b}}",
            r#"{{regexp.replace(external.a, "(", "x")}}"#,
            r#"{{regexp.replace(external.a)}}"#,
            r#"{{external["a"}}"#,
            "{{external.a b}}",
            r#"{{regexp.match("x")}}"#,
            "}}{{external.a",
        ] {
            assert!(Template::is_in(text), "{text}");
            Template::parse(text).expect_err(text);
        }
    }
}
