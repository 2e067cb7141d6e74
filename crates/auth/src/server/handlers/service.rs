//! Routes for services of the cluster.

use std::sync::Arc;

use axum::{Extension, Json, extract::State, response::Response};
use teleport_api::{
    ApiError,
    messages::service::{
        HeartbeatReply, IssuedServer, IssuedService, KubeCertRequest, KubeHeartbeat, RenewRequest, WebCertRequest,
    },
};

use super::Answer;
use crate::{
    auth::Core,
    kube,
    server::{extract::Body, peer::Member},
    services, watch,
};

pub(crate) async fn renew(
    State(core): State<Arc<Core>>,
    Extension(member): Extension<Member>,
    Body(request): Body<RenewRequest>,
) -> Answer<IssuedService> {
    services::renew(&core, request, &member.identity, &member.actor).await.map(Json)
}

pub(crate) async fn kube_certificate(
    State(core): State<Arc<Core>>,
    Extension(member): Extension<Member>,
    Body(request): Body<KubeCertRequest>,
) -> Answer<IssuedServer> {
    services::kube_certificate(&core, request, &member.identity, &member.actor).await.map(Json)
}

pub(crate) async fn web_certificate(
    State(core): State<Arc<Core>>,
    Extension(member): Extension<Member>,
    Body(request): Body<WebCertRequest>,
) -> Answer<IssuedServer> {
    services::web_certificate(&core, request, &member.identity, &member.actor).await.map(Json)
}

pub(crate) async fn heartbeat(
    State(core): State<Arc<Core>>,
    Extension(member): Extension<Member>,
    Body(request): Body<KubeHeartbeat>,
) -> Answer<HeartbeatReply> {
    kube::heartbeat(&core, request, &member.identity, &member.actor).await.map(Json)
}

pub(crate) async fn watch(
    State(core): State<Arc<Core>>,
    Extension(member): Extension<Member>,
) -> Result<Response, ApiError> {
    watch::open(core, member).await
}
