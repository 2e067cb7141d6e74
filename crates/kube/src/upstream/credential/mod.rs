//! How we prove to a cluster who we are, kept fresh by one task per upstream and published to the requests.
//!
//! Files are read again once a minute and at once when the cluster refused what they held; a plugin is run again before
//! what it gave expires. Requests only look at what is published; they wait when there is nothing valid yet.

mod exec;
mod material;
mod renewal;
mod source;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use teleport_runtime::{Clock, TaskGroup};
use tokio::sync::watch;

pub use exec::ExecPlugin;
pub use source::Source;

pub(super) use material::{Material, Recipe};

use super::Limits;

/// How one proves who one is, as configured.
#[derive(Clone, Debug)]
pub enum CredentialConfig {
    /// What is given in the configuration or in files; any of the two may be absent.
    Given {
        /// A client certificate chain and its key, PEM.
        certificate: Option<(Source, Source)>,
        /// A bearer token.
        token: Option<Source>,
    },
    /// What a program prints.
    Exec(Box<ExecPlugin>),
}

/// Why there is no credential.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// A file cannot be read.
    #[error("cannot read {what} from {path}")]
    File {
        /// What it holds.
        what: &'static str,
        /// Which file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// What was read is not what it should be.
    #[error("{what} cannot be used: {reason}")]
    Unusable {
        /// What it should be.
        what: &'static str,
        /// Why it is not.
        reason: String,
    },
    /// The plugin gave nothing.
    #[error("the credential plugin {command:?} {reason}")]
    Plugin {
        /// Which program.
        command: String,
        /// What it did; holds what it wrote to stderr, never what it printed.
        reason: String,
    },
    /// What we have has expired, or nothing came yet.
    #[error("no valid credential came within {} s", .0.as_secs_f32())]
    Late(Duration),
    /// The service is stopping.
    #[error("the service is stopping")]
    Stopped,
}

/// What the requests see.
#[derive(Clone, Default)]
struct Published {
    /// Grows with each attempt to renew.
    attempt: u64,
    /// When the last attempt ended.
    at: Option<Timestamp>,
    /// What it came to; `None` before the first. A failure stands here only when nothing valid is left.
    outcome: Option<Result<Arc<Material>, Arc<CredentialError>>>,
}

impl Published {
    fn shows(&self, material: &Material) -> bool {
        matches!(&self.outcome, Some(Ok(shown)) if shown.proves_the_same_as(material))
    }
}

/// The credential of one upstream.
pub(super) struct Credential {
    published: watch::Receiver<Published>,
    /// The attempt that requests wish for; smaller or equal to the last one when they are content.
    wanted: watch::Sender<u64>,
    kind: Kind,
    patience: Duration,
    clock: Clock,
}

/// Where it comes from decides what a refusal by the cluster can lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It is what it is.
    Fixed,
    /// Reading costs nothing.
    Files,
    /// A plugin may be slow, and clients can provoke refusals: not more often than this.
    Plugin,
}

/// How soon requests that meet a failure bring about the next attempt.
const FAILURE_REST: Duration = Duration::from_secs(5);
/// How long a plugin's answer is believed after a refusal.
const PLUGIN_REST: Duration = Duration::from_secs(10);

impl Credential {
    /// Starts reading and renewing in a task of `tasks`.
    pub(super) fn start(recipe: Recipe, limits: &Limits, clock: &Clock, tasks: &TaskGroup) -> Self {
        let (publish, published) = watch::channel(Published::default());
        let (wanted, wishes) = watch::channel(0);
        let kind = match (&recipe.credential, recipe.reads_files()) {
            (CredentialConfig::Exec(_), _) => Kind::Plugin,
            (CredentialConfig::Given { .. }, true) => Kind::Files,
            (CredentialConfig::Given { .. }, false) => Kind::Fixed,
        };
        let renewal = renewal::Renewal::new(recipe, publish, wishes, limits, clock);
        tasks.spawn("credential", renewal.run(tasks.stop_signal()));
        let patience = limits.plugin + Duration::from_secs(1);
        Self { published, wanted, kind, patience, clock: clock.clone() }
    }

    /// Returns what is valid now; waits only when nothing is.
    pub(super) async fn current(&self) -> Result<Arc<Material>, Arc<CredentialError>> {
        let seen = self.published.borrow().clone();
        match seen.outcome {
            Some(Ok(material)) if material.is_valid(&self.clock) => Ok(material),
            Some(Err(error)) => {
                if seen.at.is_none_or(|at| self.is_past(at, FAILURE_REST)) {
                    self.want_after(seen.attempt);
                }
                Err(error)
            }
            Some(Ok(_)) => {
                self.want_after(seen.attempt);
                self.after(seen.attempt).await
            }
            None => self.after(seen.attempt).await,
        }
    }

    /// Says that the cluster refused `used`; the next attempt comes soon, nobody waits for it.
    pub(super) fn doubt(&self, used: &Material) {
        let seen = self.published.borrow().clone();
        if self.may_ask_again(&seen) && seen.shows(used) {
            self.want_after(seen.attempt);
        }
    }

    /// Says that the cluster refused `used` and returns another credential if there is one now.
    pub(super) async fn renewed(&self, used: &Material) -> Option<Arc<Material>> {
        let seen = self.published.borrow().clone();
        if let Some(Ok(material)) = &seen.outcome
            && !material.proves_the_same_as(used)
        {
            return Some(Arc::clone(material));
        }
        if !self.may_ask_again(&seen) {
            return None;
        }
        self.want_after(seen.attempt);
        self.after(seen.attempt).await.ok().filter(|material| !material.proves_the_same_as(used))
    }

    /// Returns the hash of the authority that the server must be signed by; `None` without one, or when it is unknown.
    pub(super) async fn authority(&self) -> Option<String> {
        self.current().await.ok().and_then(|material| material.authority.clone())
    }

    fn may_ask_again(&self, seen: &Published) -> bool {
        match self.kind {
            Kind::Fixed => false,
            Kind::Files => true,
            Kind::Plugin => seen.at.is_none_or(|at| self.is_past(at, PLUGIN_REST)),
        }
    }

    fn is_past(&self, since: Timestamp, rest: Duration) -> bool {
        self.clock.now().duration_since(since).unsigned_abs() >= rest
    }

    /// Wishes for the attempt after `attempt`; many wishes for one attempt lead to one.
    fn want_after(&self, attempt: u64) {
        self.wanted.send_if_modified(|wanted| {
            let more = *wanted < attempt + 1;
            *wanted = (*wanted).max(attempt + 1);
            more
        });
    }

    /// Waits for the end of an attempt later than `attempt`.
    async fn after(&self, attempt: u64) -> Result<Arc<Material>, Arc<CredentialError>> {
        let mut published = self.published.clone();
        let later = published.wait_for(|published| published.attempt > attempt);
        let outcome = match tokio::time::timeout(self.patience, later).await {
            Ok(Ok(published)) => published.outcome.clone(),
            Ok(Err(_)) => return Err(Arc::new(CredentialError::Stopped)),
            Err(_) => return Err(Arc::new(CredentialError::Late(self.patience))),
        };
        outcome.unwrap_or_else(|| Err(Arc::new(CredentialError::Late(self.patience))))
    }
}
