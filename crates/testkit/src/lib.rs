//! A whole cluster of real processes and fakes of the outside world, for tests and the demo only.

#![allow(clippy::panic, reason = "a test that cannot go on should say so at once")]

pub mod client;
pub mod common;
pub mod envtest;
pub mod kubesim;
pub mod matrix;
pub mod process;
pub mod programs;
pub mod skip;
pub mod system;
pub mod wait;
pub mod world;

pub use skip::skip;
pub use system::{Laptop, PASSWORD, System};
pub use world::World;
