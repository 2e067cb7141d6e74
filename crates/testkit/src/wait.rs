//! Waiting for what other processes do, which send no signal: asked again and again, up to a limit. For tests that block.

use std::time::{Duration, Instant};

/// How long something may take that should happen soon, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

const PAUSE: Duration = Duration::from_millis(20);

/// Asks until there is an answer; `None` when there was none within the limit. Asks once at least.
pub fn for_some<T>(within: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + within;
    loop {
        let answer = ask();
        if answer.is_some() || Instant::now() >= deadline {
            return answer;
        }
        #[expect(clippy::disallowed_methods, reason = "the one place of the tests that blocks between two looks")]
        std::thread::sleep(PAUSE);
    }
}

/// Asks until it is so; tells whether it was within the limit.
pub fn until(within: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    for_some(within, || is_so().then_some(())).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_the_wait_and_the_limit_does() {
        let mut asked = 0;
        let third = for_some(PATIENCE, || {
            asked += 1;
            (asked == 3).then_some(asked)
        });
        assert_eq!(third, Some(3));
        assert!(!until(Duration::ZERO, || false));
        assert!(until(Duration::ZERO, || true));
    }
}
