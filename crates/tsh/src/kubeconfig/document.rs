//! One kubeconfig file: its text, what it says, and its text again after a change.

use std::{fs, io, os::unix::fs::PermissionsExt as _, path::Path};

use serde_json::{Map, Value};
use serde_saphyr::{options, ser_options};
use teleport_runtime::atomic_file;

use super::splice;
use crate::error::Error;

/// The three lists of a kubeconfig.
pub(super) const SECTIONS: [&str; 3] = ["clusters", "contexts", "users"];

/// Mode of a file made by us.
const NEW_FILE_MODE: u32 = 0o600;

/// A kubeconfig as found on disk, beside what it should become.
#[derive(Debug)]
pub(super) struct Document {
    text: String,
    mode: u32,
    before: Value,
    /// What the file should say; always an object whose sections are lists of objects.
    pub(super) now: Map<String, Value>,
}

impl Document {
    /// Reads a file; one that is absent or empty says nothing.
    ///
    /// # Errors
    /// When it cannot be read or is no kubeconfig; names the line.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let (text, mode) = match fs::read(path) {
            Ok(bytes) => {
                let mode = fs::metadata(path).map_err(|error| Error::file("read", path, error))?.permissions().mode();
                let text = String::from_utf8(bytes).map_err(|_| broken(path, "it is not UTF-8 text"))?;
                (text, mode & 0o777)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => (String::new(), NEW_FILE_MODE),
            Err(error) => return Err(Error::file("read", path, error)),
        };
        let before = parse(&text).map_err(|reason| broken(path, &reason))?;
        let now = check_shape(&before).map_err(|reason| broken(path, &reason))?;
        Ok(Self { text, mode, before, now })
    }

    /// Writes the file when what it should say differs from what it says.
    ///
    /// # Errors
    /// Any error of the file system; the old file is then untouched.
    pub(super) fn write(&self, path: &Path) -> Result<(), Error> {
        let now = Value::Object(self.now.clone());
        if now == self.before || (self.before.is_null() && self.now.is_empty()) {
            return Ok(());
        }
        let text = render(&self.text, &self.before, &now);
        atomic_file::write(path, text.as_bytes(), self.mode).map_err(|error| Error::file("write", path, error))
    }
}

/// Reads YAML (or JSON, which is YAML) as kubectl does; numbers that would change when written again stay text.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Value::Null);
    }
    let options = options! {
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| one_line(&error))
}

/// Renders a value as kubectl would lay it out: two spaces, no folding of long texts.
pub(super) fn to_yaml(value: &Value) -> String {
    let options = ser_options! { prefer_block_scalars: false, compact_list_indent: true };
    serde_saphyr::to_string_with_options(value, options).expect("JSON values have only string keys")
}

/// Changes the text in place where that says exactly `now`; otherwise writes the whole again, in its own format.
fn render(text: &str, before: &Value, now: &Value) -> String {
    if let Some(spliced) = splice::splice(text, before, now)
        && parse(&spliced).as_ref() == Ok(now)
    {
        return spliced;
    }
    if serde_json::from_str::<Value>(text).is_ok() {
        return format!("{now:#}\n");
    }
    to_yaml(now)
}

fn check_shape(value: &Value) -> Result<Map<String, Value>, String> {
    let fields = match value {
        Value::Null => return Ok(Map::new()),
        Value::Object(fields) => fields,
        _ => return Err("it is not a mapping".into()),
    };
    for section in SECTIONS {
        match fields.get(section) {
            None | Some(Value::Null) => {}
            Some(Value::Array(items)) => {
                if let Some(at) = items.iter().position(|item| item.get("name").and_then(Value::as_str).is_none()) {
                    return Err(format!("entry {} of {section} has no name", at + 1));
                }
            }
            Some(_) => return Err(format!("{section} is not a list")),
        }
    }
    match fields.get("current-context") {
        None | Some(Value::Null | Value::String(_)) => Ok(fields.clone()),
        Some(_) => Err("current-context is not a text".into()),
    }
}

fn one_line(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    let text = text.lines().next().unwrap_or_default().to_owned();
    match error.location() {
        Some(at) if !text.contains("line ") => format!("line {}, column {}: {text}", at.line(), at.column()),
        _ => text,
    }
}

fn broken(path: &Path, reason: &str) -> Error {
    Error::Kubeconfig {
        what: format!("{} is not a kubeconfig: {reason}", path.display()),
        hint: "nothing was changed in it; correct it or move it away".into(),
    }
}
