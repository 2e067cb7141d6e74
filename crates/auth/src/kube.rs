//! Kubernetes clusters: who may serve which name, who does now, and which of them a user may see.
//!
//! The first registration binds a name to the cluster's own identity. Whoever serves it later must be the same service,
//! or be granted the name by its join token, and in both cases show the same identity.

use std::collections::{BTreeMap, BTreeSet};

use teleport_api::{
    ApiError,
    messages::{
        service::{HEARTBEAT_TTL, HeartbeatReply, KubeAnnouncement, KubeHeartbeat},
        user::KubeClusterRow,
    },
    snapshot::KubeServer,
};
use teleport_audit::{
    Event,
    event::{Body, KubeClusterChange},
};
use teleport_backend::{Error, Key, Prefix, Write};
use teleport_types::{
    AnyResource, Kind, KubeCluster, KubeClusterName, Labels, ServiceId, ServiceIdentity, UserIdentity,
    kube_cluster::KubeClusterSpec, sni::KubeLabel,
};

use crate::{
    AuthError,
    auth::Core,
    error,
    rights::{self, Actor},
    services,
    store::{KubeBinding, ServiceRecord, Store, decode, kube_server_prefix},
};

/// Most Kubernetes clusters that one service may announce.
const CLUSTERS: usize = 1000;

/// Takes in what a service serves now; it holds until [`HEARTBEAT_TTL`] is over.
pub(crate) async fn heartbeat(
    core: &Core,
    request: KubeHeartbeat,
    identity: &ServiceIdentity,
    actor: &Actor,
) -> Result<HeartbeatReply, ApiError> {
    if request.clusters.len() > CLUSTERS {
        return Err(ApiError::bad_request(format!("a service announces at most {CLUSTERS} Kubernetes clusters")));
    }
    let record = services::record(core, identity).await?;
    let mut reply = HeartbeatReply::default();
    let prefix = kube_server_prefix(&identity.id).map_err(AuthError::from)?;
    let mut kept = BTreeSet::new();
    for announcement in &request.clusters {
        match register(core, announcement, &identity.id, &record, actor).await? {
            Err(reason) => {
                reply.refused.insert(announcement.name.to_string(), reason);
            }
            Ok(()) => {
                let key = prefix.key(KubeLabel::of(&announcement.name).as_str()).map_err(AuthError::from)?;
                let server = KubeServer {
                    cluster: announcement.name.clone(),
                    service: identity.id.clone(),
                    node_name: request.node_name.clone(),
                    labels: announcement.labels.clone(),
                };
                let mut write = Write::new(key.clone(), Store::encode(&server));
                write.expires = core.clock.now().saturating_add(HEARTBEAT_TTL).ok();
                core.store.put_json(write).await?;
                kept.insert(key);
            }
        }
    }
    withdraw_others(core, &prefix, &kept).await?;
    Ok(reply)
}

/// Tells whether a service announces a Kubernetes cluster now.
pub(crate) async fn announces(core: &Core, id: &ServiceId, cluster: &KubeClusterName) -> Result<bool, ApiError> {
    let key = kube_server_prefix(id).and_then(|prefix| prefix.key(KubeLabel::of(cluster).as_str()));
    let found = core.store.backend().get(&key.map_err(AuthError::from)?).await.map_err(error::store)?;
    Ok(found.is_some())
}

/// Lists every announcement that holds now.
pub(crate) async fn servers(core: &Core) -> Result<Vec<KubeServer>, AuthError> {
    let (items, _) = core.store.list(&Prefix::new(["kube_servers"])?).await?;
    items.iter().map(decode).collect()
}

