//! Writing to stdout and naming what the system says, the same way in both programs.

use std::io::{self, Write as _};

/// Writes to stdout; a reader that has gone away (`| head -1`) is no error.
///
/// # Errors
/// When stdout cannot be written for another reason.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Says why an operation failed: `permission denied`, without the number that Rust appends.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error") {
        Some(at) => text.get(..at).unwrap_or(&text).to_lowercase(),
        None => text,
    }
}

/// Says what to do when a file or folder cannot be used.
pub fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "check who owns it and its mode",
        io::ErrorKind::StorageFull => "make room on the disk",
        io::ErrorKind::InvalidData => "is it the right file?",
        _ => "check the path",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_no_number() {
        let denied = io::Error::from_raw_os_error(13);
        assert_eq!(
            (reason(&denied).as_str(), advice(&denied)),
            ("permission denied", "check who owns it and its mode")
        );
        assert_eq!(reason(&io::Error::other("Said by us")), "Said by us");
    }
}
