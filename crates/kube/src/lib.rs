//! The Kubernetes service: verifies who asks, decides, impersonates, forwards, records.
//!
//! The daemon starts it and hands it connections whose ClientHello names one of its clusters. The walk of a request is
//! in `handler.rs`.

mod body;
mod cluster;
mod config;
mod error;
mod executor;
mod forward;
mod guard;
mod handler;
pub mod headers;
pub mod metrics;
mod peer;
mod quiet;
mod record;
mod refusal;
pub mod register;
mod self_review;
mod server;
mod service;
pub mod status;
mod upgrade;
pub mod upstream;
mod view;

pub use config::{KubeConfig, Limits, Source};
pub use error::KubeError;
pub use service::{KubeParts, KubeService};
