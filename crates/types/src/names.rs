//! Names, each with its own type, parsed once at the edge.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A text that is not a name of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {kind}: {reason}")]
pub struct InvalidName {
    /// What it should have been, in words.
    pub kind: &'static str,
    /// The text given, cut to 64 characters.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// Parses a name.
            ///
            /// # Errors
            /// Says which rule the text breaks.
            pub fn parse(text: &str) -> Result<Self, InvalidName> {
                match $check(text) {
                    Ok(()) => Ok(Self(text.into())),
                    Err(reason) => Err(InvalidName { kind: $kind, text: text.chars().take(64).collect(), reason }),
                }
            }

            /// Returns the name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.into()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name! {
    /// The name of a Teleport cluster: a lowercase DNS name, at most 100 bytes so that internal host names fit in 253.
    ClusterName, "cluster name", dns_name
}
name! {
    /// The name of a Kubernetes cluster: printable, at most 253 bytes; ARNs are fine.
    KubeClusterName, "Kubernetes cluster name", kube_cluster_name
}
name! {
    /// The name of a user: printable, no spaces, at most 200 bytes, never under `system:`.
    UserName, "user name", user_name
}
name! {
    /// The name of a role.
    RoleName, "role name", resource_name
}
name! {
    /// The id of one running service, a UUID.
    ServiceId, "service id", uuid_text
}

impl ServiceId {
    /// Makes a new id.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().to_string().into())
    }
}

/// Longest cluster name, in bytes.
pub const CLUSTER_NAME_MAX: usize = 100;

fn dns_name(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.len() > CLUSTER_NAME_MAX {
        return Err("it must have 1 to 100 characters");
    }
    for label in text.split('.') {
        let inner = label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if label.is_empty() || label.len() > 63 || !inner || label.starts_with('-') || label.ends_with('-') {
            return Err("it must be a DNS name: lowercase letters, digits and '-', in parts joined by '.'");
        }
    }
    if text.ends_with("teleport.internal") {
        return Err("names under teleport.internal are reserved");
    }
    Ok(())
}

fn kube_cluster_name(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.len() > 253 {
        return Err("it must have 1 to 253 characters");
    }
    printable(text)
}

fn user_name(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.len() > 200 {
        return Err("it must have 1 to 200 characters");
    }
    if text.starts_with("system:") {
        return Err("names under system: belong to Kubernetes");
    }
    if matches!(text, "." | "..") || text.contains(['/', '\\']) {
        return Err("it must not contain a slash, or be '.' or '..'");
    }
    printable(text)
}

fn resource_name(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.len() > 200 {
        return Err("it must have 1 to 200 characters");
    }
    if matches!(text, "." | "..") || text.contains(['/', '\\']) {
        return Err("it must not contain a slash, or be '.' or '..'");
    }
    printable(text)
}

fn uuid_text(text: &str) -> Result<(), &'static str> {
    match uuid::Uuid::try_parse(text) {
        Ok(_) if text.len() == 36 => Ok(()),
        _ => Err("it must be a UUID in its 36-character form"),
    }
}

/// Allows what prints and does not separate: no spaces, no control characters, no invisible or direction-changing ones.
fn printable(text: &str) -> Result<(), &'static str> {
    let invisible = |c: char| {
        c.is_control()
            || c.is_whitespace()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
    };
    if text.chars().any(invisible) {
        return Err("it must not contain spaces, control or invisible characters");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cluster_names_are_dns_names() {
        for good in ["prod", "teleport.example.com", "a-1.b"] {
            ClusterName::parse(good).expect(good);
        }
        for bad in ["", "Prod", "a..b", "-a", "a_b", "a/b", "x.teleport.internal", &"a".repeat(101)] {
            ClusterName::parse(bad).expect_err(bad);
        }
    }

    #[test]
    fn user_names_cannot_pass_for_kubernetes_own() {
        for good in ["alice", "alice@example.com", "o'hara", "名前"] {
            UserName::parse(good).expect(good);
        }
        for bad in ["", "system:admin", "a b", "a\nb", "..", "a/b", "a\u{202e}b", "a\u{200b}"] {
            UserName::parse(bad).expect_err(bad);
        }
    }

    #[test]
    fn kube_cluster_names_may_be_arns() {
        KubeClusterName::parse("arn:aws:eks:eu-west-1:123:cluster/prod").expect("an ARN is a name");
    }
}
