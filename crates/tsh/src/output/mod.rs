//! What the user sees: times, and the choice of text, JSON or YAML.

pub mod time;

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use crate::{cli::Format, error::Error};

/// What a command has to say. A failure beside it is told afterwards, on stderr.
#[derive(Debug, Default)]
#[must_use]
pub struct Printed {
    /// For stdout, line ends included.
    pub text: String,
    /// What did not work although there is something to say.
    pub failure: Option<Error>,
}

impl Printed {
    /// Says only this.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), failure: None }
    }

    /// Says a value for programs.
    pub fn value(format: Format, value: &impl Serialize) -> Self {
        Self::text(match format {
            Format::Yaml => serde_saphyr::to_string(value).expect("views serialize"),
            Format::Text | Format::Json => {
                format!("{}\n", serde_json::to_string_pretty(value).expect("views serialize"))
            }
        })
    }
}

/// Writes to stdout; a reader that has gone away is no error.
///
/// # Errors
/// When stdout cannot be written for another reason.
pub fn print(text: &str) -> Result<(), Error> {
    teleport_terminal::print(text).map_err(|error| Error::File {
        what: format!("cannot write to stdout: {}", crate::error::reason(&error)),
        hint: "check where the output goes".into(),
        source: Some(error.into()),
    })
}

/// Writes a line to stderr, for people; that it cannot is no error.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Tells whether stdout may be coloured: a terminal, and `NO_COLOR` not set.
pub fn may_colour() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
