//! The client: login, kubeconfig, short-lived credentials for kubectl.
//!
//! `src/main.rs` only calls into here, so that everything can be tested without a process.

pub mod error;
pub mod kubeconfig;
pub mod output;
pub mod proxy_addr;
