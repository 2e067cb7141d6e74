//! Waiting in the parts that run without a runtime: kubeconfig and credential locks.

use std::time::{Duration, Instant};

/// Calls `attempt` until it gives something or `patience` is over; at least once.
pub(crate) fn retry<T>(patience: Duration, pause: Duration, mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(got) = attempt() {
            return Some(got);
        }
        if Instant::now() >= deadline {
            return None;
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "file locks have no event to wait for, and no runtime runs here"
        )]
        std::thread::sleep(pause);
    }
}
