//! Routes for users.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Extension, Json, extract::State};
use teleport_api::messages::user::{ClusterRow, IssuedUser, Items, KubeClusterRow, Me, ReissueRequest};
use teleport_types::RoleName;

use super::Answer;
use crate::{
    auth::Core,
    kube, login, rights,
    server::{extract::Body, peer::SignedUser},
};

pub(crate) async fn logout(State(core): State<Arc<Core>>, Extension(user): Extension<SignedUser>) -> Answer<()> {
    login::logout(&core, &user.identity, &user.actor).await.map(Json)
}

pub(crate) async fn reissue(
    State(core): State<Arc<Core>>,
    Extension(user): Extension<SignedUser>,
    Body(request): Body<ReissueRequest>,
) -> Answer<IssuedUser> {
    login::reissue(&core, request, &user.identity, user.not_after, &user.actor).await.map(Json)
}

pub(crate) async fn me(State(core): State<Arc<Core>>, Extension(user): Extension<SignedUser>) -> Answer<Me> {
    let subject = rights::subject(&core, &user.identity).await?;
    let principals = subject.principals();
    let roles: Vec<RoleName> = subject.roles().iter().map(|role| role.name.clone()).collect();
    Ok(Json(Me {
        user: user.identity.user.clone(),
        cluster_name: core.authorities.cluster.clone(),
        roles,
        traits: user.identity.traits.clone(),
        logins: principals.logins,
        kubernetes_users: principals.users,
        kubernetes_groups: principals.groups,
    }))
}

/// There is one cluster until others can be trusted.
pub(crate) async fn clusters(State(core): State<Arc<Core>>, _: Extension<SignedUser>) -> Answer<Items<ClusterRow>> {
    let root = ClusterRow {
        name: core.authorities.cluster.clone(),
        status: "online".to_owned(),
        kind: "root".to_owned(),
        labels: BTreeMap::new(),
    };
    Ok(Json(Items { items: vec![root] }))
}

pub(crate) async fn kube_clusters(
    State(core): State<Arc<Core>>,
    Extension(user): Extension<SignedUser>,
) -> Answer<Items<KubeClusterRow>> {
    Ok(Json(Items { items: kube::visible(&core, &user.identity).await? }))
}
