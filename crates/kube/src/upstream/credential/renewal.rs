//! The task that keeps one upstream's credential fresh. One attempt at a time, however many requests ask.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use teleport_runtime::{Backoff, Clock, Stop};
use tokio::sync::watch;

use super::{
    CredentialConfig, CredentialError, Published, exec,
    material::{Made, Recipe},
};
use crate::upstream::Limits;

/// How often files are read again.
const FILES: Duration = Duration::from_secs(60);
/// What a plugin gave is renewed this long before its end, or at half of a short life.
const BEFORE_END: Duration = Duration::from_secs(120);
/// Waits between attempts that fail.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What the task owns.
pub(super) struct Renewal {
    recipe: Recipe,
    publish: watch::Sender<Published>,
    wishes: watch::Receiver<u64>,
    plugin_limit: Duration,
    clock: Clock,
    made: Option<Made>,
}

impl Renewal {
    pub(super) fn new(
        recipe: Recipe,
        publish: watch::Sender<Published>,
        wishes: watch::Receiver<u64>,
        limits: &Limits,
        clock: &Clock,
    ) -> Self {
        Self { recipe, publish, wishes, plugin_limit: limits.plugin, clock: clock.clone(), made: None }
    }

    /// Renews until asked to stop.
    pub(super) async fn run(mut self, stop: Stop) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let mut wishes = self.wishes.clone();
        loop {
            let renewed = tokio::select! {
                () = stop.requested() => return,
                renewed = self.renew() => renewed,
            };
            let next = match renewed {
                Ok(next) => {
                    backoff.reset();
                    next
                }
                Err(error) => {
                    self.fail(error);
                    Some(self.clock.now() + backoff.next_wait())
                }
            };
            let attempt = self.publish.borrow().attempt;
            let due = async {
                match next {
                    Some(next) => self.clock.sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.requested() => return,
                () = due => {}
                wished = wishes.wait_for(|wanted| *wanted > attempt) => {
                    if wished.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Makes what is valid now, publishes it, and says when to do so again.
    async fn renew(&mut self) -> Result<Option<Timestamp>, CredentialError> {
        let texts = self.recipe.read_given().await?;
        let CredentialConfig::Exec(plugin) = &self.recipe.credential else {
            let made = match self.made.take() {
                Some(made) if made.texts == texts => made,
                before => match self.recipe.make(texts, before.as_ref(), None) {
                    Ok(made) => made,
                    Err(error) => {
                        self.made = before;
                        return Err(error);
                    }
                },
            };
            self.succeed(made);
            return Ok(self.recipe.reads_files().then(|| self.clock.now() + FILES));
        };
        let given = exec::run(plugin, self.plugin_limit).await?;
        let now = self.clock.now();
        let expires = given.expires;
        if expires.is_some_and(|end| end <= now) {
            return Err(plugin.failed("gave a credential that has already expired; is this machine's clock right?"));
        }
        let made = self.recipe.make(texts.with_plugin(given), self.made.as_ref(), expires)?;
        self.succeed(made);
        Ok(expires.map(|end| renewal_time(now, end)))
    }

    fn succeed(&mut self, made: Made) {
        let outcome = Some(Ok(Arc::clone(&made.material)));
        self.made = Some(made);
        self.publish(outcome);
    }

    /// What is still valid stays; a failure is shown to requests only when nothing is.
    fn fail(&self, error: CredentialError) {
        let error = Arc::new(error);
        tracing::warn!(
            endpoint = %self.recipe.endpoint,
            error = %chain(&error),
            "the credential for a Kubernetes API cannot be renewed"
        );
        let outcome = match &self.made {
            Some(made) if made.material.is_valid(&self.clock) => Ok(Arc::clone(&made.material)),
            _ => Err(error),
        };
        self.publish(Some(outcome));
    }

    fn publish(&self, outcome: Option<Result<Arc<super::Material>, Arc<CredentialError>>>) {
        let at = Some(self.clock.now());
        self.publish.send_modify(|published| {
            *published = Published { attempt: published.attempt + 1, at, outcome };
        });
    }
}

fn renewal_time(now: Timestamp, end: Timestamp) -> Timestamp {
    let life = Duration::try_from(end.duration_since(now)).unwrap_or_default();
    now + life.saturating_sub(BEFORE_END).max(life / 2)
}

/// An error and what caused it, on one line.
fn chain(error: &CredentialError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_credentials_are_renewed_two_minutes_early_and_short_ones_at_half_their_life() {
        let now = Timestamp::UNIX_EPOCH;
        let renewed_after = |secs| renewal_time(now, now + Duration::from_secs(secs)).as_second();
        assert_eq!(renewed_after(3600), 3480);
        assert_eq!(renewed_after(240), 120);
        assert_eq!(renewed_after(60), 30);
    }
}
