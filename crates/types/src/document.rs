//! A resource document of any kind: what `tctl create` reads and `/v1/resources` carries.

use std::fmt;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    Metadata, Resource,
    auth_preference::{AUTH_PREFERENCE_NAME, AuthPreference, AuthPreferenceSpec},
    kube_cluster::{KubeCluster, KubeClusterSpec},
    lock::{Lock, LockSpec},
    names::{InvalidName, KubeClusterName, RoleName, UserName},
    role::{Role, RoleSpec},
    token::{Token, TokenSpec},
    user::{User, UserSpec},
};

/// Why a document was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidResource {
    /// The kind is not one of [`Kind::ALL`].
    #[error("there is no kind {0:?} of document")]
    Kind(String),
    /// The version is not one this service reads.
    #[error("{kind} version {version:?} is not supported: {reason}")]
    Version {
        /// The kind.
        kind: Kind,
        /// The version in the document.
        version: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The document is not of the shape of its kind.
    #[error("{0}")]
    Shape(String),
    /// A name in the document is none.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// A field has a value that cannot be honoured.
    #[error("{field}: {reason}")]
    Field {
        /// Path of the field, like `spec.allow.kubernetes_labels`.
        field: String,
        /// What is wrong, and what to write.
        reason: String,
    },
}

impl InvalidResource {
    /// Makes the error of one field.
    pub fn field(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Field { field: field.into(), reason: reason.into() }
    }
}

/// A kind of document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `role`
    Role,
    /// `user`
    User,
    /// `lock`
    Lock,
    /// `token`
    Token,
    /// `kube_cluster`
    KubeCluster,
    /// `cluster_auth_preference`
    AuthPreference,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Role, Self::User, Self::Lock, Self::Token, Self::KubeCluster, Self::AuthPreference];

    /// Finds a kind by its name or the plural of it.
    pub fn parse(text: &str) -> Option<Self> {
        let singular = text.strip_suffix('s').unwrap_or(text);
        Self::ALL.into_iter().find(|kind| kind.as_str() == text || kind.as_str() == singular)
    }

    /// Returns the name in documents and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::User => "user",
            Self::Lock => "lock",
            Self::Token => "token",
            Self::KubeCluster => "kube_cluster",
            Self::AuthPreference => "cluster_auth_preference",
        }
    }

    /// Returns the versions this service reads.
    pub fn versions(self) -> &'static [&'static str] {
        match self {
            Self::Role => &["v3", "v4", "v5", "v6", "v7", "v8"],
            Self::KubeCluster => &["v3"],
            Self::User | Self::Lock | Self::Token | Self::AuthPreference => &["v2"],
        }
    }

    /// Checks that a version of this kind is one that this service reads.
    ///
    /// # Errors
    /// Says why the version is not read, and what to do.
    pub fn check_version(self, version: &str) -> Result<(), InvalidResource> {
        if self.versions().contains(&version) {
            return Ok(());
        }
        let reason = format!("this service reads {}", listed(self.versions(), "and"));
        Err(InvalidResource::Version { kind: self, version: version.chars().take(16).collect(), reason })
    }
}

/// Joins names as a sentence does: `a, b and c`.
pub(crate) fn listed(names: &[&str], last: &str) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A document of any kind, its shape checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[expect(clippy::large_enum_variant, reason = "a document is read, checked and passed on; few are held at once")]
pub enum AnyResource {
    /// What holders may do.
    Role(Role),
    /// A local user.
    User(User),
    /// Whom to stop.
    Lock(Lock),
    /// A right to join.
    Token(Token),
    /// A Kubernetes cluster.
    KubeCluster(KubeCluster),
    /// Login settings.
    AuthPreference(AuthPreference),
}

impl AnyResource {
    /// Reads a document from JSON, as stored or sent, and checks it whole.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn from_value(value: Value) -> Result<Self, InvalidResource> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let kind = Kind::parse(&text("kind")).ok_or_else(|| InvalidResource::Kind(text("kind")))?;
        kind.check_version(&text("version"))?;
        let resource = match kind {
            Kind::Role => Self::Role(typed(value)?),
            Kind::User => Self::User(typed(value)?),
            Kind::Lock => Self::Lock(typed(value)?),
            Kind::Token => Self::Token(typed(value)?),
            Kind::KubeCluster => Self::KubeCluster(typed(value)?),
            Kind::AuthPreference => Self::AuthPreference(typed(value)?),
        };
        resource.check()?;
        Ok(resource)
    }

    /// Returns the document as JSON, as it is stored and sent.
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).expect("a document has only string keys")
    }

    /// Returns the kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Role(_) => Kind::Role,
            Self::User(_) => Kind::User,
            Self::Lock(_) => Kind::Lock,
            Self::Token(_) => Kind::Token,
            Self::KubeCluster(_) => Kind::KubeCluster,
            Self::AuthPreference(_) => Kind::AuthPreference,
        }
    }

    /// Returns the metadata.
    pub fn metadata(&self) -> &Metadata {
        match self {
            Self::Role(r) => &r.metadata,
            Self::User(r) => &r.metadata,
            Self::Lock(r) => &r.metadata,
            Self::Token(r) => &r.metadata,
            Self::KubeCluster(r) => &r.metadata,
            Self::AuthPreference(r) => &r.metadata,
        }
    }

    /// Returns the metadata, to set the revision or drop it.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        match self {
            Self::Role(r) => &mut r.metadata,
            Self::User(r) => &mut r.metadata,
            Self::Lock(r) => &mut r.metadata,
            Self::Token(r) => &mut r.metadata,
            Self::KubeCluster(r) => &mut r.metadata,
            Self::AuthPreference(r) => &mut r.metadata,
        }
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.metadata().name
    }

    /// Checks what the shape alone does not say: names, patterns, templates, combinations of fields.
    ///
    /// # Errors
    /// Names the field and what is wrong with it.
    pub fn check(&self) -> Result<(), InvalidResource> {
        match self {
            Self::Role(role) => role.check(),
            Self::User(user) => user.check(),
            Self::Lock(lock) => lock.check(),
            Self::Token(token) => token.check(),
            Self::KubeCluster(cluster) => cluster.check(),
            Self::AuthPreference(preference) => preference.check(),
        }
    }
}

