//! How the project waits, stops and writes: clock, owned task groups, drain, back-off, atomic files.
//!
//! Nothing of the product lives here; every other crate may call it.

pub mod atomic_file;
pub mod backoff;
pub mod clock;
pub mod random;
pub mod tasks;

pub use backoff::Backoff;
pub use clock::Clock;
pub use tasks::{Stop, TaskGroup};
