//! Typed access to the backend: JSON items, and documents by kind and name.

mod documents;
mod records;

use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};
use teleport_backend::{Backend, Item, Key, Page, Prefix, Range, Revision, Write};

pub(crate) use documents::{Documents, named, read_document};
pub(crate) use records::{Grant, KubeBinding, PasswordRecord, ServiceRecord, kube_server_prefix};

use crate::AuthError;

/// Items read at once from the backend.
const PAGE: usize = 200;

/// The backend, with values as JSON.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    backend: Arc<dyn Backend>,
}

/// A value and the revision it was read in.
#[derive(Clone, Debug)]
pub(crate) struct Stored<T> {
    pub(crate) value: T,
    pub(crate) revision: Revision,
}

impl Store {
    pub(crate) fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend }
    }

    pub(crate) fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    /// Returns a value as it is stored.
    pub(crate) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
        serde_json::to_vec(value).expect("stored values have only string keys")
    }

    pub(crate) async fn json<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<Stored<T>>, AuthError> {
        match self.backend.get(key).await? {
            Some(item) => Ok(Some(Stored { value: decode(&item)?, revision: item.revision })),
            None => Ok(None),
        }
    }

    pub(crate) async fn put_json(&self, write: Write) -> Result<Revision, AuthError> {
        Ok(self.backend.put(write).await?)
    }

    /// Lists everything below a prefix, and the store's revision before the first item was read.
    pub(crate) async fn list(&self, prefix: &Prefix) -> Result<(Vec<Item>, Revision), AuthError> {
        let (mut items, mut after, mut revision) = (Vec::new(), None, None);
        loop {
            let Page { items: page, revision: at, next } =
                self.backend.range(Range { prefix: prefix.clone(), limit: PAGE, after }).await?;
            items.extend(page);
            revision = revision.or(Some(at));
            after = next;
            if after.is_none() {
                return Ok((items, revision.unwrap_or_default()));
            }
        }
    }
}

/// Reads a stored value.
pub(crate) fn decode<T: DeserializeOwned>(item: &Item) -> Result<T, AuthError> {
    serde_json::from_slice(&item.value)
        .map_err(|source| AuthError::Corrupt { what: item.key.to_string(), source: source.into() })
}
