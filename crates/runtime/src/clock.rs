//! The clock everything reads: the system's in production, one moved by hand in tests.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::sync::watch;

/// A source of the current time that can also wait for a point in time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<watch::Sender<Timestamp>>),
}

/// The longest single sleep on the system clock, so that a jump of the wall clock is noticed soon.
const RECHECK: Duration = Duration::from_secs(30);

impl Clock {
    /// Returns the clock of the machine.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// Returns a clock that stands at `start` until [`Clock::advance`] or [`Clock::set`] moves it.
    pub fn manual(start: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(watch::Sender::new(start))))
    }

    /// Returns the current time.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => machine_time(),
            Source::Manual(now) => *now.borrow(),
        }
    }

    /// Moves a manual clock forward and wakes the sleepers it passes; does nothing on the system clock.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(now) = &self.0 {
            now.send_modify(|now| *now = now.saturating_add(by).unwrap_or(Timestamp::MAX));
        }
    }

    /// Sets a manual clock, backwards too; does nothing on the system clock.
    pub fn set(&self, to: Timestamp) {
        if let Source::Manual(now) = &self.0 {
            now.send_replace(to);
        }
    }

    /// Waits until the clock shows `deadline` or later. Cancel safe.
    pub async fn sleep_until(&self, deadline: Timestamp) {
        match &self.0 {
            Source::System => loop {
                let now = machine_time();
                let Ok(left) = Duration::try_from(deadline.duration_since(now)) else {
                    return;
                };
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(RECHECK)).await;
            },
            Source::Manual(now) => {
                let mut now = now.subscribe();
                // The sender lives as long as `self`, so this cannot fail.
                let _ = now.wait_for(|now| *now >= deadline).await;
            }
        }
    }

    /// Waits for a span of time on this clock. Cancel safe.
    pub async fn sleep(&self, span: Duration) {
        let deadline = self.now().saturating_add(span).unwrap_or(Timestamp::MAX);
        self.sleep_until(deadline).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
fn machine_time() -> Timestamp {
    Timestamp::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn manual_clock_wakes_sleepers_it_passes() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let sleeper = {
            let clock = clock.clone();
            tokio::spawn(async move { clock.sleep(Duration::from_secs(60)).await })
        };
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(59));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_secs(1));
        sleeper.await.expect("the sleeper ends");
    }

    #[tokio::test]
    async fn a_deadline_in_the_past_is_over_at_once() {
        let clock = Clock::system();
        clock.sleep_until(Timestamp::UNIX_EPOCH).await;
    }
}
