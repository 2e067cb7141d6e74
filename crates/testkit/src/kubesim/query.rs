//! The query string as the API server reads it.

/// A decoded query.
#[derive(Debug, Clone, Default)]
pub(super) struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Decodes a raw query.
    pub(super) fn parse(raw: Option<&str>) -> Self {
        let pairs = raw.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(key), decoded(value))
        });
        Self { pairs: pairs.collect() }
    }

    /// Returns the first value of a key that is there and not empty.
    pub(super) fn first(&self, key: &str) -> Option<&str> {
        let (_, value) = self.pairs.iter().find(|(name, _)| name == key)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    /// Returns every value of a key.
    pub(super) fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Reads a boolean: absent, `0` and `false` are false, everything else (the empty value too) is true.
    pub(super) fn flag(&self, key: &str) -> bool {
        self.all(key).next().is_some_and(|value| value != "0" && !value.eq_ignore_ascii_case("false"))
    }

    /// Reads a number; anything else is absent.
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        self.first(key)?.parse().ok()
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let hex = match (byte, ahead.next(), ahead.next()) {
            (b'%', Some(high), Some(low)) => hex(high).zip(hex(low)).map(|(high, low)| high * 16 + low),
            _ => None,
        };
        match hex {
            Some(value) => {
                bytes.push(value);
                rest = ahead;
            }
            None => bytes.push(if byte == b'+' { b' ' } else { byte }),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_read_as_the_api_server_reads_them() {
        let read = |raw: &str| Query::parse(Some(raw)).flag("watch");
        for raw in ["watch=true", "watch=1", "watch", "watch=", "watch=yes", "a=b&watch=T"] {
            assert!(read(raw), "{raw}");
        }
        for raw in ["", "watch=0", "watch=false", "watch=FALSE", "Watch=true"] {
            assert!(!read(raw), "{raw}");
        }
    }

    #[test]
    fn values_are_decoded() {
        let query = Query::parse(Some("command=sh&command=-c&command=echo+%22a%26b%22&x=%zz"));
        assert_eq!(query.all("command").collect::<Vec<_>>(), ["sh", "-c", "echo \"a&b\""]);
        assert_eq!(query.first("x"), Some("%zz"));
    }
}
