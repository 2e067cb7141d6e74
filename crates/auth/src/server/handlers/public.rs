//! Routes for anybody.

use std::sync::Arc;

use axum::{Extension, Json, extract::State};
use teleport_api::messages::{
    AuthOffer, CAPABILITIES, CaBundle, Ping,
    service::{IssuedService, JoinRequest},
    user::{IssuedUser, LoginRequest},
};

use super::Answer;
use crate::{
    auth::Core,
    join, login,
    server::{extract::Body, peer::Guest},
};

pub(crate) async fn ping(State(core): State<Arc<Core>>, _: Extension<Guest>) -> Answer<Ping> {
    Ok(Json(Ping {
        cluster_name: core.authorities.cluster.clone(),
        server_version: env!("CARGO_PKG_VERSION").to_owned(),
        capabilities: CAPABILITIES.iter().map(|name| (*name).to_owned()).collect(),
        auth: AuthOffer { kind: "local".to_owned(), local: true },
    }))
}

pub(crate) async fn cas(State(core): State<Arc<Core>>, _: Extension<Guest>) -> Answer<CaBundle> {
    Ok(Json(core.authorities.bundle.clone()))
}

pub(crate) async fn login(
    State(core): State<Arc<Core>>,
    Extension(guest): Extension<Guest>,
    Body(request): Body<LoginRequest>,
) -> Answer<IssuedUser> {
    login::login(&core, request, &guest.actor).await.map(Json)
}

pub(crate) async fn join(
    State(core): State<Arc<Core>>,
    Extension(guest): Extension<Guest>,
    Body(request): Body<JoinRequest>,
) -> Answer<IssuedService> {
    join::join(&core, request, &guest.actor).await.map(Json)
}
