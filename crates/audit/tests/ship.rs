//! Shipping: everything arrives, in order, however often the store fails, and whoever is stopped in between.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use common::*;
use teleport_audit::{
    Batch, Emitter, Sink, SinkError, ship,
    store::{Filter, LocalSink, verify},
};
use teleport_runtime::TaskGroup;
use tokio::sync::watch;

/// A store behind a bad line: fails a number of times, loses some answers, and tells how much it has.
#[derive(Clone)]
struct BadLine {
    store: LocalSink,
    failures: Arc<Mutex<usize>>,
    /// Every so many deliveries arrive, and their answer does not.
    loses_answer: usize,
    count: Arc<Mutex<usize>>,
    arrived: watch::Sender<u64>,
}

impl BadLine {
    fn new(store: LocalSink, failures: usize) -> Self {
        let (failures, count) = (Arc::new(Mutex::new(failures)), Arc::default());
        Self { store, failures, loses_answer: 3, count, arrived: watch::Sender::new(0) }
    }

    fn unavailable() -> SinkError {
        SinkError::Unavailable("status 500".into())
    }
}

impl Sink for BadLine {
    async fn deliver(&self, batch: &Batch) -> Result<(), SinkError> {
        {
            let mut failures = self.failures.lock().unwrap();
            if *failures > 0 {
                *failures -= 1;
                return Err(Self::unavailable());
            }
        }
        self.store.deliver(batch).await?;
        self.arrived.send_replace(batch.records.last().unwrap().seq());
        let count = {
            let mut count = self.count.lock().unwrap();
            *count += 1;
            *count
        };
        if count.is_multiple_of(self.loses_answer) { Err(Self::unavailable()) } else { Ok(()) }
    }
}

fn emit(emitter: &Emitter, count: usize) {
    (0..count).for_each(|number| emitter.emit(attempt(&format!("{number}"))).unwrap());
}

async fn arrived(sink: &BadLine, seq: u64) {
    sink.arrived.subscribe().wait_for(|arrived| *arrived >= seq).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_for_a_day_loses_nothing() {
    let (spool, log) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let emitter = Emitter::open_with(spool.path(), noon(), info(), small(8 << 20, 20_000)).unwrap();
    let store = open_store(log.path());
    let sink = BadLine::new(LocalSink::new(store.clone(), server()), 3500);
    emit(&emitter, 2000);
    emitter.synced().await.unwrap();
    let tasks = TaskGroup::new("test");
    let start = tokio::time::Instant::now();
    tasks.spawn("ship", ship::run(emitter.clone(), sink.clone(), tasks.stop_signal()));
    arrived(&sink, 2000).await;
    assert!(start.elapsed() > Duration::from_secs(14 * 3600), "{:?}", start.elapsed());
    emit(&emitter, 500);
    emitter.synced().await.unwrap();
    arrived(&sink, 2500).await;
    assert_eq!(tasks.drain(Duration::from_secs(60)).await, 0);
    assert_eq!(store.query(&Filter::default(), usize::MAX).unwrap().len(), 2500);
    assert!(verify(log.path(), |_, _| true).unwrap().is_clean());
    assert_eq!(emitter.spool().confirmed(), 2500);
}

#[tokio::test]
async fn what_is_left_is_shipped_when_told_to_stop() {
    let (spool, log) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let emitter = emitter(spool.path());
    let store = open_store(log.path());
    let tasks = TaskGroup::new("test");
    emit(&emitter, 1200);
    tasks.request_stop();
    ship::run(emitter, LocalSink::new(store.clone(), server()), tasks.stop_signal()).await;
    assert_eq!(store.query(&Filter::default(), usize::MAX).unwrap().len(), 1200);
}

#[tokio::test]
async fn a_store_that_lost_its_end_gets_it_again() {
    let (spool, log) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let emitter = emitter(spool.path());
    emit(&emitter, 10);
    let tasks = TaskGroup::new("test");
    tasks.request_stop();
    let first = tempfile::tempdir().unwrap();
    let sink = LocalSink::new(open_store(first.path()), server());
    ship::run(emitter.clone(), sink, tasks.stop_signal()).await;
    assert_eq!(emitter.spool().confirmed(), 10);
    // A backup from before the first delivery takes the place of the store.
    let store = open_store(log.path());
    emit(&emitter, 5);
    ship::run(emitter, LocalSink::new(store.clone(), server()), tasks.stop_signal()).await;
    assert_eq!(store.query(&Filter::default(), usize::MAX).unwrap().len(), 15);
    assert!(verify(log.path(), |_, _| true).unwrap().is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_does_not_keep_the_service_from_stopping() {
    struct Silent;
    impl Sink for Silent {
        async fn deliver(&self, _: &Batch) -> Result<(), SinkError> {
            std::future::pending().await
        }
    }
    let spool = tempfile::tempdir().unwrap();
    let emitter = emitter(spool.path());
    emit(&emitter, 10);
    emitter.synced().await.unwrap();
    let tasks = TaskGroup::new("test");
    tasks.spawn("ship", ship::run(emitter.clone(), Silent, tasks.stop_signal()));
    assert_eq!(tasks.drain(Duration::from_secs(60)).await, 0);
    assert_eq!(emitter.spool().confirmed(), 0);
}
