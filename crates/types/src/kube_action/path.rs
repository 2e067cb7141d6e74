//! The path of a request in its one canonical form.

use super::ActionError;

/// A path, parted and decoded.
pub(super) struct Segments {
    parts: Vec<String>,
    trailing_slash: bool,
}

/// Longest path accepted, in bytes.
const MAX_BYTES: usize = 8 * 1024;

impl Segments {
    /// Parses a path in origin form.
    pub(super) fn parse(path: &str) -> Result<Self, ActionError> {
        let refuse = |reason| Err(ActionError::NotCanonical(reason));
        let Some(rest) = path.strip_prefix('/') else {
            return refuse("the request target must be a path");
        };
        if path.len() > MAX_BYTES {
            return refuse("the path is too long");
        }
        let (rest, trailing_slash) = match rest.strip_suffix('/') {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        if rest.is_empty() {
            return if trailing_slash {
                refuse("the path has an empty segment")
            } else {
                Ok(Self { parts: Vec::new(), trailing_slash: false })
            };
        }
        let parts = rest.split('/').map(segment).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { parts, trailing_slash })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(String::as_str)
    }

    pub(super) fn has_trailing_slash(&self) -> bool {
        self.trailing_slash
    }

    /// Returns the path, decoded.
    pub(super) fn decoded(&self) -> String {
        self.write(|path, part| path.push_str(part))
    }

    /// Returns the path, encoded where it must be.
    pub(super) fn encode(&self) -> String {
        self.write(|path, part| {
            for byte in part.bytes() {
                if is_plain(byte) {
                    path.push(char::from(byte));
                } else {
                    path.push('%');
                    path.push_str(&data_encoding::HEXUPPER.encode(&[byte]));
                }
            }
        })
    }

    fn write(&self, each: impl Fn(&mut String, &str)) -> String {
        let mut path = String::with_capacity(self.parts.iter().map(|part| part.len() + 1).sum::<usize>() + 1);
        for part in &self.parts {
            path.push('/');
            each(&mut path, part);
        }
        if self.trailing_slash || self.parts.is_empty() {
            path.push('/');
        }
        path
    }
}

/// Characters that never need an escape in a segment, RFC 3986 `unreserved`.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Characters that stand for themselves in a segment: `unreserved`, and `sub-delims`, `:` and `@` without `;`, which
/// some servers take for the start of parameters.
fn is_plain(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@')
}

fn segment(text: &str) -> Result<String, ActionError> {
    let refuse = |reason| Err(ActionError::NotCanonical(reason));
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => match escape(bytes.next(), bytes.next())? {
                b'/' | b'\\' | b'%' | b';' | b'?' | b'#' => {
                    return refuse("the path encodes a character that parts it: '/', '\\', '%', ';', '?' or '#'");
                }
                byte if is_unreserved(byte) => return refuse("the path encodes a character that needs none"),
                byte if byte.is_ascii_control() => return refuse("the path has a control character"),
                byte => decoded.push(byte),
            },
            byte if is_plain(byte) => decoded.push(byte),
            _ => return refuse("the path has a character that must not stand there"),
        }
    }
    match String::from_utf8(decoded) {
        Ok(part) if part.is_empty() => refuse("the path has an empty segment"),
        Ok(part) if part == "." || part == ".." => refuse("the path has a dot segment"),
        Ok(part) if part.chars().any(char::is_control) => refuse("the path has a control character"),
        Ok(part) => Ok(part),
        Err(_) => refuse("the path is not UTF-8"),
    }
}

/// Decodes the two digits of an escape; small letters are another spelling and refused.
fn escape(high: Option<u8>, low: Option<u8>) -> Result<u8, ActionError> {
    let digits = [high, low].into_iter().flatten().collect::<Vec<_>>();
    let decoded = data_encoding::HEXUPPER.decode(&digits).ok().filter(|bytes| bytes.len() == 1);
    decoded
        .and_then(|bytes| bytes.first().copied())
        .ok_or(ActionError::NotCanonical("the path has a broken escape (capital digits are wanted)"))
}
