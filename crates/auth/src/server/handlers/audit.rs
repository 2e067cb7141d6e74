//! Routes of the audit log.

use std::{ops::ControlFlow, sync::Arc};

use axum::{Extension, Json, extract::State, response::Response};
use serde_json::Value;
use teleport_api::{
    ApiError,
    messages::{
        audit::{EventQuery, IntakeReply, RecordBatch, VerifyReport},
        user::Items,
    },
};

use super::Answer;
use crate::{
    auth::Core,
    intake,
    server::{
        extract::{Body, Question},
        lines,
        peer::{Admin, Member},
    },
};

pub(crate) async fn deliver(
    State(core): State<Arc<Core>>,
    Extension(member): Extension<Member>,
    Body(batch): Body<RecordBatch>,
) -> Answer<IntakeReply> {
    intake::deliver(&core, batch, &member.identity.id).await.map(Json)
}

pub(crate) async fn events(
    State(core): State<Arc<Core>>,
    _: Extension<Admin>,
    Question(query): Question<EventQuery>,
) -> Answer<Items<Value>> {
    Ok(Json(Items { items: intake::query(&core, query).await? }))
}

pub(crate) async fn verify(State(core): State<Arc<Core>>, _: Extension<Admin>) -> Answer<VerifyReport> {
    intake::verify(&core).await.map(Json)
}

pub(crate) async fn export(State(core): State<Arc<Core>>, _: Extension<Admin>) -> Result<Response, ApiError> {
    let (sender, response) = lines::channel();
    let exporting = Arc::clone(&core);
    core.streams.spawn("audit export", async move {
        let each = move |line: String| match sender.send_blocking(line) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        if let Err(error) = intake::export(&exporting, each).await {
            tracing::error!(%error, "an export of the audit log broke off");
        }
    });
    Ok(response)
}
