//! The closed loop: on each connection the next request follows the answer to the one before.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use anyhow::Result;
use futures_util::future::try_join_all;

use super::{Outcome, Plan};
use crate::target::Sender;

/// Sends until the time or the number is used up.
pub(super) async fn run(plan: &Plan, senders: Vec<Sender>) -> Result<Outcome> {
    let (begun, left) = (Instant::now(), AtomicU64::new(plan.most));
    let until = begun + plan.lasts;
    let workers = senders.into_iter().map(|sender| work(plan, sender, until, &left));
    let mut outcome = Outcome::new();
    for part in try_join_all(workers).await? {
        outcome.merge(&part);
    }
    outcome.took = begun.elapsed();
    Ok(outcome)
}

async fn work(plan: &Plan, mut sender: Sender, until: Instant, left: &AtomicU64) -> Result<Outcome> {
    let mut outcome = Outcome::new();
    let mut now = Instant::now();
    while now < until && left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
        outcome.bytes += sender.get(&plan.path).await?;
        let answered = Instant::now();
        outcome.latencies.record(answered - now);
        now = answered;
    }
    Ok(outcome)
}
