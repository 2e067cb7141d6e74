//! Owned tasks: every task belongs to a group that can tell it to stop, wait for it, and at last cut it.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinSet};

/// The one way a task is told to stop. Clones watch the same signal.
#[derive(Clone, Debug)]
pub struct Stop {
    signal: watch::Receiver<bool>,
}

impl Stop {
    /// Waits until the owner asks to stop; returns at once when it already has. Cancel safe.
    pub async fn requested(&self) {
        let mut signal = self.signal.clone();
        // An owner that is gone counts as a request.
        let _ = signal.wait_for(|stop| *stop).await;
    }

    /// Tells whether the owner has asked to stop.
    pub fn is_requested(&self) -> bool {
        *self.signal.borrow() || self.signal.has_changed().is_err()
    }
}

/// A set of named tasks with one owner.
///
/// Dropping the group aborts what still runs; [`TaskGroup::drain`] is the polite way.
#[derive(Clone, Debug)]
pub struct TaskGroup {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: &'static str,
    stop: watch::Sender<bool>,
    tasks: std::sync::Mutex<JoinSet<()>>,
}

impl TaskGroup {
    /// Makes an empty group; `name` stands in its log lines.
    pub fn new(name: &'static str) -> Self {
        Self {
            inner: Arc::new(Inner {
                name,
                stop: watch::Sender::new(false),
                tasks: std::sync::Mutex::new(JoinSet::new()),
            }),
        }
    }

    /// Returns the signal that this group's tasks watch.
    pub fn stop_signal(&self) -> Stop {
        Stop { signal: self.inner.stop.subscribe() }
    }

    /// Starts a task in the group and reaps the ones that have ended; a panic in a task is logged, never lost.
    pub fn spawn<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut tasks = self.lock();
        while let Some(ended) = tasks.try_join_next() {
            report(self.inner.name, ended);
        }
        let group = self.inner.name;
        // An async block holds what it captures and what it awaits: by value, each task would take its size twice.
        let task = Box::pin(task);
        tasks.spawn(async move {
            tracing::trace!(group, task = name, "task started");
            task.await;
            tracing::trace!(group, task = name, "task ended");
        });
    }

    /// Returns how many tasks have not been reaped yet.
    pub fn len(&self) -> usize {
        let mut tasks = self.lock();
        while let Some(ended) = tasks.try_join_next() {
            report(self.inner.name, ended);
        }
        tasks.len()
    }

    /// Tells whether no task runs.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Asks every task to stop without waiting.
    pub fn request_stop(&self) {
        self.inner.stop.send_replace(true);
    }

    /// Asks every task to stop, waits up to `grace` for them, then cuts the rest. Returns how many were cut.
    pub async fn drain(&self, grace: Duration) -> usize {
        self.request_stop();
        let mut tasks = std::mem::take(&mut *self.lock());
        let name = self.inner.name;
        let all_ended = async {
            while let Some(ended) = tasks.join_next().await {
                report(name, ended);
            }
        };
        if tokio::time::timeout(grace, all_ended).await.is_ok() {
            return 0;
        }
        let cut = tasks.len();
        tracing::warn!(group = name, cut, "tasks did not stop in time and were cut");
        tasks.shutdown().await;
        cut
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, JoinSet<()>> {
        self.inner.tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn report(group: &'static str, ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(group, %error, "a task panicked");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn drain_waits_for_tasks_that_heed_the_signal() {
        let group = TaskGroup::new("test");
        let stop = group.stop_signal();
        group.spawn("polite", async move { stop.requested().await });
        assert_eq!(group.drain(Duration::from_secs(60)).await, 0);
    }

    #[tokio::test]
    async fn drain_cuts_tasks_that_ignore_the_signal() {
        let group = TaskGroup::new("test");
        group.spawn("deaf", std::future::pending());
        assert_eq!(group.drain(Duration::from_millis(1)).await, 1);
    }

    #[tokio::test]
    async fn a_group_that_is_gone_counts_as_a_request_to_stop() {
        let group = TaskGroup::new("test");
        let stop = group.stop_signal();
        drop(group);
        assert!(stop.is_requested());
        stop.requested().await;
    }
}
