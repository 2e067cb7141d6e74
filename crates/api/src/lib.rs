//! The contract between processes: the `/v1/` requests and answers, the client, and the watched view of the cluster.
//!
//! Services, `tsh` and `tctl` speak to the auth service through this crate alone, in one process or across hosts.

pub mod audit_sink;
pub mod client;
pub mod error;
pub mod messages;
pub mod routes;
pub mod snapshot;

pub use audit_sink::AuditSink;
pub use client::{Client, ClientError, Security};
pub use error::{ApiError, ErrorKind};
pub use snapshot::{ClusterState, KubeServer, StatePublisher, StateWatch};
