//! The daemon: from a configuration to running services, and the admin tool beside it.
//!
//! The binary is a thin shell around this library, so that tests run the same code in their own process.

#![warn(clippy::print_stdout, reason = "it panics when the reader has gone away; output::print does not")]

pub mod cli;
pub mod config;
pub mod ctl;
pub mod diag;
pub mod join;
pub mod logging;
mod man;
mod output;
pub mod run;
pub mod services;
pub mod status;
