//! The audit log's end at auth: batches of services come in, heads are signed, administrators ask.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use serde_json::Value;
use teleport_api::{
    ApiError, ErrorKind,
    messages::audit::{EventQuery, IntakeReply, RecordBatch, VerifyReport},
};
use teleport_audit::{
    Refused,
    store::{Filter, Logged, Store},
};
use teleport_pki::KeyPair;
use teleport_runtime::{Clock, Stop};
use teleport_types::ServiceId;

use crate::{AuthError, auth::Core, error};

/// How often heads are signed.
const SIGNING: Duration = Duration::from_secs(60);
/// Most events in one answer.
const MOST_EVENTS: usize = 10_000;
/// Events in an answer when nobody says how many.
const USUAL_EVENTS: usize = 100;

/// Takes in a batch of a service's records, and says which one comes next.
pub(crate) async fn deliver(core: &Core, batch: RecordBatch, from: &ServiceId) -> Result<IntakeReply, ApiError> {
    let Some(last) = batch.records.last() else {
        return Err(ApiError::bad_request("the batch holds no records"));
    };
    let next = last.seq() + 1;
    let from = from.clone();
    match blocking(core, move |archive, _| archive.intake(&from, &batch)).await? {
        Ok(()) => Ok(IntakeReply { next }),
        Err(Refused::Expected { expected, .. }) => Ok(IntakeReply { next: expected }),
        Err(Refused::Store(failed)) => Err(error::audit(failed)),
        Err(refused) => Err(ApiError::new(ErrorKind::BadRequest, refused.to_string())),
    }
}

/// Returns the newest events that match, the newest last.
pub(crate) async fn query(core: &Core, query: EventQuery) -> Result<Vec<Value>, ApiError> {
    let EventQuery { from, to, types, user, limit } = query;
    let kinds = types.iter().flat_map(|types| types.split(',')).map(str::trim).filter(|kind| !kind.is_empty());
    let filter = Filter { from, to, kinds: kinds.map(str::to_owned).collect(), user };
    let limit = limit.unwrap_or(USUAL_EVENTS).min(MOST_EVENTS);
    let found = blocking(core, move |archive, _| archive.query(&filter, limit)).await?.map_err(error::audit)?;
    found.iter().rev().map(|event| serde_json::to_value(event).map_err(|error| ApiError::internal(&error))).collect()
}

/// Checks every chain and every signed head.
pub(crate) async fn verify(core: &Core) -> Result<VerifyReport, ApiError> {
    let folder = core.config.audit_dir.clone();
    let report = blocking(core, move |_, key| {
        teleport_audit::store::verify(&folder, |text, signature| key.public().verifies(text, signature))
    });
    let report = report.await?.map_err(error::audit)?;
    Ok(VerifyReport {
        ok: report.is_clean(),
        records: report.records,
        writers: report.writers.len() as u64,
        faults: report.findings.iter().map(ToString::to_string).collect(),
    })
}

/// Signs heads from time to time until told to stop, and once more then.
pub(crate) async fn sign_heads(core: Arc<Core>, clock: Clock, stop: Stop) {
    loop {
        tokio::select! {
            () = stop.requested() => {}
            () = clock.sleep(SIGNING) => {}
        }
        sign_once(&core).await;
        if stop.is_requested() {
            return;
        }
    }
}

/// Signs the heads that moved.
pub(crate) async fn sign_once(core: &Core) {
    let signed = blocking(core, |archive, key| archive.sign_heads(|text| key.sign(text))).await;
    match signed {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::error!(%error, "the heads of the audit log were not signed"),
        Err(error) => tracing::error!(%error, "the heads of the audit log were not signed"),
    }
}

/// The archive works on files, in milliseconds: not on a runtime thread.
pub(crate) async fn blocking<T: Send + 'static>(
    core: &Core,
    work: impl FnOnce(&Store, &KeyPair) -> T + Send + 'static,
) -> Result<T, ApiError> {
    let (archive, authorities) = (core.archive.clone(), Arc::clone(&core.authorities));
    let done = tokio::task::spawn_blocking(move || work(&archive, &authorities.audit)).await;
    done.map_err(|_| AuthError::Worker.into())
}

/// Reads the whole log, handing each event as a line to `each` until that says to stop.
pub(crate) async fn export(
    core: &Core,
    mut each: impl FnMut(String) -> ControlFlow<()> + Send + 'static,
) -> Result<(), ApiError> {
    let lines = move |event: Logged| match serde_json::to_string(&event) {
        Ok(line) => match each(line) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(()),
        },
        Err(error) => {
            tracing::error!(%error, "an audit event cannot be written out");
            Ok(())
        }
    };
    // The inner error is the reader's wish to stop.
    let done = blocking(core, move |archive, _| archive.export(&Filter::default(), lines)).await?;
    done.map(drop).map_err(error::audit)
}
