//! The daemon: from a configuration to running services, and the admin tool beside it.
//!
//! The binary is a thin shell around this library, so that tests run the same code in their own process.

pub mod cli;
pub mod config;
pub mod ctl;
pub mod diag;
pub mod join;
pub mod logging;
pub mod run;
pub mod services;
pub mod status;
