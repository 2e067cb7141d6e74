//! Headers on their way through: what a client may say, what never passes, what we say ourselves.
//!
//! Order matters and is kept here: the client's wishes are read, everything connection-bound or identity-bearing is
//! removed, and only then is our identity set. A `Connection` header can therefore never name ours away.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Why the headers of a request were refused; always a 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Some servers read `_` as `-`, so a name with it could mean two things.
    #[error("the header name {0:?} has an underscore; proxies and servers disagree on what it means")]
    Underscore(String),
    /// A value of a header that we must understand is not text.
    #[error("the value of the header {0} is not printable text")]
    NotText(HeaderName),
}

/// What the client asked to act as, with its own headers, exactly as sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Values of `Impersonate-User`.
    pub users: Vec<String>,
    /// Values of `Impersonate-Group`.
    pub groups: Vec<String>,
    /// Names of any other `Impersonate-*` header.
    pub others: Vec<String>,
}

impl Asked {
    /// Tells whether the client asked for nothing.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.groups.is_empty() && self.others.is_empty()
    }
}

/// Whether the request asks to become another protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// An ordinary request.
    Plain,
    /// exec, attach, port-forward: `Upgrade` and the WebSocket handshake must reach the upstream.
    Upgrade,
}

const IMPERSONATE: &str = "impersonate-";
const IMPERSONATE_USER: HeaderName = HeaderName::from_static("impersonate-user");
const IMPERSONATE_GROUP: HeaderName = HeaderName::from_static("impersonate-group");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// How kubectl's WebSocket form of a bearer token begins.
const TOKEN_PROTOCOL: &str = "base64url.bearer.authorization.k8s.io.";

/// Headers about one connection, RFC 9110 §7.6.1 and its predecessors.
const HOP_BY_HOP: [&str; 11] = [
    "connection",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers that carry or could pass for an identity, or for our own word about the client.
const IDENTITY: [&str; 4] = ["authorization", "cookie", "forwarded", "x-real-ip"];

/// Reads what the client asks to act as.
///
/// # Errors
/// When a name is ambiguous or a value is not text.
pub fn asked(headers: &HeaderMap) -> Result<Asked, HeaderError> {
    let mut asked = Asked::default();
    for (name, value) in headers {
        if name.as_str().contains('_') {
            return Err(HeaderError::Underscore(name.as_str().to_owned()));
        }
        // What is sent decides whether a patch may create; the API server reads only as far as the first `;`.
        if name == header::CONTENT_TYPE && value.to_str().is_err() {
            return Err(HeaderError::NotText(name.clone()));
        }
        if !name.as_str().starts_with(IMPERSONATE) {
            continue;
        }
        let text = std::str::from_utf8(value.as_bytes()).map_err(|_| HeaderError::NotText(name.clone()))?.to_owned();
        if name == IMPERSONATE_USER {
            asked.users.push(text);
        } else if name == IMPERSONATE_GROUP {
            asked.groups.push(text);
        } else {
            asked.others.push(name.as_str().to_owned());
        }
    }
    Ok(asked)
}

/// Removes from a request everything that must not reach the upstream.
pub fn strip_request(headers: &mut HeaderMap, passage: Passage) {
    let upgrade = headers.get(header::UPGRADE).cloned();
    strip_hop_by_hop(headers);
    let identity: Vec<HeaderName> = headers.keys().filter(|name| bears_identity(name.as_str())).cloned().collect();
    for name in identity {
        headers.remove(name);
    }
    strip_token_protocols(headers);
    if let (Passage::Upgrade, Some(upgrade)) = (passage, upgrade) {
        headers.insert(header::UPGRADE, upgrade);
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        // Compressed frames could not be recorded, and Kubernetes does not offer them.
        headers.remove(header::SEC_WEBSOCKET_EXTENSIONS);
    }
}

/// Removes from an answer what concerns only our connection with the upstream, or is no business of the client.
pub fn strip_response(headers: &mut HeaderMap) {
    strip_hop_by_hop(headers);
    let identity: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with("x-remote-")).cloned().collect();
    for name in identity {
        headers.remove(name);
    }
    headers.remove(header::SET_COOKIE);
}

/// Sets whom the upstream shall take the request for, and where it came from.
///
/// The values have passed the policy; a header value cannot hold control characters, so one that does is refused.
///
/// # Errors
/// When a user or group cannot be a header value.
pub fn set_identity<'a>(
    headers: &mut HeaderMap,
    user: &str,
    groups: impl IntoIterator<Item = &'a str>,
    client: Option<std::net::IpAddr>,
) -> Result<(), HeaderError> {
    headers.insert(IMPERSONATE_USER, value(&IMPERSONATE_USER, user)?);
    headers.remove(IMPERSONATE_GROUP);
    for group in groups {
        headers.append(IMPERSONATE_GROUP, value(&IMPERSONATE_GROUP, group)?);
    }
    if let Some(client) = client {
        headers.insert(FORWARDED_FOR, value(&FORWARDED_FOR, &client.to_string())?);
    }
    Ok(())
}

fn value(name: &HeaderName, text: &str) -> Result<HeaderValue, HeaderError> {
    // Bytes beyond ASCII pass as they are: Kubernetes reads UTF-8.
    HeaderValue::from_bytes(text.as_bytes()).map_err(|_| HeaderError::NotText(name.clone()))
}

fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

fn bears_identity(name: &str) -> bool {
    name.starts_with(IMPERSONATE)
        || name.starts_with("x-remote-")
        || name.starts_with("x-forwarded-")
        || IDENTITY.contains(&name)
}

