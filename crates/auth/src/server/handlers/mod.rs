//! One function for each route: takes the proof that the caller may, reads the request, and calls what does the work.

pub(crate) mod admin;
pub(crate) mod audit;
pub(crate) mod public;
pub(crate) mod resources;
pub(crate) mod service;
pub(crate) mod user;

use axum::Json;
use teleport_api::ApiError;

/// What a handler answers.
pub(crate) type Answer<T> = Result<Json<T>, ApiError>;
