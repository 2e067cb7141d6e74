//! Labels of clusters and hosts, and the selectors of roles over them.

pub mod matcher;

use std::collections::BTreeMap;

use crate::{InvalidResource, Traits, role::LabelMap, template::Template};

pub use matcher::Pattern;

/// Labels of one thing.
pub type Labels = BTreeMap<String, String>;

/// A text in a role that other texts are held against: a pattern, or a template whose values are taken literally.
#[derive(Clone, Debug)]
pub enum TextMatcher {
    /// The same for everyone.
    Pattern(Pattern),
    /// Differs by the traits of who asks. A trait's value is never a pattern: `*` in one matches only `*`.
    Template(Template),
}

impl TextMatcher {
    /// Parses a text of a role.
    ///
    /// # Errors
    /// Names `field` when the pattern or template is none.
    pub fn parse(text: &str, field: &str) -> Result<Self, InvalidResource> {
        let wrong = |reason: String| InvalidResource::field(field, reason);
        if Template::is_in(text) {
            return Template::parse(text).map(Self::Template).map_err(|error| wrong(error.to_string()));
        }
        Pattern::parse(text).map(Self::Pattern).map_err(|error| wrong(error.to_string()))
    }

    /// Fills in traits: what is left is patterns, none when a template has no value.
    pub fn resolve(&self, traits: &Traits) -> Vec<Pattern> {
        match self {
            Self::Pattern(pattern) => vec![pattern.clone()],
            Self::Template(template) => template.expand(traits).into_iter().map(Pattern::literal).collect(),
        }
    }

    /// Tells whether a text matches, traits filled in.
    pub fn matches(&self, text: &str, traits: &Traits) -> bool {
        match self {
            Self::Pattern(pattern) => pattern.matches(text),
            Self::Template(template) => template.expand(traits).iter().any(|value| value == text),
        }
    }
}

/// Which things a side of a role is about, by their labels.
#[derive(Clone, Debug, Default)]
pub struct LabelSelector {
    everything: bool,
    keys: Vec<(String, Vec<TextMatcher>)>,
}

impl LabelSelector {
    /// Parses the labels of a role. The key `*` stands only with the value `*`.
    ///
    /// # Errors
    /// Names `field` and the key.
    pub fn parse(labels: &LabelMap, field: &str) -> Result<Self, InvalidResource> {
        let mut selector = Self::default();
        for (key, values) in &labels.0 {
            let field = format!("{field}.{key}");
            if key == "*" {
                if values.0 != ["*"] {
                    return Err(InvalidResource::field(field, "the key \"*\" goes with the value \"*\" only"));
                }
                selector.everything = true;
                continue;
            }
            if key.is_empty() || values.0.is_empty() {
                return Err(InvalidResource::field(field, "a label needs a key and at least one value"));
            }
            let values = values.0.iter().map(|value| TextMatcher::parse(value, &field)).collect::<Result<_, _>>()?;
            selector.keys.push((key.clone(), values));
        }
        Ok(selector)
    }

    /// Tells whether it selects nothing, whatever the labels.
    pub fn is_empty(&self) -> bool {
        !self.everything && self.keys.is_empty()
    }

    /// Tells whether every key has a label with one of its values: the reading of `allow`. No key selects nothing.
    pub fn all(&self, labels: &Labels, traits: &Traits) -> bool {
        !self.is_empty() && self.keys.iter().all(|key| Self::key_matches(key, labels, traits))
    }

    /// Tells whether any key has a label with one of its values: the reading of `deny`.
    pub fn any(&self, labels: &Labels, traits: &Traits) -> bool {
        self.everything || self.keys.iter().any(|key| Self::key_matches(key, labels, traits))
    }

    fn key_matches((key, values): &(String, Vec<TextMatcher>), labels: &Labels, traits: &Traits) -> bool {
        labels.get(key).is_some_and(|label| values.iter().any(|value| value.matches(label, traits)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::OneOrMany;

    fn selector(pairs: &[(&str, &[&str])]) -> LabelSelector {
        let map = pairs.iter().map(|(k, v)| ((*k).to_owned(), OneOrMany(v.iter().map(|v| (*v).to_owned()).collect())));
        LabelSelector::parse(&LabelMap(map.collect()), "labels").expect("a selector")
    }

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn keys_are_joined_by_and_and_values_by_or() {
        let prod = labels(&[("env", "prod"), ("team", "db")]);
        let none = Traits::default();
        type Row<'a> = (&'a [(&'a str, &'a [&'a str])], bool, bool);
        let rows: &[Row<'_>] = &[
            (&[], false, false),
            (&[("*", &["*"])], true, true),
            (&[("env", &["prod"])], true, true),
            (&[("env", &["dev", "prod"])], true, true),
            (&[("env", &["dev"])], false, false),
            (&[("env", &["prod"]), ("team", &["web"])], false, true),
            (&[("env", &["p*"]), ("team", &["^d.$"])], true, true),
            (&[("region", &["*"])], false, false),
            (&[("*", &["*"]), ("env", &["dev"])], false, true),
        ];
        for (pairs, all, any) in rows {
            let selector = selector(pairs);
            assert_eq!(selector.all(&prod, &none), *all, "{pairs:?} as allow");
            assert_eq!(selector.any(&prod, &none), *any, "{pairs:?} as deny");
        }
    }

    #[test]
    fn a_trait_is_taken_literally() {
        let selector = selector(&[("env", &["{{external.env}}"])]);
        let traits = |value: &str| Traits([("env".to_owned(), vec![value.to_owned()])].into());
        let prod = labels(&[("env", "prod")]);
        assert!(selector.all(&prod, &traits("prod")));
        for pattern in ["*", "^.*$", "p*"] {
            assert!(!selector.all(&prod, &traits(pattern)), "{pattern} from a trait is no pattern");
        }
    }

    #[test]
    fn the_star_key_goes_with_the_star_value_only() {
        let map = LabelMap([("*".to_owned(), OneOrMany(vec!["prod".to_owned()]))].into());
        LabelSelector::parse(&map, "labels").expect_err("refused");
    }
}
