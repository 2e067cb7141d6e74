//! A whole cluster of real processes and fakes of the outside world, for tests and the demo only.

pub mod client;
pub mod common;
pub mod envtest;
pub mod kubesim;
pub mod matrix;
pub mod process;
pub mod programs;
pub mod skip;
pub mod system;
pub mod world;

pub use skip::skip;
pub use system::{Laptop, PASSWORD, System};
pub use world::World;
