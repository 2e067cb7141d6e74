//! The cluster's policy as the hot path reads it: roles, locks and authorities of one moment, published whole.

use std::sync::Arc;

use arc_swap::ArcSwap;
use teleport_api::{
    messages::CaBundle,
    snapshot::{ClusterState, StateWatch},
};
use teleport_pki::{PkiError, SharedTrust, TrustedCas, pem};
use teleport_runtime::Stop;
use tokio::sync::watch;

/// Policy of one moment.
pub(crate) struct View {
    /// Grows when roles, locks or authorities change, and only then.
    pub(crate) generation: u64,
    /// Roles and locks.
    pub(crate) state: Arc<ClusterState>,
    /// Authorities.
    pub(crate) trust: Arc<TrustedCas>,
}

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
        let view = View { generation: 1, state, trust: trust.current() };
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
    pub(crate) async fn follow(&self, watched: StateWatch, stop: Stop) {
        let mut states = watched.subscribe();
        loop {
            let state = Arc::clone(&states.borrow_and_update());
            self.publish(state);
            tokio::select! {
                () = stop.requested() => return,
                changed = states.changed() => if changed.is_err() {
                    return;
                },
            }
        }
    }

    fn publish(&self, state: Arc<ClusterState>) {
        let old = self.current.load_full();
        if same_policy(&old.state, &state) {
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
        let generation = old.generation + 1;
        self.current.store(Arc::new(View { generation, state, trust: self.trust.current() }));
        self.changed.send_replace(generation);
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
    roles && locks && old.unreadable_locks == new.unreadable_locks && old.cas == new.cas
}
