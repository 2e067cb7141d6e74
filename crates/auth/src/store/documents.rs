//! Documents by kind and name, with their revision as the guard against lost updates.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use teleport_api::ApiError;
use teleport_backend::{Error, InvalidKey, Item, Key, Prefix, Revision, Write};
use teleport_types::{
    AnyResource, AuthPreference, Document, InvalidResource, Kind, KubeClusterName, Lock, Metadata, Resource, Role,
    RoleName, User, UserName, auth_preference::AUTH_PREFERENCE_NAME, sni::KubeLabel,
};

use super::{Store, Stored, decode};
use crate::{AuthError, error};

/// Documents in the store.
#[derive(Clone, Debug)]
pub(crate) struct Documents {
    store: Store,
}

impl Documents {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    pub(crate) async fn role(&self, name: &RoleName) -> Result<Option<Role>, AuthError> {
        Ok(self.typed(&key(Kind::Role, name.as_str())?).await?.map(|stored| stored.value))
    }

    pub(crate) async fn user(&self, name: &UserName) -> Result<Option<Stored<User>>, AuthError> {
        self.typed(&key(Kind::User, name.as_str())?).await
    }

    pub(crate) async fn users(&self) -> Result<Vec<User>, AuthError> {
        self.list_typed(Kind::User).await
    }

    /// Lists the locks that hold. One that cannot be read is an error: then nobody knows whom it stops.
    pub(crate) async fn locks(&self) -> Result<Vec<Lock>, AuthError> {
        self.list_typed(Kind::Lock).await
    }

    pub(crate) async fn preference(&self) -> Result<Option<AuthPreference>, AuthError> {
        Ok(self.typed(&key(Kind::AuthPreference, AUTH_PREFERENCE_NAME)?).await?.map(|stored| stored.value))
    }

    /// Reads a document as JSON, its revision in its metadata.
    pub(crate) async fn value(&self, kind: Kind, name: &str) -> Result<Option<Value>, AuthError> {
        match self.store.backend().get(&key(kind, name)?).await? {
            Some(item) => Ok(Some(read_document(&item)?)),
            None => Ok(None),
        }
    }

    /// Lists the documents of a kind as JSON.
    pub(crate) async fn values(&self, kind: Kind) -> Result<Vec<Value>, AuthError> {
        let (items, _) = self.store.list(&prefix(kind)?).await?;
        items.iter().map(read_document).collect()
    }

    /// Writes a document that must not exist yet.
    pub(crate) async fn create(&self, document: &AnyResource) -> Result<Revision, ApiError> {
        let written = self.store.backend().create(to_write(document)?).await;
        written.map_err(|error| refused(error, document.kind(), document.name()))
    }

    /// Writes a document, new or not; one that carries a revision must carry the current one.
    pub(crate) async fn put(&self, document: &AnyResource) -> Result<Revision, ApiError> {
        let write = to_write(document)?;
        let written = match revision_of(document.metadata())? {
            Some(expected) => self.store.backend().compare_and_swap(write, expected).await,
            None => self.store.backend().put(write).await,
        };
        written.map_err(|error| refused(error, document.kind(), document.name()))
    }

    /// Deletes a document.
    pub(crate) async fn delete(&self, kind: Kind, name: &str) -> Result<(), ApiError> {
        let key = key(kind, name).map_err(AuthError::from)?;
        self.store.backend().delete(&key, None).await.map(drop).map_err(|error| refused(error, kind, name))
    }

    async fn typed<S: Document + DeserializeOwned>(&self, key: &Key) -> Result<Option<Stored<Resource<S>>>, AuthError> {
        match self.store.backend().get(key).await? {
            Some(item) => Ok(Some(Stored { value: read_typed(&item)?, revision: item.revision })),
            None => Ok(None),
        }
    }

    async fn list_typed<S: Document + DeserializeOwned>(&self, kind: Kind) -> Result<Vec<Resource<S>>, AuthError> {
        let (items, _) = self.store.list(&prefix(kind)?).await?;
        items.iter().map(read_typed).collect()
    }
}

/// Returns the kind of a document's key and whether it is below that kind's prefix.
pub(crate) fn named(key: &Key) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| prefix(*kind).is_ok_and(|prefix| prefix.holds(key)))
}

/// Reads a stored document as JSON and puts its revision into its metadata.
pub(crate) fn read_document(item: &Item) -> Result<Value, AuthError> {
    let mut value: Value = decode(item)?;
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("revision".to_owned(), Value::String(item.revision.to_string()));
    }
    Ok(value)
}

fn read_typed<S: Document + DeserializeOwned>(item: &Item) -> Result<Resource<S>, AuthError> {
    Resource::from_value(read_document(item)?)
        .map_err(|source| AuthError::Corrupt { what: item.key.to_string(), source: source.into() })
}

fn to_write(document: &AnyResource) -> Result<Write, ApiError> {
    let mut stored = document.clone();
    stored.metadata_mut().revision = None;
    let key = key(document.kind(), document.name()).map_err(AuthError::from)?;
    let mut write = Write::new(key, Store::encode(&stored.to_value()));
    write.expires = expiry(document);
    Ok(write)
}

/// A lock says twice when it ends; the earlier holds.
fn expiry(document: &AnyResource) -> Option<Timestamp> {
    let lock = match document {
        AnyResource::Lock(lock) => lock.spec.expires,
        _ => None,
    };
    [document.metadata().expires, lock].into_iter().flatten().min()
}

fn revision_of(metadata: &Metadata) -> Result<Option<Revision>, ApiError> {
    match metadata.revision.as_deref().filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => match Revision::parse(text) {
            Some(revision) => Ok(Some(revision)),
            None => Err(ApiError::bad_request("metadata.revision is not one of this cluster")
                .hint("leave it out, or read the document again")),
        },
    }
}

fn refused(cause: Error, kind: Kind, name: &str) -> ApiError {
    match cause {
        Error::Exists(_) => ApiError::conflict(format!("{kind} {name} exists already"))
            .hint("use tctl create -f to replace it, or choose another name"),
        Error::NotFound(_) => ApiError::not_found(format!("there is no {kind} {name}")),
        Error::Changed { .. } => ApiError::conflict(format!("{kind} {name} was changed since it was read"))
            .hint("read it again and repeat the change"),
        other => error::store(other),
    }
}

fn prefix(kind: Kind) -> Result<Prefix, InvalidKey> {
    Prefix::new([match kind {
        Kind::Role => "roles",
        Kind::User => "users",
        Kind::Lock => "locks",
        Kind::Token => "tokens",
        Kind::KubeCluster => "kube_clusters",
        Kind::AuthPreference => "settings",
    }])
}

fn key(kind: Kind, name: &str) -> Result<Key, InvalidKey> {
    let invalid = |reason| InvalidKey { text: name.chars().take(64).collect(), reason };
    let prefix = prefix(kind)?;
    match kind {
        // Names of Kubernetes clusters may hold slashes.
        Kind::KubeCluster => match KubeClusterName::parse(name) {
            Ok(name) => prefix.key(KubeLabel::of(&name).as_str()),
            Err(error) => Err(invalid(error.reason)),
        },
        _ => prefix.key(name),
    }
}

impl From<InvalidResource> for AuthError {
    fn from(error: InvalidResource) -> Self {
        Self::Corrupt { what: "document".to_owned(), source: error.into() }
    }
}
