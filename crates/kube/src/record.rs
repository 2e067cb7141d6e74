//! What the audit log is told about a request: before it is forwarded, and at its end, whatever that is.

use jiff::Timestamp;
use teleport_audit::{
    Body, Entry, Patch,
    event::{Exec, KubePod, KubeRequest, KubeTarget, Port, SessionEnd, SessionId, SessionStart},
};
use teleport_types::{
    access::impersonation::ActsAs,
    kube_action::{ApiVerb, KubeAction, KubeScope},
};

use crate::{
    guard::Cut,
    metrics::{Outcome, What},
    peer::Peer,
    refusal::Refusal,
};

/// The record of one request. Discovery has no entry in the log unless it is refused; it is counted.
pub(crate) struct Record {
    entry: Option<Entry>,
    /// What is written only when it is refused.
    unwritten: Option<Box<KubeRequest>>,
    what: What,
    code: u16,
}

/// How an answer ended.
#[derive(Debug)]
pub(crate) enum End {
    /// To its last byte.
    Whole,
    /// The client went away, as one that follows a stream does in the end.
    ClientGone,
    /// The API server's side broke.
    Broken(String),
    /// We cut it.
    Cut(Cut),
}

impl Record {
    /// Writes the begin of a request. What cannot be written must not be forwarded.
    pub(crate) fn begin(peer: &Peer, action: &KubeAction, method: &str, sid: SessionId) -> Result<Self, Refusal> {
        if is_discovery(action) {
            let unwritten = Some(Box::new(request(peer, action, method)));
            return Ok(Self { entry: None, unwritten, what: What::Discovery, code: 0 });
        }
        let body = match action.verb {
            ApiVerb::Exec => Body::Exec(Exec {
                target: target(peer),
                pod: pod(action),
                command: action.parameters("command").join(" "),
                exit_code: None,
                exit_error: None,
            }),
            ApiVerb::PortForward => {
                let pod = pod(action);
                let ports = action.parameters("ports").join(",");
                let addr = if ports.is_empty() { pod.name.clone() } else { format!("{}:{ports}", pod.name) };
                Body::Port(Port { target: target(peer), pod, addr })
            }
            _ => Body::KubeRequest(request(peer, action, method)),
        };
        let event = peer.event(body);
        let event = if is_session(action) { event.session(sid) } else { event };
        let entry = peer.shared.emitter.begin(event).map_err(Refusal::Audit)?;
        Ok(Self { entry: Some(entry), unwritten: None, what: What::Request, code: 0 })
    }

    /// Writes down a request that could not be understood.
    pub(crate) fn unreadable(peer: &Peer, method: &str, path: &str, refusal: &Refusal) {
        peer.shared.metrics.count(What::Request, Outcome::Refused);
        let body = KubeRequest {
            target: target(peer),
            request_path: path.chars().take(2048).collect(),
            verb: method.chars().take(32).collect(),
            response_code: None,
            resource_api_group: None,
            resource_namespace: None,
            resource_kind: None,
            resource_name: None,
        };
        write_refused(peer, body, refusal);
    }

    /// Notes as whom the request goes to Kubernetes.
    pub(crate) fn acts_as(&mut self, acts: &ActsAs<'_>) {
        if let Some(entry) = &mut self.entry {
            let groups = acts.groups.iter().map(|group| (*group).to_owned()).collect();
            entry.amend(Patch::default().impersonated(vec![acts.user.to_owned()], groups));
        }
    }

    /// Notes the code of the answer.
    pub(crate) fn answered(&mut self, code: u16) {
        self.code = code;
        if let Some(entry) = &mut self.entry {
            entry.amend(Patch::default().response_code(code));
        }
    }

    /// Closes the record of a request that was refused or got no answer.
    pub(crate) fn refused(self, peer: &Peer, refusal: &Refusal) {
        let outcome = match refusal {
            Refusal::Upstream(_) | Refusal::Credential | Refusal::Redirect(_) => Outcome::Failed,
            _ => Outcome::Refused,
        };
        peer.shared.metrics.count(self.what, outcome);
        if let Some(entry) = self.entry {
            entry.complete(Patch::failure(refusal.chain()).response_code(refusal.status().code().as_u16()));
        } else if let (Some(body), Outcome::Refused) = (self.unwritten, outcome) {
            write_refused(peer, *body, refusal);
        }
    }

