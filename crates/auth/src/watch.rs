//! The watch of services: every role, lock, CA and announced Kubernetes cluster, then every change of them.

use std::sync::Arc;

use axum::response::Response;
use serde_json::Value;
use teleport_api::{
    ApiError,
    messages::service::{WATCH_PULSE, WatchEvent},
};
use teleport_backend::{Event, Item, Key, Prefix, Revision, Watcher};
use teleport_types::Kind;

use crate::{
    AuthError,
    auth::Core,
    error, rights,
    server::{lines, lines::Lines, peer::Member},
    store::{decode, named, read_document},
};

/// Kinds of documents that services need.
const KINDS: [Kind; 3] = [Kind::Role, Kind::Lock, Kind::AuthPreference];

/// Opens a watch.
pub(crate) async fn open(core: Arc<Core>, member: Member) -> Result<Response, ApiError> {
    // Listed after the revision was read and watched from it: whatever changes in between is heard twice, never not.
    let (first, revision) = current(&core).await?;
    let watcher = core.store.backend().watch(&Prefix::all(), revision).await.map_err(error::store)?;
    let (lines, response) = lines::channel();
    let core_of_task = Arc::clone(&core);
    core.streams.spawn("watch", async move {
        let feed = Feed { core: core_of_task, member, lines };
        feed.run(first, watcher).await;
    });
    Ok(response)
}

/// Lists what there is, and the revision before the first of it was read.
async fn current(core: &Core) -> Result<(Vec<WatchEvent>, Revision), ApiError> {
    let (mut events, mut from) = (vec![WatchEvent::Cas(core.authorities.bundle.clone())], None);
    for folder in ["roles", "locks", "settings", "kube_servers"] {
        let prefix = Prefix::new([folder]).map_err(AuthError::from)?;
        let (items, revision) = core.store.list(&prefix).await?;
        from = from.or(Some(revision));
        for item in &items {
            events.extend(put(item)?);
        }
    }
    Ok((events, from.unwrap_or_default()))
}

/// One watch of one service.
struct Feed {
    core: Arc<Core>,
    member: Member,
    lines: Lines,
}

impl Feed {
    async fn run(self, first: Vec<WatchEvent>, mut watcher: Box<dyn Watcher>) {
        for event in first.iter().chain([&WatchEvent::Ready]) {
            if self.send(event).await.is_err() {
                return;
            }
        }
        let stop = self.core.streams.stop_signal();
        let mut pulse = tokio::time::interval(WATCH_PULSE);
        pulse.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let sent = tokio::select! {
                () = stop.requested() => return,
                () = self.lines.gone() => return,
                changed = watcher.next() => match changed.map_err(AuthError::from).and_then(|change| translate(&change)) {
                    Ok(None) => continue,
                    Ok(Some(event)) => {
                        if is_lock(&event) && self.ended().await {
                            return;
                        }
                        self.send(&event).await
                    }
                    // The service lists again when the watch ends.
                    Err(error) => {
                        tracing::info!(%error, service = %self.member.identity.id, "a watch has to begin again");
                        return;
                    }
                },
                _ = pulse.tick() => {
                    if self.ended().await {
                        return;
                    }
                    self.send(&WatchEvent::Pulse).await
                }
            };
            if sent.is_err() {
                return;
            }
        }
    }

    async fn send(&self, event: &WatchEvent) -> Result<(), lines::Gone> {
        self.lines.send(serde_json::to_string(event).expect("watch events have only string keys")).await
    }

    /// Tells whether the service may not hear more: its certificate has ended, or it is locked.
    async fn ended(&self) -> bool {
        let admitted = if self.core.clock.now() > self.member.not_after {
            Err(ApiError::unauthenticated("the service's certificate has expired"))
        } else {
            rights::refuse_locked_service(&self.core, &self.member.identity.id).await
        };
        if let Err(refused) = &admitted {
            tracing::info!(%refused, service = %self.member.identity.id, "a watch was ended");
        }
        admitted.is_err()
    }
}

fn is_lock(event: &WatchEvent) -> bool {
    matches!(event, WatchEvent::Put { kind, .. } if kind == Kind::Lock.as_str())
}

fn translate(change: &Event) -> Result<Option<WatchEvent>, AuthError> {
    match change {
        Event::Put(item) => put(item),
        Event::Delete { key, .. } => Ok(subject(key).map(|(kind, name)| WatchEvent::Delete { kind, name })),
    }
}

fn put(item: &Item) -> Result<Option<WatchEvent>, AuthError> {
    let Some((kind, name)) = subject(&item.key) else { return Ok(None) };
    let resource: Value = if kind == KUBE_SERVER { decode(item)? } else { read_document(item)? };
    Ok(Some(WatchEvent::Put { kind, name, resource }))
}

/// The kind of an announcement in the watch.
const KUBE_SERVER: &str = "kube_server";

/// Returns kind and name of what a key stands for; `None` for what services do not need.
fn subject(key: &Key) -> Option<(String, String)> {
    match named(key) {
        Some(kind) if KINDS.contains(&kind) => Some((kind.as_str().to_owned(), key.last().to_owned())),
        Some(_) => None,
        None => {
            let (service, label) = key.as_str().strip_prefix("/kube_servers/")?.split_once('/')?;
            Some((KUBE_SERVER.to_owned(), format!("{label}.{service}")))
        }
    }
}
