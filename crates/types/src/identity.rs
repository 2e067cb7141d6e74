//! Who a certificate speaks for, and the document that carries it inside the certificate.

use std::{fmt, net::IpAddr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{ClusterName, InvalidName, KubeClusterName, RoleName, ServiceId, Traits, UserName};

/// The identity in a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A person, or an automation that acts as a user.
    User(UserIdentity),
    /// A service of the cluster.
    Service(ServiceIdentity),
}

/// A user as the issuing cluster knew them when it signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserIdentity {
    /// The user's name.
    pub user: UserName,
    /// The login that all certificates of this session come from.
    pub session: LoginSession,
    /// When that login happened; an implicit lock cuts the logins before a point in time.
    pub login_time: Timestamp,
    /// Names of the roles the user holds; what they allow is looked up at each request.
    pub roles: Vec<RoleName>,
    /// Traits, for the templates in roles.
    #[serde(default)]
    pub traits: Traits,
    /// The cluster that issued the certificate; must equal the cluster of the CA that signed it.
    pub cluster: ClusterName,
    /// When set, the only Kubernetes cluster this certificate is good for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kube_cluster: Option<KubeClusterName>,
    /// Where the login came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_ip: Option<IpAddr>,
    /// Whether a second factor was used.
    #[serde(default)]
    pub mfa: bool,
    /// Whether this certificate may ask for further certificates of the same session.
    pub renewable: bool,
}

/// A service of the cluster, as it joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceIdentity {
    /// The service's id, kept across restarts.
    pub id: ServiceId,
    /// What the service may act as.
    pub kinds: Vec<ServiceKind>,
    /// The cluster it belongs to.
    pub cluster: ClusterName,
}

/// What a service may act as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceKind {
    /// Holds the certificate authorities.
    Auth,
    /// Holds the public port.
    Proxy,
    /// Holds credentials of Kubernetes clusters.
    Kube,
}

impl ServiceKind {
    /// Parses the name used in tokens and on the command line.
    ///
    /// # Errors
    /// Names the kinds there are.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        match text {
            "auth" => Ok(Self::Auth),
            "proxy" => Ok(Self::Proxy),
            "kube" | "kubernetes" => Ok(Self::Kube),
            _ => Err(InvalidName {
                kind: "service kind",
                text: text.chars().take(64).collect(),
                reason: "the kinds are auth, proxy and kube",
            }),
        }
    }

    /// Returns the name used in tokens and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Proxy => "proxy",
            Self::Kube => "kube",
        }
    }
}

/// The id of one login: everything issued from it carries the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LoginSession(uuid::Uuid);

impl LoginSession {
    /// Makes the id of a new login.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4())
    }

    /// Parses the 36-character form.
    ///
    /// # Errors
    /// When the text is not a UUID.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        uuid::Uuid::try_parse(text).map(Self).map_err(|_| InvalidName {
            kind: "login session",
            text: text.chars().take(64).collect(),
            reason: "it must be a UUID",
        })
    }
}

impl fmt::Display for LoginSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// Why an identity document was refused.
#[derive(Debug, thiserror::Error)]
pub enum InvalidIdentity {
    /// Written by a newer version.
    #[error("the identity has version {0}, this service reads version {VERSION}")]
    Version(u32),
    /// Not a document this service understands whole.
    #[error("the identity in the certificate cannot be read")]
    Malformed(#[from] serde_json::Error),
}

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    v: u32,
    #[serde(flatten)]
    who: Who,
}

#[derive(Deserialize)]
struct Versioned {
    v: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Who {
    User(UserIdentity),
    Service(ServiceIdentity),
}

impl Identity {
    /// Returns the document: UTF-8 JSON `{"v":1,"user":{…}}` or `{"v":1,"service":{…}}`.
    pub fn encode(&self) -> Vec<u8> {
        let who = match self {
            Self::User(user) => Who::User(user.clone()),
            Self::Service(service) => Who::Service(service.clone()),
        };
        serde_json::to_vec(&Document { v: VERSION, who }).expect("an identity has only string keys")
    }

    /// Reads a document; an unknown version, tag or field is refused.
    ///
    /// # Errors
    /// Says whether the version or the shape is not known.
    pub fn decode(document: &[u8]) -> Result<Self, InvalidIdentity> {
        let versioned: Versioned = serde_json::from_slice(document)?;
        if versioned.v != VERSION {
            return Err(InvalidIdentity::Version(versioned.v));
        }
        let mut fields: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(document)?;
        fields.remove("v");
        let who: Who = serde_json::from_value(serde_json::Value::Object(fields))?;
        Ok(match who {
            Who::User(user) => Self::User(user),
            Who::Service(service) => Self::Service(service),
        })
    }

    /// Returns the cluster that issued the identity.
    pub fn cluster(&self) -> &ClusterName {
        match self {
            Self::User(user) => &user.cluster,
            Self::Service(service) => &service.cluster,
        }
    }
}

impl ServiceIdentity {
    /// Tells whether the service may act as `kind`.
    pub fn is(&self, kind: ServiceKind) -> bool {
        self.kinds.contains(&kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> Identity {
        Identity::User(UserIdentity {
            user: UserName::parse("alice").expect("name"),
            session: LoginSession::random(),
            login_time: Timestamp::UNIX_EPOCH,
            roles: vec![RoleName::parse("dev").expect("name")],
            traits: Traits::default(),
            cluster: ClusterName::parse("main").expect("name"),
            kube_cluster: None,
            login_ip: None,
            mfa: false,
            renewable: true,
        })
    }

    #[test]
    fn a_document_reads_back_as_written() {
        let service = Identity::Service(ServiceIdentity {
            id: ServiceId::random(),
            kinds: vec![ServiceKind::Kube],
            cluster: ClusterName::parse("main").expect("name"),
        });
        for identity in [alice(), service] {
            assert_eq!(Identity::decode(&identity.encode()).expect("decodes"), identity);
        }
    }

    #[test]
    fn unknown_version_tag_and_field_are_refused() {
        let text = String::from_utf8(alice().encode()).expect("utf-8");
        for (from, to) in [("\"v\":1", "\"v\":2"), ("\"user\":{", "\"bot\":{"), ("\"mfa\"", "\"admin\":true,\"mfa\"")] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "the change applies");
            Identity::decode(changed.as_bytes()).expect_err(&changed);
        }
    }
}
