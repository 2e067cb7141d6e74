//! The cluster's state as services see it: followed from auth, published whole, read without a lock.
//!
//! A service keeps deciding from the last state while auth is away, and can say since when that is.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use teleport_runtime::{Backoff, Clock, Stop};
use teleport_types::{
    AuthPreference, KubeClusterName, Lock, Role, RoleName, RolePolicy, ServiceId, auth_preference::LockingMode,
};
use tokio::sync::watch;

use crate::{
    Client, ClientError,
    messages::{
        CaBundle,
        service::{WATCH_PULSE, WatchEvent},
    },
};

/// Silence after which the connection to auth counts as lost.
const SILENCE: Duration = WATCH_PULSE.saturating_mul(3);

/// One consistent view. A new one is published for every change; readers keep the `Arc` they have.
#[derive(Clone, Debug, Default)]
pub struct ClusterState {
    /// Grows with every change; equal numbers mean equal content.
    pub generation: u64,
    /// Roles, ready to decide; `None` for one that this version cannot read whole: its holders are denied.
    pub roles: HashMap<RoleName, Option<Arc<RolePolicy>>>,
    /// Locks, by name.
    pub locks: BTreeMap<String, Arc<Lock>>,
    /// Locks that this version cannot read; while there is one, everything is denied.
    pub unreadable_locks: Vec<String>,
    /// What to do when locks have not been heard of for long; strict when the setting cannot be read.
    pub locking_mode: LockingMode,
    /// The CAs; `None` before the first contact.
    pub cas: Option<Arc<CaBundle>>,
    /// Announced Kubernetes clusters, by the name of the announcement.
    pub kube_servers: BTreeMap<String, Arc<KubeServer>>,
}

/// The announcement of one Kubernetes cluster by one service.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct KubeServer {
    /// The Kubernetes cluster.
    pub cluster: KubeClusterName,
    /// The service that serves it.
    pub service: ServiceId,
    /// The host's name, for people.
    pub node_name: String,
    /// Labels of the cluster.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// A handle on the followed state; clones see the same.
#[derive(Clone, Debug)]
pub struct StateWatch {
    state: watch::Receiver<Arc<ClusterState>>,
    heard: watch::Receiver<Option<Timestamp>>,
}

/// The publishing side, for [`follow`] and for tests.
#[derive(Debug)]
pub struct StatePublisher {
    state: watch::Sender<Arc<ClusterState>>,
    heard: watch::Sender<Option<Timestamp>>,
}

impl StatePublisher {
    /// Makes both sides; nothing is known yet.
    pub fn new() -> (Self, StateWatch) {
        let (state, state_watch) = watch::channel(Arc::new(ClusterState::default()));
        let (heard, heard_watch) = watch::channel(None);
        (Self { state, heard }, StateWatch { state: state_watch, heard: heard_watch })
    }

    /// Publishes a state; its generation is set here.
    pub fn publish(&self, mut state: ClusterState) {
        self.state.send_modify(|current| {
            state.generation = current.generation + 1;
            *current = Arc::new(state);
        });
    }

    /// Notes that auth was heard of at this moment.
    pub fn heard(&self, at: Timestamp) {
        self.heard.send_replace(Some(at));
    }
}

impl StateWatch {
    /// Returns the current state.
    pub fn current(&self) -> Arc<ClusterState> {
        Arc::clone(&self.state.borrow())
    }

    /// Returns when auth was last heard of; `None` before the first contact.
    pub fn heard(&self) -> Option<Timestamp> {
        *self.heard.borrow()
    }

    /// Returns a receiver that wakes on every change.
    pub fn subscribe(&self) -> watch::Receiver<Arc<ClusterState>> {
        self.state.clone()
    }

    /// Waits until a first whole state is known. Cancel safe.
    pub async fn ready(&self) {
        let mut heard = self.heard.clone();
        // A publisher that is gone is shutting down; callers watch for that themselves.
        let _ = heard.wait_for(Option::is_some).await;
    }
}

/// Follows auth until told to stop, connecting again after every loss.
pub async fn follow(client: Client, publisher: StatePublisher, clock: Clock, stop: Stop) {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    loop {
        let followed = tokio::select! {
            () = stop.requested() => return,
            followed = follow_once(&client, &publisher, &clock, &mut backoff) => followed,
        };
        if let Err(error) = followed {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the watch on the auth service was lost, trying again"
            );
        }
        tokio::select! {
            () = stop.requested() => return,
            () = tokio::time::sleep(backoff.next_wait()) => {}
        }
    }
}

async fn follow_once(
    client: &Client,
    publisher: &StatePublisher,
    clock: &Clock,
    backoff: &mut Backoff,
) -> Result<(), ClientError> {
    let mut lines = client.watch().await?;
    let mut state = ClusterState::default();
    let mut ready = false;
    loop {
        let next = tokio::time::timeout(SILENCE, lines.next()).await;
        let Some(line) = next.map_err(|_| ClientError::Deadline)?? else {
            return Ok(());
        };
        let event: WatchEvent = serde_json::from_slice(&line).map_err(|error| ClientError::Broken(error.into()))?;
        let pulse = matches!(event, WatchEvent::Pulse);
        ready |= matches!(event, WatchEvent::Ready);
        state.apply(event);
        if ready {
            if !pulse {
                publisher.publish(state.clone());
            }
            publisher.heard(clock.now());
            backoff.reset();
        }
    }
}

