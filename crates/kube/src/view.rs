//! The cluster's policy as the hot path reads it: roles, locks and authorities of one moment, published whole.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use teleport_api::{
    messages::CaBundle,
    snapshot::{ClusterState, StateWatch},
};
use teleport_pki::{PkiError, SharedTrust, TrustedCas, pem};
use teleport_runtime::{Clock, Stop};
use teleport_types::auth_preference::LockingMode;
use tokio::sync::watch;

/// Policy of one moment.
pub(crate) struct View {
    /// Grows when roles, locks or authorities change, and only then.
    pub(crate) generation: u64,
    /// Roles and locks.
    pub(crate) state: Arc<ClusterState>,
    /// Whether the locks are older than the cluster allows.
    pub(crate) age: LockAge,
    /// Authorities.
    pub(crate) trust: Arc<TrustedCas>,
}

/// Whether the locks are fresh enough to decide by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockAge {
    /// Heard of lately, or their age does not matter.
    Good,
    /// Not heard of for [`STALE`], in a cluster whose locking mode is strict.
    Stale,
}

/// How old locks may be in strict mode.
pub(crate) const STALE: Duration = Duration::from_secs(5 * 60);

/// How often the age of the locks is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The current view, and a signal for changes.
pub(crate) struct Views {
    current: ArcSwap<View>,
    changed: watch::Sender<u64>,
    trust: SharedTrust,
}

impl Views {
    /// Starts from the first state that is known.
    pub(crate) fn new(state: Arc<ClusterState>) -> Result<Self, PkiError> {
        let trusted = match &state.cas {
            Some(cas) => trusted(cas)?,
            None => return Err(PkiError::Certificate),
        };
        let trust = SharedTrust::new(trusted);
        let view = View { generation: 1, state, age: LockAge::Good, trust: trust.current() };
        Ok(Self { current: ArcSwap::from_pointee(view), changed: watch::Sender::new(1), trust })
    }

    /// Returns the policy of now.
    pub(crate) fn current(&self) -> Arc<View> {
        self.current.load_full()
    }

    /// Returns a receiver that wakes on every change.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Returns the authorities for TLS configurations.
    pub(crate) fn trust(&self) -> &SharedTrust {
        &self.trust
    }

    /// Publishes the states that the service follows, until told to stop or the follower of auth ends.
    pub(crate) async fn follow(&self, watched: StateWatch, clock: Clock, stop: Stop) {
        let mut states = watched.subscribe();
        loop {
            let state = Arc::clone(&states.borrow_and_update());
            let age = age(state.locking_mode, watched.heard(), clock.now());
            self.publish(state, age);
            tokio::select! {
                () = stop.requested() => return,
                changed = states.changed() => if changed.is_err() {
                    return;
                },
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    fn publish(&self, state: Arc<ClusterState>, age: LockAge) {
        let old = self.current.load_full();
        if age == old.age && same_policy(&old.state, &state) {
            return;
        }
        if state.cas != old.state.cas
            && let Some(cas) = &state.cas
        {
            match trusted(cas) {
                Ok(trusted) => self.trust.replace(trusted),
                Err(error) => tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the CAs that auth sent cannot be read, keeping the last ones"
                ),
            }
        }
        if age != old.age {
            tracing::warn!(?age, "the age of the locks has changed what is served: the locking mode is strict");
        }
        let generation = old.generation + 1;
        self.current.store(Arc::new(View { generation, state, age, trust: self.trust.current() }));
        self.changed.send_replace(generation);
    }
}

fn age(mode: LockingMode, heard: Option<Timestamp>, now: Timestamp) -> LockAge {
    let fresh = heard.is_some_and(|heard| now <= heard.saturating_add(STALE).unwrap_or(Timestamp::MAX));
    match mode {
        LockingMode::Strict if !fresh => LockAge::Stale,
        LockingMode::Strict | LockingMode::BestEffort => LockAge::Good,
    }
}

fn trusted(cas: &CaBundle) -> Result<TrustedCas, PkiError> {
    let read = |texts: &[String]| pem::certificates(texts.concat().as_bytes());
    TrustedCas::new(cas.cluster_name.clone(), read(&cas.user)?, read(&cas.host)?)
}

/// Tells whether two states decide alike. Heartbeats of servers change the state every few seconds and decide nothing.
fn same_policy(old: &ClusterState, new: &ClusterState) -> bool {
    let roles = old.roles.len() == new.roles.len()
        && old.roles.iter().all(|(name, role)| match (role, new.roles.get(name)) {
            (Some(old), Some(Some(new))) => Arc::ptr_eq(old, new),
            (None, Some(None)) => true,
            _ => false,
        });
    let locks = old.locks.len() == new.locks.len()
        && old.locks.iter().all(|(name, lock)| new.locks.get(name).is_some_and(|new| Arc::ptr_eq(lock, new)));
    roles
        && locks
        && old.locking_mode == new.locking_mode
        && old.unreadable_locks == new.unreadable_locks
        && old.cas == new.cas
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_strict_mode_minds_old_locks() {
        let now = Timestamp::from_second(1_000_000).expect("a time");
        let before = |seconds: i64| Timestamp::from_second(1_000_000 - seconds).ok();
        for (mode, heard, expected) in [
            (LockingMode::BestEffort, before(9999), LockAge::Good),
            (LockingMode::BestEffort, None, LockAge::Good),
            (LockingMode::Strict, before(300), LockAge::Good),
            (LockingMode::Strict, before(301), LockAge::Stale),
            (LockingMode::Strict, None, LockAge::Stale),
        ] {
            assert_eq!(age(mode, heard, now), expected, "{mode:?} {heard:?}");
        }
    }
}
