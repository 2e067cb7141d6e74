//! Label and field selectors.

use serde_json::Value;

use super::{query::Query, status::Status};

/// Which objects a list or watch is about.
#[derive(Debug, Clone, Default)]
pub(super) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<(Vec<String>, bool, String)>,
}

#[derive(Debug, Clone)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Missing,
}

impl Selector {
    /// Reads `labelSelector` and `fieldSelector`.
    pub(super) fn parse(query: &Query) -> Result<Self, Status> {
        let labels = split(query.first("labelSelector").unwrap_or_default());
        let labels = labels.iter().map(|text| requirement(text)).collect::<Result<Vec<_>, _>>()?;
        let fields = query.first("fieldSelector").unwrap_or_default().split(',').filter(|text| !text.is_empty());
        let fields = fields.map(|text| {
            let (key, equal, value) = operator(text)
                .ok_or_else(|| Status::bad_request(format!("invalid selector: '{text}'; can't understand '{text}'")))?;
            Ok((key.split('.').map(str::to_owned).collect(), equal, value.to_owned()))
        });
        Ok(Self { labels, fields: fields.collect::<Result<Vec<_>, Status>>()? })
    }

    /// Tells whether an object is selected.
    pub(super) fn selects(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        let by_label = self.labels.iter().all(|requirement| {
            let value = labels[requirement.key.as_str()].as_str();
            match &requirement.test {
                Test::Exists => value.is_some(),
                Test::Missing => value.is_none(),
                Test::In(values) => value.is_some_and(|value| values.iter().any(|wanted| wanted == value)),
                Test::NotIn(values) => value.is_none_or(|value| values.iter().all(|wanted| wanted != value)),
            }
        });
        by_label
            && self.fields.iter().all(|(path, equal, wanted)| {
                let found = path.iter().fold(object, |value, part| &value[part.as_str()]);
                (found.as_str().unwrap_or_default() == wanted) == *equal
            })
    }
}

/// Splits at commas that are not inside parentheses.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut depth) = (vec![String::new()], 0usize);
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts.into_iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

fn requirement(text: &str) -> Result<Requirement, Status> {
    let values = |list: &str| list.trim().trim_matches(['(', ')']).split(',').map(|v| v.trim().to_owned()).collect();
    let (key, test) = if let Some((key, list)) = text.split_once(" notin ") {
        (key, Test::NotIn(values(list)))
    } else if let Some((key, list)) = text.split_once(" in ") {
        (key, Test::In(values(list)))
    } else if let Some((key, equal, value)) = operator(text) {
        let values = vec![value.to_owned()];
        (key, if equal { Test::In(values) } else { Test::NotIn(values) })
    } else if let Some(key) = text.strip_prefix('!') {
        (key, Test::Missing)
    } else {
        (text, Test::Exists)
    };
    let key = key.trim();
    if key.is_empty() || key.contains(char::is_whitespace) {
        return Err(Status::bad_request(format!("unable to parse requirement: found '{text}', expected: identifier")));
    }
    Ok(Requirement { key: key.to_owned(), test })
}

/// Splits `a=b`, `a==b` and `a!=b`.
fn operator(text: &str) -> Option<(&str, bool, &str)> {
    if let Some((key, value)) = text.split_once("!=") {
        return Some((key.trim(), false, value.trim()));
    }
    let (key, value) = text.split_once("==").or_else(|| text.split_once('='))?;
    Some((key.trim(), true, value.trim()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_select_what_they_say() {
        let object = json!({"metadata": {"name": "web-0", "labels": {"app": "web", "tier": "front"}}, "status": {"phase": "Running"}});
        for (query, expected) in [
            ("", true),
            ("labelSelector=app%3Dweb", true),
            ("labelSelector=app=api", false),
            ("labelSelector=app!=api,tier", true),
            ("labelSelector=app+in+(web,api),!gone", true),
            ("labelSelector=app+notin+(web,api)", false),
            ("labelSelector=!tier", false),
            ("fieldSelector=metadata.name%3Dweb-0", true),
            ("fieldSelector=metadata.name=web-1", false),
            ("fieldSelector=status.phase!=Running", false),
        ] {
            let selector = Selector::parse(&Query::parse(Some(query))).unwrap();
            assert_eq!(selector.selects(&object), expected, "{query}");
        }
    }
}
