//! The client: login, kubeconfig, short-lived credentials for kubectl.
//!
//! `src/main.rs` only calls into here, so that everything can be tested without a process.

pub mod env;
pub mod error;
pub mod kubeconfig;
pub mod output;
pub mod proxy_addr;
pub mod store;
mod wait;

/// x
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
