//! A refusal of discovery in a form that kubectl shows.
//!
//! kubectl's first request, when it knows nothing of a cluster yet, is for aggregated discovery. Of a refusal of that one
//! it reads the code only and prints a sentence of its own; but it prints what a `Warning` header says. Called by whoever
//! answers kubectl: the Kubernetes service, and auth for clusters that nobody serves.

/// Tells whether the client will not read the body of a refusal, from the path and the `Accept` header of its request.
pub fn is_needed(path: &str, accept: &str) -> bool {
    matches!(path, "/api" | "/apis") && accept.contains("as=APIGroupDiscoveryList")
}

/// Returns the value of a `Warning` header (RFC 7234 §5.5) with this message: printable ASCII, quoted.
pub fn value(message: &str) -> String {
    let mut text = String::with_capacity(message.len() + 16);
    for c in message.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            ' '..='~' => text.push(c),
            _ => text.push('?'),
        }
    }
    format!("299 - \"{text}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aggregated_discovery_alone_needs_it() {
        let kubectl = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
        assert!(is_needed("/api", kubectl) && is_needed("/apis", kubectl));
        assert!(!is_needed("/api", "application/json") && !is_needed("/api/v1", kubectl));
    }

    #[test]
    fn the_message_cannot_leave_its_quotes_or_its_line() {
        assert_eq!(value("no \"web\"\\\r\nX-Other: ü"), r#"299 - "no \"web\"\\??X-Other: ?""#);
    }
}
