//! What both programs show people: text made harmless for a terminal, and tables that fit it.

pub mod escape;
pub mod table;

pub use escape::{escape, shell_quote};
