//! What both programs show people: text made harmless for a terminal, tables that fit it, and failures in one line.

pub mod escape;
pub mod man;
pub mod output;
pub mod prompt;
pub mod table;
pub mod usage;

pub use escape::{escape, shell_quote};
pub use output::{advice, print, reason};
