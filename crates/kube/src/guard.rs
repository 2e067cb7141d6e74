//! Looks at requests in flight again whenever something changed: certificate, locks, roles, or the service's own end.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use teleport_types::{
    KubeAction,
    access::{
        Denied,
        impersonation::{ActsAs, Asked, acts_as},
        kube::Permit,
    },
};

use crate::{headers, metrics::Open, peer::Peer, refusal::Refusal, view::View};

/// Why a stream was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The user or their certificate is no longer welcome; the text is for both sides.
    Standing(String),
    /// Roles no longer allow it, or allow it as someone else.
    Policy(String),
    /// The service stops.
    Stopping,
}

impl Cut {
    /// Returns what the client may know.
    pub(crate) fn client_text(&self) -> &str {
        match self {
            Self::Standing(text) => text,
            Self::Policy(_) => "access was taken away by a change of roles",
            Self::Stopping => "the Kubernetes service stops; try again",
        }
    }

    /// Returns what the log needs.
    pub(crate) fn log_text(&self) -> &str {
        match self {
            Self::Standing(text) | Self::Policy(text) => text,
            Self::Stopping => "the service stops",
        }
    }
}

/// What a request in flight was allowed.
pub(crate) struct Granted {
    /// Whose it is.
    pub(crate) peer: Arc<Peer>,
    /// What was allowed.
    pub(crate) permit: Permit,
    /// What the client asked to act as.
    pub(crate) asked: headers::Asked,
}

impl Granted {
    /// Decides whether the peer may do this, and as whom.
    pub(crate) fn decide(
        peer: &Arc<Peer>,
        view: &View,
        action: KubeAction,
        asked: headers::Asked,
    ) -> Result<Self, Refusal> {
        let permit = peer.with_access(view, |access| access.authorize(action)).map_err(Refusal::Denied)?;
        let granted = Self { peer: Arc::clone(peer), permit, asked };
        granted.choose(&granted.permit).map_err(Refusal::Denied)?;
        Ok(granted)
    }

    /// Returns as whom the request goes to Kubernetes.
    pub(crate) fn acts_as(&self) -> ActsAs<'_> {
        self.choose(&self.permit).expect("the choice was possible when it was granted")
    }

    fn choose<'p>(&self, permit: &'p Permit) -> Result<ActsAs<'p>, Denied> {
        let asked = Asked {
            users: self.asked.users.iter().map(String::as_str).collect(),
            groups: self.asked.groups.iter().map(String::as_str).collect(),
            other: self.asked.others.first().map(String::as_str),
        };
        acts_as(permit, &asked, self.peer.user.user.as_str())
    }

    /// Decides again; `Some` says why the request must end.
    fn recheck(&self) -> Option<Cut> {
        if *self.peer.shared.stopping.borrow() {
            return Some(Cut::Stopping);
        }
        let view = self.peer.shared.views.current();
        if let Err(refusal) = self.peer.check_standing(&view) {
            return Some(Cut::Standing(refusal.status().message().to_owned()));
        }
        let action = self.permit.action().clone();
        let permit = match self.peer.with_access(&view, |access| access.authorize(action)) {
            Ok(permit) => permit,
            Err(denied) => return Some(Cut::Policy(denied.log)),
        };
        match self.choose(&permit) {
            Ok(now) if now == self.acts_as() => None,
            _ => Some(Cut::Policy("the roles now give other Kubernetes users or groups".to_owned())),
        }
    }

    /// Notes the cut in the audit log.
    pub(crate) fn report(&self, cut: &Cut) {
        self.peer.shared.metrics.cut.inc();
        self.peer.report_cut(cut);
    }
}

/// Watches over one request.
pub(crate) struct Guard {
    granted: Arc<Granted>,
    seen: u64,
    waiting: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    _open: Open,
}

impl Guard {
    /// Starts to watch; what the request was granted was decided after `seen`, an epoch of its peer.
    pub(crate) fn new(granted: Arc<Granted>, seen: u64) -> Self {
        let _open = granted.peer.shared.metrics.opened();
        Self { granted, seen, waiting: None, _open }
    }

    /// Returns what it watches over.
    pub(crate) fn granted(&self) -> &Arc<Granted> {
        &self.granted
    }

    /// Completes when the request must end. To be called for each frame, and again whenever the task wakes.
    pub(crate) fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<Cut> {
        loop {
            let epoch = self.granted.peer.epoch_now();
            if epoch != self.seen {
                self.seen = epoch;
                self.waiting = None;
                if let Some(cut) = self.granted.recheck() {
                    return Poll::Ready(cut);
                }
            }
            let waiting = self.waiting.get_or_insert_with(|| {
                let mut epochs = self.granted.peer.epoch();
                Box::pin(async move {
                    // A peer that is gone has no requests in flight.
                    let _ = epochs.wait_for(|now| *now != epoch).await;
                })
            });
            match waiting.as_mut().poll(cx) {
                Poll::Ready(()) => self.waiting = None,
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Waits until the request must end. Cancel safe.
    pub(crate) async fn cut(&mut self) -> Cut {
        std::future::poll_fn(|cx| self.poll_cut(cx)).await
    }

    /// Runs something that may take long; gives up when the request must end.
    pub(crate) async fn watch<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Refusal> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            cut = self.cut() => {
                self.granted.report(&cut);
                Err(Refusal::Cut(cut.client_text().to_owned()))
            }
        }
    }
}
