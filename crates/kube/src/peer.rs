//! One client connection: who is at its end, for which cluster, and what they may do there as of now.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwapOption;
use teleport_audit::{
    Body, Event,
    event::{AuthAttempt, ClientDisconnect, Protocol},
};
use teleport_pki::{Standing, Verified};
use teleport_types::{
    Identity, KubeClusterName, UserIdentity,
    access::{
        Denied, Subject,
        kube::{KubeAccess, KubeTarget},
    },
    lock::LockQuestion,
};
use tokio::sync::watch;

use crate::{
    cluster::Cluster,
    guard::Cut,
    refusal::Refusal,
    service::Shared,
    view::{LockAge, View},
};

/// One client connection.
pub(crate) struct Peer {
    /// Who is at its end.
    pub(crate) user: UserIdentity,
    /// Where it comes from.
    pub(crate) addr: Option<SocketAddr>,
    /// The cluster it is for.
    pub(crate) cluster: Arc<Cluster>,
    /// What all connections share.
    pub(crate) shared: Arc<Shared>,
    verified: Verified,
    /// What the user may do, as of a generation of the policy.
    access: ArcSwapOption<Access>,
    /// Grows whenever requests in flight must be looked at again.
    epoch: watch::Sender<u64>,
    /// The epoch of the last disconnection that was reported.
    reported: AtomicU64,
}

/// What the user may do, as of a generation of the policy.
struct Access {
    generation: u64,
    access: Result<KubeAccess, Denied>,
}

impl Peer {
    /// Makes the peer of a verified connection; only users are served.
    pub(crate) fn new(
        shared: Arc<Shared>,
        cluster: Arc<Cluster>,
        verified: Verified,
        addr: Option<SocketAddr>,
    ) -> Result<Self, Refusal> {
        let Identity::User(user) = verified.identity().clone() else { return Err(Refusal::NotUser) };
        Ok(Self {
            user,
            addr,
            cluster,
            shared,
            verified,
            access: ArcSwapOption::empty(),
            epoch: watch::Sender::new(1),
            reported: AtomicU64::new(0),
        })
    }

    /// Checks that the certificate still holds and that nothing stops its holder, now.
    pub(crate) fn check_standing(&self, view: &View) -> Result<(), Refusal> {
        let now = self.shared.clock.now();
        if now >= self.verified.not_after() || self.verified.standing() == Standing::Expired {
            return Err(Refusal::Expired(self.verified.not_after()));
        }
        if !view.trust.user().iter().any(|ca| ca.fingerprint() == self.verified.ca()) {
            return Err(Refusal::Authority);
        }
        if let Some(pinned) = &self.user.kube_cluster
            && *pinned != self.cluster.name
        {
            return Err(Refusal::Pinned(pinned.to_string()));
        }
        if !view.state.unreadable_locks.is_empty() {
            return Err(Refusal::Locked("a lock cannot be read by this version; ask an administrator".to_owned()));
        }
        if view.age == LockAge::Stale {
            return Err(Refusal::StaleLocks);
        }
        let question = LockQuestion {
            user: &self.user,
            kube_cluster: Some(&self.cluster.name),
            service: Some(&self.shared.service),
            now,
        };
        match view.state.locks.values().find(|lock| lock.spec.applies_to(&question)) {
            None => Ok(()),
            Some(lock) if lock.spec.issued_before.is_some() || lock.spec.target.login_session.is_some() => {
                Err(Refusal::LoginEnded(lock.spec.client_text()))
            }
            Some(lock) => Err(Refusal::Locked(lock.spec.client_text())),
        }
    }

    /// Calls `decide` with what the user may do, computed anew when the policy has changed.
    pub(crate) fn with_access<T>(
        &self,
        view: &View,
        decide: impl FnOnce(&KubeAccess) -> Result<T, Denied>,
    ) -> Result<T, Denied> {
        if let Some(known) = &*self.access.load()
            && known.generation == view.generation
        {
            return known.access.as_ref().map_err(Clone::clone).and_then(decide);
        }
        let access = self.compute(view);
        let fresh = Arc::new(Access { generation: view.generation, access });
        self.access.store(Some(Arc::clone(&fresh)));
        fresh.access.as_ref().map_err(Clone::clone).and_then(decide)
    }

    fn compute(&self, view: &View) -> Result<KubeAccess, Denied> {
        let subject = Subject::new(&self.user, &view.state.roles).map_err(|unreadable| Denied {
            client: format!(
                "User {:?} cannot access Kubernetes cluster {:?}: a role cannot be read by this version of the service",
                self.user.user.as_str(),
                self.cluster.name.as_str()
            ),
            log: unreadable.to_string(),
            object: None,
        })?;
        KubeAccess::of(&subject, &KubeTarget { name: &self.cluster.name, labels: &self.cluster.labels })
    }

    /// Returns the number that grows whenever requests in flight must be looked at again.
    pub(crate) fn epoch_now(&self) -> u64 {
        *self.epoch.borrow()
    }

    /// Returns a receiver that wakes when requests in flight must be looked at again.
    pub(crate) fn epoch(&self) -> watch::Receiver<u64> {
        self.epoch.subscribe()
    }

    /// Has requests in flight looked at again whenever the policy changes, the certificate ends, or the service stops.
    /// Runs beside the connection and never ends.
    pub(crate) async fn keep_watch(&self) {
        let mut changed = self.shared.views.subscribe();
        let mut stopping = self.shared.stopping.subscribe();
        let mut expired = self.verified.not_after() <= self.shared.clock.now();
        loop {
            tokio::select! {
                known = changed.changed() => if known.is_err() {
                    std::future::pending::<()>().await;
                },
                known = stopping.changed() => if known.is_err() {
                    std::future::pending::<()>().await;
                },
                () = self.shared.clock.sleep_until(self.verified.not_after()), if !expired => {
                    expired = self.verified.not_after() <= self.shared.clock.now();
                }
            }
            self.epoch.send_modify(|epoch| *epoch += 1);
        }
    }

    /// Notes that streams of this connection were cut, once for each cause.
    pub(crate) fn report_cut(&self, cut: &Cut) {
        let epoch = *self.epoch.borrow();
        if self.reported.swap(epoch, Ordering::Relaxed) == epoch {
            return;
        }
        let body =
            ClientDisconnect { reason: cut.log_text().to_owned(), kubernetes_cluster: Some(self.cluster.name.clone()) };
        self.emit(self.event(Body::ClientDisconnect(body)));
    }

    /// Notes an attempt with a certificate that does not hold, once a minute for each certificate.
    pub(crate) fn report_refused(&self, refusal: &Refusal) {
        if !self.shared.quiet.admits(self.verified.certificate(), self.shared.clock.now()) {
            return;
        }
        let target = Some(self.cluster.name.to_string());
        self.emit(self.event(Body::Auth(AuthAttempt { target })).failed(refusal.to_string()));
    }

    /// Starts an event about this peer.
    pub(crate) fn event(&self, body: Body) -> Event {
        let event = Event::new(body).by(&self.user).proto(Protocol::Kube);
        match self.addr {
            Some(addr) => event.remote(addr),
            None => event,
        }
    }

    fn emit(&self, event: Event) {
        if let Err(error) = self.shared.emitter.emit(event) {
            tracing::error!(error = &error as &dyn std::error::Error, "an event could not be written to the audit log");
        }
    }

    /// Returns the name of the cluster.
    pub(crate) fn cluster_name(&self) -> &KubeClusterName {
        &self.cluster.name
    }
}
