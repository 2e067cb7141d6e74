//! What the program writes: answers on stdout, and a failure as one line with what to do.

use std::{io, path::Path};

use anyhow::{Context as _, Result, anyhow};
use teleport_api::ClientError;
use teleport_terminal::{advice, escape, reason};

/// Writes to stdout; a reader that has gone away is no error.
pub(crate) fn print(text: &str) -> Result<()> {
    teleport_terminal::print(text).context("cannot write to stdout")
}

/// Writes a line to stdout.
pub(crate) fn line(text: &str) -> Result<()> {
    print(&format!("{text}\n"))
}

/// Makes the error of a file operation named by its verb: `cannot read PATH: why; what to do`.
pub(crate) fn file_error(verb: &str, path: &Path, error: &io::Error) -> anyhow::Error {
    anyhow!("cannot {verb} {}: {}; {}", path.display(), reason(error), advice(error))
}

/// Reads a text file.
pub(crate) fn read_file(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| file_error("read", path, &error))
}

/// Joins an error and its causes into one line, each said once, and adds what to do where none of them says it.
pub(crate) fn one_line(error: &anyhow::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = cause.to_string().replace(['\n', '\r'], " ");
        let text = without_number(&text);
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
    }
    let mut line = parts.join(": ");
    if let Some(hint) = hint(error).filter(|_| !line.contains("; ")) {
        line = format!("{line}; {hint}");
    }
    escape(&line)
}

/// Cuts the number that Rust appends to what the system says.
fn without_number(text: &str) -> String {
    match text.rfind(" (os error ") {
        Some(at) => text.get(..at).unwrap_or(text).to_owned(),
        None => text.to_owned(),
    }
}

/// Says what to do about causes that know nothing of the program around them.
fn hint(error: &anyhow::Error) -> Option<&'static str> {
    for cause in error.chain() {
        match cause.downcast_ref::<ClientError>() {
            Some(ClientError::Unreachable { .. }) => return Some("check the address, and that teleport runs there"),
            Some(ClientError::Broken(_) | ClientError::Deadline) => {
                return Some("try again; the log of teleport says more");
            }
            _ => {}
        }
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            return Some(match error.kind() {
                io::ErrorKind::AddrInUse => "stop what listens there (ss -ltnp shows it), or set another address",
                io::ErrorKind::AddrNotAvailable => "set an address of this host",
                io::ErrorKind::ConnectionRefused => "check the address, and that teleport runs there",
                io::ErrorKind::PermissionDenied => {
                    "run as a user who may: ports below 1024 and system folders need root"
                }
                _ => advice(error),
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_and_says_each_cause_once() {
        let error = anyhow!("no such\nfile").context("cannot read x: no such file").context("bad configuration");
        assert_eq!(one_line(&error), "bad configuration: cannot read x: no such file");
        assert_eq!(one_line(&anyhow!("a\u{1b}[2Jb")), "a\\u{1b}[2Jb");
    }

    #[test]
    fn what_the_system_says_comes_with_what_to_do() {
        let busy = anyhow::Error::from(io::Error::from_raw_os_error(98)).context("cannot listen on 0.0.0.0:443");
        assert_eq!(
            one_line(&busy),
            "cannot listen on 0.0.0.0:443: Address already in use; stop what listens there (ss -ltnp shows it), or set another address"
        );
        let said = anyhow!("x exists; choose another").context("cannot write");
        assert_eq!(one_line(&said), "cannot write: x exists; choose another");
    }
}
