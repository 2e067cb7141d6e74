//! What the user sees: escaping, times, tables, and the choice of text, JSON or YAML.

pub mod escape;
pub mod time;