/// Lists the Kubernetes clusters that a user's roles let them see, registered ones that nobody serves now included.
pub(crate) async fn visible(core: &Core, user: &UserIdentity) -> Result<Vec<KubeClusterRow>, ApiError> {
    let subject = rights::subject(core, user).await?;
    let mut rows: BTreeMap<KubeClusterName, (Labels, bool)> = BTreeMap::new();
    for value in core.documents.values(Kind::KubeCluster).await? {
        let cluster = KubeCluster::from_value(value).map_err(AuthError::from)?;
        if let Ok(name) = KubeClusterName::parse(&cluster.metadata.name) {
            rows.insert(name, (cluster.metadata.labels, false));
        }
    }
    for server in servers(core).await? {
        rows.insert(server.cluster, (server.labels, true));
    }
    rows.retain(|_, (labels, _)| subject.sees_cluster(labels));
    Ok(rows.into_iter().map(|(name, (labels, online))| KubeClusterRow { name, labels, online }).collect())
}

/// Forgets what a name was bound to, so that another cluster or service may take it.
pub(crate) async fn forget(core: &Core, name: &str) -> Result<(), ApiError> {
    let name = KubeClusterName::parse(name).map_err(|error| ApiError::bad_request(error.to_string()))?;
    let key = KubeBinding::key(&KubeLabel::of(&name)).map_err(AuthError::from)?;
    match core.store.backend().delete(&key, None).await {
        Ok(_) | Err(Error::NotFound(_)) => Ok(()),
        Err(other) => Err(error::store(other)),
    }
}

/// Checks one announcement against the name's binding, making it when there is none. The inner error is for the service.
async fn register(
    core: &Core,
    announcement: &KubeAnnouncement,
    service: &ServiceId,
    record: &ServiceRecord,
    actor: &Actor,
) -> Result<Result<(), String>, ApiError> {
    let key = KubeBinding::key(&KubeLabel::of(&announcement.name)).map_err(AuthError::from)?;
    let (bound, revision) = match core.store.json::<KubeBinding>(&key).await? {
        Some(stored) => (stored.value, Some(stored.revision)),
        None => (first_binding(core, announcement, service).await?, None),
    };
    if let Err(reason) = may_serve(&bound, announcement, service, record) {
        return Ok(Err(reason));
    }
    let mut binding = bound.clone();
    binding.identity = binding.identity.updated_by(&announcement.identity);
    let write = Write::new(key, Store::encode(&binding));
    let written = match revision {
        Some(_) if binding == bound => Ok(()),
        Some(revision) => core.store.backend().compare_and_swap(write, revision).await.map(drop),
        None => core.store.backend().create(write).await.map(drop),
    };
    match written {
        Ok(()) => describe(core, announcement, actor).await.map(Ok),
        Err(Error::Exists(_) | Error::Changed { .. } | Error::NotFound(_)) => {
            Ok(Err("another service registers the name at this moment; it is tried again".to_owned()))
        }
        Err(other) => Err(error::store(other)),
    }
}

/// A name that an administrator wrote down first belongs to nobody yet, and only a grant opens it.
async fn first_binding(
    core: &Core,
    announcement: &KubeAnnouncement,
    service: &ServiceId,
) -> Result<KubeBinding, ApiError> {
    let written = core.documents.value(Kind::KubeCluster, announcement.name.as_str()).await?.is_some();
    let owner = (!written).then(|| service.clone());
    Ok(KubeBinding { name: announcement.name.clone(), identity: announcement.identity.clone(), owner })
}

fn may_serve(
    bound: &KubeBinding,
    announcement: &KubeAnnouncement,
    service: &ServiceId,
    record: &ServiceRecord,
) -> Result<(), String> {
    let name = &announcement.name;
    if bound.name != *name {
        return Err(format!("{name} cannot be told apart from {}", bound.name));
    }
    let granted = record.grant.names(name);
    let owned = bound.owner.as_ref() == Some(service);
    let scoped_elsewhere = matches!(record.grant, crate::store::Grant::Named(_)) && !granted;
    if scoped_elsewhere || !(granted || owned) {
        return Err(format!(
            "{name} is not granted to this service; join it with a token that names {name}, or remove the name with \
             tctl rm kube_cluster/{name}"
        ));
    }
    if announcement.identity.contradicts(&bound.identity) {
        return Err(format!(
            "{name} is bound to another Kubernetes cluster; if it was rebuilt, remove the name with tctl rm \
             kube_cluster/{name}"
        ));
    }
    let trusted = owned || matches!(record.grant, crate::store::Grant::Every);
    if !trusted && announcement.identity.is_unknown() && !bound.identity.is_unknown() {
        return Err(format!("{name} is bound to a cluster whose identity this service has not shown yet"));
    }
    Ok(())
}