    /// Closes the record of a request that was answered.
    pub(crate) fn ended(self, peer: &Peer, end: &End, carried: (u64, u64)) {
        peer.shared.metrics.count(self.what, Outcome::Forwarded);
        let Some(entry) = self.entry else { return };
        let patch = match end {
            End::Whole if self.code < 400 => Patch::success(),
            End::Whole => Patch::failure(format!("the API server answered {}", self.code)),
            End::ClientGone => Patch::success().message("the client closed before the end"),
            End::Broken(error) => Patch::interrupted(error.as_str()),
            End::Cut(cut) => Patch::interrupted(cut.log_text()),
        };
        let patch = if carried == (0, 0) { patch } else { patch.bytes(carried.0, carried.1) };
        entry.complete(patch);
    }
}

/// Writes down a request that is over already, since it was refused.
fn write_refused(peer: &Peer, mut body: KubeRequest, refusal: &Refusal) {
    body.response_code = Some(refusal.status().code().as_u16());
    let event = peer.event(Body::KubeRequest(body)).failed(refusal.chain());
    if let Err(error) = peer.shared.emitter.emit(event) {
        tracing::warn!(error = &error as &dyn std::error::Error, "a refused request could not be written down");
    }
}

/// A session as it runs, for the two events around it.
pub(crate) struct Session {
    id: SessionId,
    target: KubeTarget,
    pod: KubePod,
    command: Vec<String>,
    interactive: bool,
    started: Timestamp,
}

impl Session {
    /// Writes the start; `None` for what is no session.
    pub(crate) fn start(
        peer: &Peer,
        action: &KubeAction,
        acts: &ActsAs<'_>,
        id: SessionId,
    ) -> Result<Option<Self>, Refusal> {
        if !is_session(action) {
            return Ok(None);
        }
        let mut target = target(peer);
        target.kubernetes_users = vec![acts.user.to_owned()];
        target.kubernetes_groups = acts.groups.iter().map(|group| (*group).to_owned()).collect();
        let session = Self {
            id,
            target,
            pod: pod(action),
            command: action.parameters("command"),
            interactive: action.flag("tty"),
            started: peer.shared.clock.now(),
        };
        let body = SessionStart {
            target: session.target.clone(),
            pod: session.pod.clone(),
            terminal_size: None,
            initial_command: session.command.clone(),
            session_recording: "off".to_owned(),
            reason: None,
        };
        peer.shared.emitter.emit(peer.event(Body::SessionStart(body)).session(id)).map_err(Refusal::Audit)?;
        Ok(Some(session))
    }

    /// Writes the end.
    pub(crate) fn end(self, peer: &Peer) {
        let body = SessionEnd {
            target: self.target,
            pod: self.pod,
            participants: vec![peer.user.user.to_string()],
            interactive: self.interactive,
            initial_command: self.command,
            session_recording: "off".to_owned(),
            session_start: self.started,
            session_stop: peer.shared.clock.now(),
        };
        if let Err(error) = peer.shared.emitter.emit(peer.event(Body::SessionEnd(body)).session(self.id)) {
            tracing::error!(error = &error as &dyn std::error::Error, "the end of a session could not be written down");
        }
    }
}

/// exec and attach are sessions; what is behind other upgrades is not.
fn is_session(action: &KubeAction) -> bool {
    action.verb == ApiVerb::Exec
}

fn is_discovery(action: &KubeAction) -> bool {
    matches!(action.scope, KubeScope::NonResource { .. }) && action.verb == ApiVerb::Get
}

fn target(peer: &Peer) -> KubeTarget {
    let mut target = KubeTarget::named(peer.cluster.name.clone());
    target.kubernetes_labels.clone_from(&peer.cluster.labels);
    target
}

fn pod(action: &KubeAction) -> KubePod {
    let resource = action.resource().cloned().unwrap_or_default();
    KubePod {
        name: resource.name,
        namespace: resource.namespace,
        container: action.parameters("container").into_iter().next(),
        image: None,
        node: None,
    }
}

fn request(peer: &Peer, action: &KubeAction, method: &str) -> KubeRequest {
    let own = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let resource = action.resource();
    let kind = resource.map(|resource| match resource.subresource.as_str() {
        "" => resource.resource.clone(),
        subresource => format!("{}/{subresource}", resource.resource),
    });
    KubeRequest {
        target: target(peer),
        request_path: action.path().to_owned(),
        verb: method.to_owned(),
        response_code: None,
        resource_api_group: resource.map(|resource| resource.group.clone()),
        resource_namespace: resource.and_then(|resource| own(&resource.namespace)),
        resource_kind: kind,
        resource_name: resource.and_then(|resource| own(&resource.name)),
    }
}
