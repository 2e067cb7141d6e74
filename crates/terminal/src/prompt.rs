//! Asking for a secret hides what is typed; whoever is interrupted there must give the terminal back as it was.

use std::io::{self, Write as _};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// Exit code of a program that Ctrl-C ended, as shells know it.
const INTERRUPTED: i32 = 130;

/// The settings of the terminal on stdin at one moment.
#[derive(Clone)]
pub struct Settings(Option<Termios>);

impl Settings {
    /// Remembers them; where stdin is no terminal there is nothing to remember.
    pub fn now() -> Self {
        Self(tcgetattr(io::stdin()).ok())
    }

    /// Sets them again and ends the program, as Ctrl-C would have: whoever waits for the terminal cannot be told to stop.
    pub fn restore_and_exit(&self) -> ! {
        if let Some(settings) = &self.0 {
            // That it cannot is no error: there is nobody to see it.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, settings);
        }
        let _ = io::stderr().write_all(b"\n");
        std::process::exit(INTERRUPTED)
    }
}
