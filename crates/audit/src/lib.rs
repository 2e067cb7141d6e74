//! The audit log: what can be said ([`event`]), how it is written before the work ([`Emitter`]), how it travels
//! ([`ship`]) and how it is kept ([`store`]).
//!
//! Services emit; one task per service ships; auth stores, answers queries and verifies.

pub mod emitter;
mod error;
pub mod event;
mod json;
mod patch;
pub mod record;
pub mod ship;
pub mod spool;
pub mod store;

pub use emitter::{Emitter, Entry, WriterInfo};
pub use error::{AuditError, Refused};
pub use event::{Body, Event};
pub use json::LONGEST;
pub use patch::Patch;
pub use record::{Batch, Hash, Record, WriterId};
pub use ship::{Sink, SinkError};
pub use spool::Limits;
pub use store::Store;