fn typed<T: DeserializeOwned>(value: Value) -> Result<T, InvalidResource> {
    serde_json::from_value(value).map_err(|error| InvalidResource::Shape(error.to_string()))
}

/// What each kind of document has: its name on the wire, its versions, its own checks.
pub trait Document: Sized {
    /// The kind.
    const KIND: Kind;

    /// Checks what the shape alone does not say.
    ///
    /// # Errors
    /// Names the field and what is wrong with it.
    fn check_spec(resource: &Resource<Self>) -> Result<(), InvalidResource>;
}

impl<S: Document> Resource<S> {
    /// Makes a document of the newest version with a name.
    pub fn named(name: impl Into<String>, spec: S) -> Self {
        let version = S::KIND.versions().last().expect("every kind has a version");
        Self {
            kind: S::KIND.as_str().to_owned(),
            sub_kind: None,
            version: (*version).to_owned(),
            metadata: Metadata { name: name.into(), ..Metadata::default() },
            spec,
        }
    }

    /// Checks kind, version, name and spec.
    ///
    /// # Errors
    /// Names the field and what is wrong with it.
    pub fn check(&self) -> Result<(), InvalidResource> {
        if self.kind != S::KIND.as_str() {
            return Err(InvalidResource::field("kind", format!("expected {}", S::KIND)));
        }
        if self.sub_kind.as_deref().is_some_and(|sub_kind| !sub_kind.is_empty()) {
            return Err(InvalidResource::field("sub_kind", format!("a {} has none", S::KIND)));
        }
        S::KIND.check_version(&self.version)?;
        S::check_spec(self)
    }
}

impl<S: Document + DeserializeOwned> Resource<S> {
    /// Reads a document of this kind from JSON and checks it whole.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn from_value(value: Value) -> Result<Self, InvalidResource> {
        let version = value.get("version").and_then(Value::as_str).unwrap_or_default();
        S::KIND.check_version(version)?;
        let resource: Self = typed(value)?;
        resource.check()?;
        Ok(resource)
    }
}

impl Document for RoleSpec {
    const KIND: Kind = Kind::Role;

    fn check_spec(role: &Role) -> Result<(), InvalidResource> {
        RoleName::parse(&role.metadata.name)?;
        crate::role::RolePolicy::new(role).map(drop)
    }
}

impl Document for UserSpec {
    const KIND: Kind = Kind::User;

    fn check_spec(user: &User) -> Result<(), InvalidResource> {
        UserName::parse(&user.metadata.name)?;
        Ok(())
    }
}

impl Document for LockSpec {
    const KIND: Kind = Kind::Lock;

    fn check_spec(lock: &Lock) -> Result<(), InvalidResource> {
        plain_name(&lock.metadata.name)?;
        if lock.spec.target.is_empty() {
            return Err(InvalidResource::field("spec.target", "name at least one thing to lock"));
        }
        Ok(())
    }
}

impl Document for TokenSpec {
    const KIND: Kind = Kind::Token;

    fn check_spec(token: &Token) -> Result<(), InvalidResource> {
        plain_name(&token.metadata.name)?;
        if token.spec.roles.is_empty() {
            return Err(InvalidResource::field("spec.roles", "name at least one of auth, proxy and kube"));
        }
        Ok(())
    }
}

impl Document for KubeClusterSpec {
    const KIND: Kind = Kind::KubeCluster;

    fn check_spec(cluster: &KubeCluster) -> Result<(), InvalidResource> {
        KubeClusterName::parse(&cluster.metadata.name)?;
        Ok(())
    }
}

impl Document for AuthPreferenceSpec {
    const KIND: Kind = Kind::AuthPreference;

    fn check_spec(preference: &AuthPreference) -> Result<(), InvalidResource> {
        if preference.metadata.name != AUTH_PREFERENCE_NAME {
            return Err(InvalidResource::field("metadata.name", format!("it must be {AUTH_PREFERENCE_NAME}")));
        }
        Ok(())
    }
}

/// The rules of role names serve for documents whose names carry no meaning.
fn plain_name(name: &str) -> Result<(), InvalidResource> {
    RoleName::parse(name).map(drop).map_err(|error| InvalidResource::field("metadata.name", error.reason))
}