/// Takes bearer tokens out of the offered WebSocket subprotocols; the header goes when nothing else is offered.
fn strip_token_protocols(headers: &mut HeaderMap) {
    // A value that is not text must not carry a token past.
    let values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let texts: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    let offered: Vec<String> =
        texts.iter().flat_map(|value| value.split(',')).map(|protocol| protocol.trim().to_owned()).collect();
    if !offered.iter().any(|protocol| protocol.starts_with(TOKEN_PROTOCOL)) {
        return;
    }
    headers.remove(header::SEC_WEBSOCKET_PROTOCOL);
    let kept: Vec<&str> =
        offered.iter().map(String::as_str).filter(|protocol| !protocol.starts_with(TOKEN_PROTOCOL)).collect();
    if let Ok(value) = HeaderValue::from_str(&kept.join(", "))
        && !kept.is_empty()
    {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_bytes(name.as_bytes()).expect("name"), value.parse().expect("value"));
        }
        headers
    }

    fn groups(headers: &HeaderMap) -> Vec<&str> {
        headers.get_all(IMPERSONATE_GROUP).iter().map(|value| value.to_str().expect("text")).collect()
    }

    #[test]
    fn a_connection_header_cannot_name_our_identity_away() {
        let mut sent = headers(&[
            ("Connection", "impersonate-user, Impersonate-Group , authorization"),
            ("connection", "x-remote-user,close"),
            ("Impersonate-User", "system:admin"),
            ("X-Remote-User", "root"),
            ("Accept", "application/json"),
        ]);
        strip_request(&mut sent, Passage::Plain);
        set_identity(&mut sent, "alice", ["devs", "system:authenticated"], None).expect("text");
        assert_eq!(sent.get(IMPERSONATE_USER).expect("set"), "alice");
        assert_eq!(groups(&sent), ["devs", "system:authenticated"]);
        assert_eq!(sent.len(), 4, "{sent:?}");
    }

    #[test]
    fn nothing_that_could_pass_for_an_identity_remains() {
        let mut sent = headers(&[
            ("impersonate-uid", "0"),
            ("Impersonate-Extra-Scopes", "all"),
            ("Impersonate-Whatever-Comes", "x"),
            ("Authorization", "Bearer x"),
            ("Cookie", "a=b"),
            ("X-Remote-Group", "system:masters"),
            ("X-Remote-Extra-x", "y"),
            ("X-Forwarded-For", "1.2.3.4"),
            ("X-Forwarded-Uri", "/"),
            ("Forwarded", "for=1.2.3.4"),
            ("X-Real-Ip", "1.2.3.4"),
            ("Proxy-Authorization", "Basic x"),
        ]);
        strip_request(&mut sent, Passage::Plain);
        assert!(sent.is_empty(), "{sent:?}");
    }

    #[test]
    fn the_clients_wishes_are_read_in_any_case_and_number() {
        let sent = headers(&[
            ("IMPERSONATE-USER", "a"),
            ("impersonate-group", "g"),
            ("Impersonate-Group", ""),
            ("impersonate-uid", "1"),
        ]);
        let asked = asked(&sent).expect("good");
        assert_eq!((asked.users.len(), asked.groups.len()), (1, 2));
        assert_eq!(asked.others, ["impersonate-uid"]);
    }

    #[test]
    fn names_with_underscores_are_refused() {
        assert!(matches!(asked(&headers(&[("Impersonate_User", "a")])), Err(HeaderError::Underscore(_))));
    }

    #[test]
    fn a_content_type_that_is_not_text_is_refused() {
        let mut sent = HeaderMap::new();
        let value = HeaderValue::from_bytes(b"application/apply-patch+yaml; \xe9").expect("legal in HTTP");
        sent.insert(header::CONTENT_TYPE, value);
        assert_eq!(asked(&sent).expect_err("refused"), HeaderError::NotText(header::CONTENT_TYPE));
    }

    #[test]
    fn a_token_beside_what_is_not_text_is_found() {
        let mut sent = headers(&[("Upgrade", "websocket")]);
        let value = HeaderValue::from_bytes(b"v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.eA, \xff");
        sent.insert(header::SEC_WEBSOCKET_PROTOCOL, value.expect("legal in HTTP"));
        strip_request(&mut sent, Passage::Upgrade);
        let left = sent.get(header::SEC_WEBSOCKET_PROTOCOL).map(HeaderValue::as_bytes).unwrap_or_default();
        assert!(!String::from_utf8_lossy(left).contains("bearer"), "{sent:?}");
    }

    #[test]
    fn an_upgrade_keeps_its_handshake_and_loses_tokens_and_extensions() {
        let mut sent = headers(&[
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Key", "x"),
            ("Sec-WebSocket-Extensions", "permessage-deflate"),
            ("Sec-WebSocket-Protocol", "v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.c2VjcmV0"),
        ]);
        strip_request(&mut sent, Passage::Upgrade);
        assert_eq!(sent.get(header::UPGRADE).expect("kept"), "websocket");
        assert_eq!(sent.get(header::CONNECTION).expect("kept"), "Upgrade");
        assert_eq!(sent.get(header::SEC_WEBSOCKET_PROTOCOL).expect("kept"), "v5.channel.k8s.io");
        assert!(!sent.contains_key(header::SEC_WEBSOCKET_EXTENSIONS));
    }

    #[test]
    fn a_group_with_a_line_break_is_refused() {
        let mut sent = HeaderMap::new();
        set_identity(&mut sent, "alice", ["a\r\nImpersonate-Group: system:masters"], None).expect_err("refused");
    }
}
