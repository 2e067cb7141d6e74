//! Asking for the password: on the terminal without echo; from stdin when that is no terminal.

use std::io::{self, BufRead as _, IsTerminal as _};

use teleport_types::UserName;

use crate::error::{Error, reason};
use teleport_terminal::{escape, prompt};

/// Longer than any password that auth accepts.
const LONGEST: u64 = 4096;

/// Asks until there is an answer; the network goes on meanwhile.
pub(super) async fn ask(user: &UserName) -> Result<String, Error> {
    let before = prompt::Settings::now();
    let settings = before.clone();
    let question = format!("Password for {}: ", escape(user.as_str()));
    let asked = tokio::task::spawn_blocking(move || match io::stdin().is_terminal() {
        true => on_terminal(&question, &settings),
        false => first_line(io::stdin().lock()),
    });
    tokio::select! {
        answer = asked => answer.expect("asking does not panic"),
        _ = tokio::signal::ctrl_c() => before.restore_and_exit(),
    }
}

fn on_terminal(prompt: &str, before: &prompt::Settings) -> Result<String, Error> {
    match rpassword::prompt_password(prompt) {
        Ok(password) if password.is_empty() => Err(none("you typed no password", "try again")),
        Ok(password) => Ok(password),
        // The signal may reach this thread first.
        Err(error) if error.kind() == io::ErrorKind::Interrupted => before.restore_and_exit(),
        Err(error) => Err(none(
            &format!("the password cannot be asked for: {}", reason(&error)),
            "give it on stdin: tsh login < password.txt",
        )),
    }
}

fn first_line(input: impl io::BufRead) -> Result<String, Error> {
    let mut line = String::new();
    let hint = "give it as the first line, or run tsh on a terminal";
    if let Err(error) = input.take(LONGEST).read_line(&mut line) {
        return Err(none(&format!("the password cannot be read from stdin: {}", reason(&error)), hint));
    }
    match line.trim_end_matches(['\n', '\r']) {
        "" => Err(none("there is no password on stdin", hint)),
        password => Ok(password.to_owned()),
    }
}

fn none(what: &str, hint: &str) -> Error {
    Error::usage(what, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_password_with_its_spaces() {
        for (input, want) in [("secret\n", "secret"), ("secret", "secret"), (" a b \r\nmore\n", " a b ")] {
            assert_eq!(first_line(input.as_bytes()).expect(input), want);
        }
        for input in [&b""[..], b"\n", b"\xff\xfe\n"] {
            first_line(input).expect_err("no password");
        }
    }
}
