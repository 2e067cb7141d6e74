//! Audit records on their way to auth, and questions about the log.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Body of `POST /v1/audit/records`: records of one writer, in order.
pub use teleport_audit::Batch as RecordBatch;

/// Answer: how far the writer's chain has been stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IntakeReply {
    /// The sequence number auth wants next from this writer; the batch counts as stored only when it lies behind it.
    pub next: u64,
}

/// Query of `GET /v1/audit/events`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventQuery {
    /// Not before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// Event types, joined by commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<String>,
    /// Only this user's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// At most so many, the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Answer of `GET /v1/audit/verify`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VerifyReport {
    /// Whether every chain is whole and every signed head is reached.
    pub ok: bool,
    /// How many records were read.
    pub records: u64,
    /// How many writers.
    pub writers: u64,
    /// What is wrong, the first of each writer, in words.
    #[serde(default)]
    pub faults: Vec<String>,
}
