//! Patterns in roles: a literal, a glob with `*`, or a regular expression written `^…$`.

use regex::{Regex, RegexBuilder};

/// A pattern of a role.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// `*`: every text.
    Any,
    /// One text.
    Literal(Box<str>),
    /// Parts with anything between them.
    Glob(Box<[Box<str>]>),
    /// The whole text matches the expression.
    Regex(Regex),
}

/// A text that is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a pattern: {reason}")]
pub struct InvalidPattern {
    text: String,
    reason: String,
}

/// Memory that a compiled expression of a role may take, in bytes.
const REGEX_SIZE: usize = 256 * 1024;

impl Pattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// When a regular expression has no end, is invalid or too large.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let wrong = |reason: String| InvalidPattern { text: text.chars().take(64).collect(), reason };
        if text == "*" {
            return Ok(Self::Any);
        }
        if let Some(rest) = text.strip_prefix('^') {
            let inner = rest
                .strip_suffix('$')
                .ok_or_else(|| wrong("a regular expression starts with ^ and ends with $".to_owned()))?;
            return whole(inner).map(Self::Regex).map_err(wrong);
        }
        if text.contains('*') {
            return Ok(Self::Glob(text.split('*').map(Box::from).collect()));
        }
        Ok(Self::literal(text))
    }

    /// Makes the pattern of one text, whatever is in it.
    pub fn literal(text: impl Into<Box<str>>) -> Self {
        Self::Literal(text.into())
    }

    /// Tells whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Literal(literal) => **literal == *text,
            Self::Glob(parts) => glob(parts, text),
            Self::Regex(regex) => regex.is_match(text),
        }
    }

    /// Tells whether every text matches, as far as the form shows it.
    pub fn is_any(&self) -> bool {
        match self {
            Self::Any => true,
            Self::Literal(_) | Self::Regex(_) => false,
            Self::Glob(parts) => parts.iter().all(|part| part.is_empty()),
        }
    }
}

/// Compiles an expression that holds for whole texts; a `|` in it stays inside the anchors.
pub(crate) fn whole(inner: &str) -> Result<Regex, String> {
    bounded(inner)?;
    bounded(&format!(r"\A(?:{inner})\z"))
}

/// Compiles an expression within the limits for texts from documents.
pub(crate) fn bounded(expression: &str) -> Result<Regex, String> {
    RegexBuilder::new(expression).size_limit(REGEX_SIZE).dfa_size_limit(REGEX_SIZE).build().map_err(|error| match error
    {
        regex::Error::CompiledTooBig(_) => "the regular expression is too large".to_owned(),
        error => error.to_string().lines().last().unwrap_or("invalid").trim_start_matches("error: ").to_owned(),
    })
}

/// Matches parts in order: the first at the start, the last at the end, the others at their earliest place between.
fn glob(parts: &[Box<str>], text: &str) -> bool {
    let [first, middle @ .., last] = parts else { return false };
    let Some(mut rest) = text.strip_prefix(&**first).and_then(|rest| rest.strip_suffix(&**last)) else {
        return false;
    };
    for part in middle {
        match rest.find(&**part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_texts() {
        for (pattern, yes, no) in [
            ("*", &["", "x", "a/b"][..], &[][..]),
            ("web", &["web"], &["", "Web", "web1"]),
            ("web-*", &["web-", "web-1"], &["web", "aweb-1"]),
            ("*-prod", &["-prod", "a-prod"], &["a-prod1"]),
            ("a*b*a", &["aba", "axbxa"], &["aa", "ab", "aab"]),
            ("a*a", &["aa", "aba"], &["a"]),
            ("a.c", &["a.c"], &["abc"]),
            ("^web-[0-9]+$", &["web-1"], &["web-", "web-1x", "xweb-1"]),
            ("^dev|prod$", &["dev", "prod"], &["devx", "xprod"]),
            ("cost$", &["cost$"], &["cost"]),
        ] {
            let matcher = Pattern::parse(pattern).expect(pattern);
            for text in yes {
                assert!(matcher.matches(text), "{pattern} matches {text}");
            }
            for text in no {
                assert!(!matcher.matches(text), "{pattern} does not match {text}");
            }
        }
    }

    #[test]
    fn a_newline_does_not_end_a_text_early() {
        assert!(!Pattern::parse("^prod$").expect("pattern").matches("prod\n"));
    }

    #[test]
    fn what_cannot_be_honoured_is_refused() {
        for pattern in ["^(", "^a", "^a)(b$", r"^a\$", r"^(a)\1$", "^(?:[a-z]{1000}){1000}$"] {
            Pattern::parse(pattern).expect_err(pattern);
        }
    }
}
