//! Reading requests, with every refusal in the API's own form.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
};
use http::request::Parts;
use serde::de::DeserializeOwned;
use teleport_api::ApiError;

/// How long a body may take to arrive.
const DEADLINE: Duration = Duration::from_secs(30);

/// A JSON body of exactly this shape.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = tokio::time::timeout(DEADLINE, Bytes::from_request(request, state))
            .await
            .map_err(|_| ApiError::bad_request("the body did not arrive in time"))?
            .map_err(|error| ApiError::bad_request(format!("the body cannot be read: {}", error.body_text())))?;
        // The position is enough; the message of a shape error may repeat the value, which may be a secret.
        serde_json::from_slice(&bytes).map(Self).map_err(|error| match error.classify() {
            serde_json::error::Category::Data if error.to_string().starts_with("unknown field") => {
                ApiError::bad_request(error.to_string())
            }
            _ => ApiError::bad_request(format!(
                "the body is not what this route takes (line {}, column {})",
                error.line(),
                error.column()
            )),
        })
    }
}

/// The segments of the path that stand for names.
#[derive(Debug)]
pub(crate) struct Names<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Names<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(names)) => Ok(Self(names)),
            Err(error) => Err(ApiError::bad_request(format!("the path cannot be read: {}", error.body_text()))),
        }
    }
}

/// The query of exactly this shape.
#[derive(Debug)]
pub(crate) struct Question<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Question<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(question)) => Ok(Self(question)),
            Err(error) => Err(ApiError::bad_request(format!("the query cannot be read: {}", error.body_text()))),
        }
    }
}
