//! Where hyper's own tasks run: in the upstream's group, so that they end with it.

use std::{
    pin::Pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use hyper::rt::Executor;
use tokio::sync::Notify;

use crate::upstream::Inner;

/// Spawns hyper's tasks and, until told otherwise, says each time one of them has run.
///
/// hyper shows the server's stream limit but does not say when it has come; it comes while its connection task runs.
#[derive(Clone)]
pub(super) struct Tasks {
    upstream: Weak<Inner>,
    ran: Arc<Ran>,
}

/// Tells that one of hyper's tasks has run.
#[derive(Default)]
pub(super) struct Ran {
    pub(super) notify: Notify,
    pub(super) settled: AtomicBool,
}

impl Tasks {
    pub(super) fn new(upstream: Weak<Inner>) -> Self {
        Self { upstream, ran: Arc::default() }
    }

    pub(super) fn ran(&self) -> Arc<Ran> {
        Arc::clone(&self.ran)
    }
}

impl<F> Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        // Without an upstream the connection is going down and the task with it.
        if let Some(upstream) = self.upstream.upgrade() {
            upstream.tasks.spawn("http2", Reporting { task: Box::pin(task), ran: self.ran() });
        }
    }
}

struct Reporting<F> {
    task: Pin<Box<F>>,
    ran: Arc<Ran>,
}

impl<F: Future<Output = ()>> Future for Reporting<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let polled = self.task.as_mut().poll(cx);
        if !self.ran.settled.load(Ordering::Relaxed) {
            self.ran.notify.notify_one();
        }
        polled
    }
}
