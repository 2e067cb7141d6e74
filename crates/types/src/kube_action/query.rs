//! The query of a request, as far as it decides what is asked for.

use super::ActionError;

/// Names and values, decoded, in order.
pub(super) struct Query {
    pairs: Vec<(String, String)>,
}

/// Most parameters in a query.
const MAX_PAIRS: usize = 512;

/// Parameters of which Kubernetes reads the first and another reader might read the last.
const SINGLE: &[&str] = &[
    "watch",
    "allowWatchBookmarks",
    "sendInitialEvents",
    "fieldSelector",
    "labelSelector",
    "limit",
    "continue",
    "resourceVersion",
    "resourceVersionMatch",
    "timeoutSeconds",
    "follow",
    "previous",
    "container",
    "stdin",
    "stdout",
    "stderr",
    "tty",
    "force",
    "fieldManager",
    "fieldValidation",
    "propagationPolicy",
    "gracePeriodSeconds",
    "orphanDependents",
];

impl Query {
    /// Parses a query; every reader must part it at the same places, so `;` and broken escapes are refused.
    pub(super) fn parse(raw: &str) -> Result<Self, ActionError> {
        let refuse = |reason| Err(ActionError::NotCanonical(reason));
        if !raw.bytes().all(|byte| byte.is_ascii_graphic()) || raw.contains([';', '#', '\\']) {
            return refuse("the query has a character that must not stand there");
        }
        let pairs: Vec<_> = raw
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Ok((decode(name)?, decode(value)?))
            })
            .collect::<Result<_, _>>()?;
        if pairs.len() > MAX_PAIRS {
            return refuse("the query has too many parameters");
        }
        Ok(Self { pairs })
    }

    /// Refuses a parameter that decides and is there twice, or under a name that differs in letter case only.
    pub(super) fn check_unambiguous(&self) -> Result<(), ActionError> {
        for single in SINGLE {
            let spellings: Vec<_> = self.pairs.iter().filter(|(name, _)| name.eq_ignore_ascii_case(single)).collect();
            if spellings.len() > 1 || spellings.iter().any(|(name, _)| name != single) {
                return Err(ActionError::NotCanonical("the query has a parameter twice, or in other letter case"));
            }
        }
        Ok(())
    }

    fn first(&self, wanted: &str) -> Option<&str> {
        self.pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
    }

    /// Returns every value of a parameter.
    pub(super) fn all(self, wanted: &str) -> Vec<String> {
        self.pairs.into_iter().filter(|(name, _)| name == wanted).map(|(_, value)| value).collect()
    }

    /// Reads a boolean as the API server does: absent, `0` and `false` in any letter case are false, all else is true, the
    /// empty text too.
    pub(super) fn boolean(&self, name: &str) -> bool {
        self.first(name).is_some_and(|value| value != "0" && !value.eq_ignore_ascii_case("false"))
    }

    /// Returns the name that `fieldSelector` asks for with `metadata.name=NAME`. Whatever reads oddly counts as no name:
    /// then the request asks for every object.
    pub(super) fn selected_name(&self) -> Option<String> {
        let selector = self.first("fieldSelector")?;
        if selector.contains('\\') {
            return None;
        }
        let name = selector.split(',').find_map(|term| {
            let (field, value) = term.split_once('=')?;
            (field == "metadata.name").then(|| value.strip_prefix('=').unwrap_or(value))
        })?;
        let plain = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '%', '=', '!']);
        plain.then(|| name.to_owned())
    }
}

fn decode(text: &str) -> Result<String, ActionError> {
    let broken = ActionError::NotCanonical("the query has a broken escape");
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits: Vec<u8> = bytes.by_ref().take(2).collect();
                let value = data_encoding::HEXUPPER_PERMISSIVE.decode(&digits).ok();
                value.and_then(|value| value.first().copied()).ok_or_else(|| broken.clone())?
            }
            byte => byte,
        });
    }
    String::from_utf8(decoded).map_err(|_| broken)
}
