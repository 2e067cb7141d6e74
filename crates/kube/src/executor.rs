//! Lets hyper start its tasks in a group that someone owns.

use teleport_runtime::TaskGroup;

/// An executor whose tasks belong to a group.
#[derive(Clone, Debug)]
pub(crate) struct GroupExecutor {
    tasks: TaskGroup,
}

impl GroupExecutor {
    pub(crate) fn new(tasks: TaskGroup) -> Self {
        Self { tasks }
    }
}

impl<F> hyper::rt::Executor<F> for GroupExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        self.tasks.spawn("http", task);
    }
}
