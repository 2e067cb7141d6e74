//! Keys: segments joined by slashes. Nothing is escaped, so a text that would need it is no segment.

use std::fmt;

/// Longest segment, in bytes.
const SEGMENT_MAX: usize = 512;
/// Longest key, in bytes.
const KEY_MAX: usize = 2048;

/// A text that cannot be part of a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} cannot be part of a storage key: {reason}")]
pub struct InvalidKey {
    /// The text, cut to 64 characters.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// The name of one item: `/segment/segment…`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Box<str>);

/// Everything below a path: `/segment/…/`, or `/` for the whole store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Prefix(Box<str>);

impl Key {
    /// Joins segments into a key.
    ///
    /// # Errors
    /// When there is no segment, or one is empty, `.` or `..`, holds a slash or a control character, or is too long.
    pub fn new<'a>(segments: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidKey> {
        let text = join(segments)?;
        if text.is_empty() {
            return Err(InvalidKey { text, reason: "a key has at least one segment" });
        }
        Ok(Self(text.into()))
    }

    /// Reads a key in the form that [`Key::as_str`] gives.
    ///
    /// # Errors
    /// As [`Key::new`], and when the text does not begin with a slash.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        match text.strip_prefix('/') {
            Some(rest) => Self::new(rest.split('/')),
            None => Err(invalid(text, "a key begins with a slash")),
        }
    }

    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the last segment.
    pub fn last(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Prefix {
    /// Returns the prefix of the whole store.
    pub fn all() -> Self {
        Self("/".into())
    }

    /// Joins segments into the prefix of everything below them; the key of the segments themselves is not below.
    ///
    /// # Errors
    /// As [`Key::new`]; no segments give the whole store.
    pub fn new<'a>(segments: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidKey> {
        let mut text = join(segments)?;
        text.push('/');
        Ok(Self(text.into()))
    }

    /// Returns the key of a segment directly below.
    ///
    /// # Errors
    /// As [`Key::new`].
    pub fn key(&self, segment: &str) -> Result<Key, InvalidKey> {
        check(segment)?;
        if self.0.len() + segment.len() > KEY_MAX {
            return Err(invalid(segment, "the key would be too long"));
        }
        Ok(Key(format!("{}{segment}", self.0).into()))
    }

    /// Tells whether a key is below this prefix.
    pub fn holds(&self, key: &Key) -> bool {
        key.0.starts_with(&*self.0)
    }

    /// Returns the prefix as text, slashes at both ends.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the first text after every key below: keys `k` below satisfy `prefix <= k < end`, compared as bytes.
    pub fn end(&self) -> String {
        // The last byte is a slash, and '0' follows it.
        let mut end = self.0.strip_suffix('/').unwrap_or_default().to_owned();
        end.push('0');
        end
    }
}

fn join<'a>(segments: impl IntoIterator<Item = &'a str>) -> Result<String, InvalidKey> {
    let mut text = String::new();
    for segment in segments {
        check(segment)?;
        text.push('/');
        text.push_str(segment);
    }
    if text.len() > KEY_MAX {
        return Err(invalid(&text, "the key is too long"));
    }
    Ok(text)
}

fn check(segment: &str) -> Result<(), InvalidKey> {
    let reason = match segment {
        "" => "a segment is not empty",
        "." | ".." => "a segment is not '.' or '..'",
        _ if segment.len() > SEGMENT_MAX => "a segment has at most 512 bytes",
        _ if segment.contains('/') => "a segment holds no slash",
        _ if segment.contains(char::is_control) => "a segment holds no control characters",
        _ => return Ok(()),
    };
    Err(invalid(segment, reason))
}

fn invalid(text: &str, reason: &'static str) -> InvalidKey {
    InvalidKey { text: text.chars().take(64).collect(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_segment_is_refused_and_never_escaped() {
        for bad in ["", ".", "..", "a/b", "a\0b", "a\nb", &"x".repeat(513)] {
            Key::new(["roles", bad]).expect_err(bad);
            Prefix::new([bad]).expect_err(bad);
            Prefix::all().key(bad).expect_err(bad);
        }
        assert_eq!(Key::new(["users", "名前@example.com"]).expect("key").as_str(), "/users/名前@example.com");
    }

    #[test]
    fn a_key_reads_back_as_written() {
        let key = Key::new(["roles", "dev"]).expect("key");
        assert_eq!(Key::parse(key.as_str()), Ok(key.clone()));
        assert_eq!(key.last(), "dev");
        for bad in ["", "/", "roles/dev", "/roles/", "//roles"] {
            Key::parse(bad).expect_err(bad);
        }
    }

    #[test]
    fn a_prefix_holds_what_is_below_and_not_what_is_beside() {
        let prefix = Prefix::new(["a"]).expect("prefix");
        for (key, below) in [("/a/b", true), ("/a/b/c", true), ("/a", false), ("/ab", false), ("/a-b/c", false)] {
            let key = Key::parse(key).expect("key");
            assert_eq!(prefix.holds(&key), below, "{key}");
            assert_eq!(key.as_str() >= prefix.as_str() && key.as_str() < prefix.end().as_str(), below, "{key}");
            assert!(Prefix::all().holds(&key));
        }
    }
}
