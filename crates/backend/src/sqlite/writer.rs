//! The writer thread: takes what waits, commits it together, answers each caller for itself.

use std::{fs::File, path::PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use teleport_runtime::Clock;
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    apply::{self, Done, Log, Operation},
    open::{Opened, explain},
    reader::timestamp,
};
use crate::{Error, Revision};

/// Most writes in one transaction.
const BATCH: usize = 256;

/// What the writer is told.
#[derive(Debug)]
pub(super) enum Command {
    /// Do this and answer once it is durable.
    Write { operation: Operation, reply: oneshot::Sender<Result<Done, Error>> },
    /// Finish what waits, then end.
    Close,
}

type Waiting = (Operation, oneshot::Sender<Result<Done, Error>>);

/// The only one that changes the database.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    connection: Connection,
    log: Log,
    clock: Clock,
    committed: watch::Sender<Revision>,
    next_expiry: watch::Sender<Option<Timestamp>>,
    _lock: File,
}

impl Writer {
    pub(super) fn new(
        opened: Opened,
        clock: Clock,
        committed: watch::Sender<Revision>,
        next_expiry: watch::Sender<Option<Timestamp>>,
    ) -> Self {
        let Opened { path, connection, log, lock } = opened;
        Self { path, connection, log, clock, committed, next_expiry, _lock: lock }
    }

    /// Works until the queue is closed and empty.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        self.publish();
        let mut batch: Vec<Waiting> = Vec::new();
        while let Some(command) = queue.blocking_recv() {
            let mut command = Some(command);
            while let Some(next) = command.take() {
                match next {
                    Command::Write { operation, reply } => batch.push((operation, reply)),
                    Command::Close => queue.close(),
                }
                if batch.len() < BATCH {
                    command = queue.try_recv().ok();
                }
            }
            self.commit_all(std::mem::take(&mut batch));
        }
    }

    /// Commits a batch. When the batch as a whole fails each write is tried alone, so that nobody fails for another's write.
    fn commit_all(&mut self, batch: Vec<Waiting>) {
        let operations: Vec<&Operation> = batch.iter().map(|(operation, _)| operation).collect();
        let answers = match self.commit(&operations) {
            Ok(answers) => answers,
            Err(error) if batch.len() < 2 => vec![Err(explain(&self.path, "write", error))],
            Err(_) => operations.iter().map(|operation| self.commit_one(operation)).collect(),
        };
        self.publish();
        for ((_, reply), answer) in batch.into_iter().zip(answers) {
            // A caller that stopped waiting does not want to know.
            let _ = reply.send(answer);
        }
    }

    fn commit_one(&mut self, operation: &Operation) -> Result<Done, Error> {
        match self.commit(&[operation]) {
            Ok(answers) => answers.into_iter().next().unwrap_or(Err(Error::Closed)),
            Err(error) => Err(explain(&self.path, "write", error)),
        }
    }

    fn commit(&mut self, operations: &[&Operation]) -> rusqlite::Result<Vec<Result<Done, Error>>> {
        let mut log = self.log;
        let now = self.clock.now();
        let transaction = Transaction::new(&mut self.connection, TransactionBehavior::Immediate)?;
        let mut answers = Vec::with_capacity(operations.len());
        for operation in operations {
            answers.push(apply::apply(&transaction, &mut log, operation, now)?);
        }
        if log.revision == self.log.revision {
            return Ok(answers);
        }
        apply::seal(&transaction, &mut log)?;
        transaction.commit()?;
        self.log = log;
        Ok(answers)
    }

    /// Tells watchers how far they may read, and the sweeper when the next item ends.
    fn publish(&self) {
        let revision = apply::revision(self.log.revision);
        self.committed.send_if_modified(|last| std::mem::replace(last, revision) != revision);
        let next = self
            .connection
            .prepare_cached("SELECT min(expires) FROM items WHERE expires IS NOT NULL")
            .and_then(|mut earliest| earliest.query_row([], |row| row.get::<_, Option<i64>>(0)));
        match next {
            Ok(next) => {
                let next = next.map(timestamp);
                self.next_expiry.send_if_modified(|last| std::mem::replace(last, next) != next);
            }
            Err(error) => tracing::warn!(%error, "cannot tell when the next item in the store expires"),
        }
    }
}
