//! Routes for administrators that are not about documents.

use std::sync::Arc;

use axum::{Extension, Json, extract::State};
use teleport_api::{
    ApiError,
    messages::{
        admin::{AuthorityRow, ClusterStatus, CreateUser, SignRequest, UpdateUser},
        user::IssuedUser,
    },
};
use teleport_types::{Kind, UserName};

use super::Answer;
use crate::{
    auth::Core,
    kube, login,
    server::{
        extract::{Body, Names},
        peer::Admin,
    },
    users,
};

pub(crate) async fn create_user(
    State(core): State<Arc<Core>>,
    Extension(admin): Extension<Admin>,
    Body(request): Body<CreateUser>,
) -> Answer<()> {
    users::create(&core, request, &admin.actor).await.map(Json)
}

pub(crate) async fn update_user(
    State(core): State<Arc<Core>>,
    Extension(admin): Extension<Admin>,
    Names(name): Names<String>,
    Body(request): Body<UpdateUser>,
) -> Answer<()> {
    let name = UserName::parse(&name).map_err(|error| ApiError::bad_request(error.to_string()))?;
    users::update(&core, &name, request, &admin.actor).await.map(Json)
}

pub(crate) async fn sign(
    State(core): State<Arc<Core>>,
    Extension(admin): Extension<Admin>,
    Body(request): Body<SignRequest>,
) -> Answer<IssuedUser> {
    login::sign(&core, request, &admin.actor).await.map(Json)
}

pub(crate) async fn status(State(core): State<Arc<Core>>, _: Extension<Admin>) -> Answer<ClusterStatus> {
    let trusted = core.authorities.trust.current();
    let row = |ca: &teleport_pki::Ca| AuthorityRow {
        kind: ca.kind().to_string(),
        algorithm: "ECDSA P-256".to_owned(),
        expires: ca.validity().not_after,
        pin: ca.pin().to_string(),
    };
    let mut kube_clusters: Vec<_> = kube::servers(&core).await?.into_iter().map(|server| server.cluster).collect();
    kube_clusters.sort();
    kube_clusters.dedup();
    Ok(Json(ClusterStatus {
        cluster_name: core.authorities.cluster.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        authorities: trusted.all().map(row).collect(),
        ca_pins: trusted.host().iter().map(|ca| ca.pin().to_string()).collect(),
        users: core.documents.values(Kind::User).await?.len(),
        roles: core.documents.values(Kind::Role).await?.len(),
        kube_clusters,
    }))
}