impl ClusterState {
    /// Applies one event of the watch.
    pub fn apply(&mut self, event: WatchEvent) {
        match event {
            WatchEvent::Put { kind, name, resource } => self.put(&kind, name, resource),
            WatchEvent::Delete { kind, name } => self.delete(&kind, &name),
            WatchEvent::Cas(cas) => self.cas = Some(Arc::new(cas)),
            WatchEvent::Ready | WatchEvent::Pulse => {}
        }
    }

    fn put(&mut self, kind: &str, name: String, resource: Value) {
        match kind {
            "role" => {
                let Ok(role_name) = RoleName::parse(&name) else { return };
                let policy = read::<Role>(kind, &name, resource).and_then(|role| match RolePolicy::new(&role) {
                    Ok(policy) => Some(Arc::new(policy)),
                    Err(error) => {
                        tracing::error!(role = name, %error, "a role cannot be honoured, its holders are denied");
                        None
                    }
                });
                self.roles.insert(role_name, policy);
            }
            "lock" => {
                self.unreadable_locks.retain(|known| *known != name);
                match read::<Lock>(kind, &name, resource) {
                    Some(lock) => {
                        self.locks.insert(name, Arc::new(lock));
                    }
                    None => {
                        self.locks.remove(&name);
                        self.unreadable_locks.push(name);
                    }
                }
            }
            "cluster_auth_preference" => {
                self.locking_mode = read::<AuthPreference>(kind, &name, resource)
                    .map_or(LockingMode::Strict, |preference| preference.spec.locking_mode);
            }
            "kube_server" => match read::<KubeServer>(kind, &name, resource) {
                Some(server) => {
                    self.kube_servers.insert(name, Arc::new(server));
                }
                None => {
                    self.kube_servers.remove(&name);
                }
            },
            // A newer auth may tell more than this version asks about.
            _ => {}
        }
    }

    fn delete(&mut self, kind: &str, name: &str) {
        match kind {
            "role" => {
                self.roles.remove(name);
            }
            "lock" => {
                self.locks.remove(name);
                self.unreadable_locks.retain(|known| known != name);
            }
            "cluster_auth_preference" => self.locking_mode = LockingMode::default(),
            "kube_server" => {
                self.kube_servers.remove(name);
            }
            _ => {}
        }
    }
}

fn read<T: DeserializeOwned>(kind: &str, name: &str, resource: Value) -> Option<T> {
    serde_json::from_value(resource)
        .inspect_err(|error| tracing::error!(kind, name, %error, "a document of the auth service cannot be read"))
        .ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn put(kind: &str, name: &str, resource: Value) -> WatchEvent {
        WatchEvent::Put { kind: kind.to_owned(), name: name.to_owned(), resource }
    }

    #[test]
    fn a_role_of_a_newer_version_denies_its_holders_instead_of_vanishing() {
        let mut state = ClusterState::default();
        state.apply(put(
            "role",
            "dev",
            json!({"kind": "role", "version": "v99", "metadata": {"name": "dev"}, "spec": {"new": 1}}),
        ));
        assert!(matches!(state.roles.get("dev"), Some(None)));
        state.apply(WatchEvent::Delete { kind: "role".into(), name: "dev".into() });
        assert!(state.roles.is_empty());
    }

    #[test]
    fn a_lock_that_cannot_be_read_is_remembered_until_it_goes() {
        let mut state = ClusterState::default();
        state.apply(put(
            "lock",
            "l",
            json!({"kind": "lock", "version": "v9", "metadata": {"name": "l"}, "spec": {"x": 1}}),
        ));
        assert_eq!(state.unreadable_locks, ["l"]);
        state.apply(WatchEvent::Delete { kind: "lock".into(), name: "l".into() });
        assert!(state.unreadable_locks.is_empty());
    }

    #[test]
    fn a_locking_mode_that_cannot_be_read_is_strict() {
        let mut state = ClusterState::default();
        assert_eq!(state.locking_mode, LockingMode::BestEffort);
        let document = |mode: &str| json!({"kind": "cluster_auth_preference", "version": "v2", "metadata": {"name": "p"}, "spec": {"locking_mode": mode}});
        for (mode, expected) in
            [("best_effort", LockingMode::BestEffort), ("strict", LockingMode::Strict), ("newer", LockingMode::Strict)]
        {
            state.apply(put("cluster_auth_preference", "p", document(mode)));
            assert_eq!(state.locking_mode, expected, "{mode}");
        }
        state.apply(WatchEvent::Delete { kind: "cluster_auth_preference".into(), name: "p".into() });
        assert_eq!(state.locking_mode, LockingMode::BestEffort);
    }

    #[test]
    fn every_publication_has_a_new_generation() {
        let (publisher, watch) = StatePublisher::new();
        let before = watch.current().generation;
        publisher.publish(ClusterState::default());
        publisher.publish(ClusterState::default());
        assert_eq!(watch.current().generation, before + 2);
    }
}