/// Keeps the document of the cluster in step with what is announced.
async fn describe(core: &Core, announcement: &KubeAnnouncement, actor: &Actor) -> Result<(), ApiError> {
    let name = &announcement.name;
    let stored = core.documents.value(Kind::KubeCluster, name.as_str()).await?;
    let change = KubeClusterChange { name: name.clone(), kube_labels: announcement.labels.clone() };
    let (body, mut cluster) = match stored.map(KubeCluster::from_value) {
        Some(Ok(cluster)) if cluster.metadata.labels == announcement.labels => return Ok(()),
        Some(Ok(cluster)) => (Body::KubeUpdate(change), cluster),
        Some(Err(unreadable)) => return Err(AuthError::from(unreadable).into()),
        None => (Body::KubeCreate(change), KubeCluster::named(name.as_str(), KubeClusterSpec::default())),
    };
    cluster.metadata.labels = announcement.labels.clone();
    cluster.metadata.revision = None;
    let document = AnyResource::KubeCluster(cluster);
    let event = actor.sign(Event::new(body));
    rights::audited(core, event, async { core.documents.put(&document).await.map(drop) }).await
}

async fn withdraw_others(core: &Core, prefix: &Prefix, kept: &BTreeSet<Key>) -> Result<(), ApiError> {
    let (items, _) = core.store.list(prefix).await?;
    for item in items.iter().filter(|item| !kept.contains(&item.key)) {
        match core.store.backend().delete(&item.key, None).await {
            Ok(_) | Err(Error::NotFound(_)) => {}
            Err(other) => return Err(error::store(other)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use teleport_api::messages::service::KubeIdentity;
    use teleport_types::ServiceKind;

    use super::*;
    use crate::store::Grant;

    fn name(text: &str) -> KubeClusterName {
        KubeClusterName::parse(text).expect("a name")
    }

    #[test]
    fn a_name_is_served_by_its_first_service_or_a_grant_and_only_for_its_cluster() {
        let (owner, other) = (ServiceId::random(), ServiceId::random());
        let known = |uid: Option<&str>| KubeIdentity { kube_system_uid: uid.map(str::to_owned), api_authority: None };
        let bound = |identity: Option<&str>| KubeBinding {
            name: name("prod"),
            identity: known(identity),
            owner: Some(owner.clone()),
        };
        let named = Grant::Named(vec![name("prod")]);
        let elsewhere = Grant::Named(vec![name("dev")]);
        for (bound, service, grant, identity, expected) in [
            (bound(None), &owner, Grant::NewNames, None, true),
            (bound(Some("a")), &owner, Grant::NewNames, Some("a"), true),
            (bound(Some("a")), &owner, Grant::NewNames, None, true),
            (bound(Some("a")), &owner, Grant::NewNames, Some("b"), false),
            (bound(Some("a")), &owner, elsewhere.clone(), Some("a"), false),
            (bound(Some("a")), &other, Grant::NewNames, Some("a"), false),
            (bound(Some("a")), &other, elsewhere, Some("a"), false),
            (bound(Some("a")), &other, named.clone(), Some("a"), true),
            (bound(Some("a")), &other, named.clone(), Some("b"), false),
            (bound(Some("a")), &other, named, None, false),
            (bound(Some("a")), &other, Grant::Every, None, true),
            (bound(Some("a")), &other, Grant::Every, Some("b"), false),
        ] {
            let record = ServiceRecord { kinds: vec![ServiceKind::Kube], node_name: String::new(), grant };
            let announcement =
                KubeAnnouncement { name: name("prod"), labels: BTreeMap::new(), identity: known(identity) };
            let allowed = may_serve(&bound, &announcement, service, &record);
            assert_eq!(allowed.is_ok(), expected, "{bound:?} {record:?} {identity:?}: {allowed:?}");
        }
    }
}
