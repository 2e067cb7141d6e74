//! Jittered exponential back-off for anything that reconnects.

use std::time::Duration;

use crate::random;

/// Doubles from `first` to `most`; each wait is drawn from the upper half of the current step.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    step: Duration,
}

impl Backoff {
    /// Makes a back-off that starts at `first` and never waits longer than `most`.
    pub fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, step: first }
    }

    /// Returns the next wait and doubles the step.
    pub fn next_wait(&mut self) -> Duration {
        let step = self.step.min(self.most);
        self.step = step.saturating_mul(2).min(self.most);
        step / 2 + (step / 2).mul_f64(random::fraction())
    }

    /// Starts again from the first step, after a success.
    pub fn reset(&mut self) {
        self.step = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_below_the_most() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        for step in [100, 200, 400, 800, 1000, 1000] {
            let wait = backoff.next_wait();
            assert!(wait >= Duration::from_millis(step / 2) && wait <= Duration::from_millis(step), "{wait:?}");
        }
        backoff.reset();
        assert!(backoff.next_wait() <= Duration::from_millis(100));
    }
}
