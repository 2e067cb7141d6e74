//! Routes of documents: list, create, read, write, remove.

use std::sync::Arc;

use axum::{Extension, Json, extract::State};
use serde_json::Value;
use teleport_api::{ApiError, messages::user::Items};
use teleport_types::{AnyResource, Kind};

use super::Answer;
use crate::{
    auth::Core,
    resources,
    server::{
        extract::{Body, Names},
        peer::Admin,
    },
};

pub(crate) async fn list(
    State(core): State<Arc<Core>>,
    _: Extension<Admin>,
    Extension(kind): Extension<Kind>,
) -> Answer<Items<Value>> {
    Ok(Json(Items { items: resources::list(&core, kind).await? }))
}

pub(crate) async fn read(
    State(core): State<Arc<Core>>,
    _: Extension<Admin>,
    Extension(kind): Extension<Kind>,
    Names((_, name)): Names<(String, String)>,
) -> Answer<Value> {
    resources::read(&core, kind, &name).await.map(Json)
}

pub(crate) async fn create(
    State(core): State<Arc<Core>>,
    Extension(admin): Extension<Admin>,
    Extension(kind): Extension<Kind>,
    Body(document): Body<Value>,
) -> Answer<()> {
    let document = parse(kind, document)?;
    resources::create(&core, document, &admin.actor).await.map(Json)
}

pub(crate) async fn write(
    State(core): State<Arc<Core>>,
    Extension(admin): Extension<Admin>,
    Extension(kind): Extension<Kind>,
    Names((_, name)): Names<(String, String)>,
    Body(document): Body<Value>,
) -> Answer<()> {
    let document = parse(kind, document)?;
    if document.name() != name {
        return Err(ApiError::bad_request("the name in the path is not the name in the document"));
    }
    resources::write(&core, document, &admin.actor).await.map(Json)
}

pub(crate) async fn remove(
    State(core): State<Arc<Core>>,
    Extension(admin): Extension<Admin>,
    Extension(kind): Extension<Kind>,
    Names((_, name)): Names<(String, String)>,
) -> Answer<()> {
    resources::remove(&core, kind, &name, &admin.actor).await.map(Json)
}

/// The right was checked for the kind in the path, so the document must be of that kind.
fn parse(kind: Kind, document: Value) -> Result<AnyResource, ApiError> {
    let document = AnyResource::from_value(document).map_err(|invalid| ApiError::bad_request(invalid.to_string()))?;
    if document.kind() != kind {
        return Err(ApiError::bad_request(format!("the document is a {}, not a {kind}", document.kind())));
    }
    Ok(document)
}
