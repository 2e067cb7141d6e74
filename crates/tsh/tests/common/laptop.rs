//! A laptop: a home folder of its own and the `tsh` under test.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

/// A home folder that is gone afterwards.
pub struct Laptop(TempDir);

/// What a program left.
#[derive(Debug)]
pub struct Ended {
    /// Exit code.
    pub code: i32,
    /// Its stdout.
    pub out: String,
    /// Its stderr.
    pub err: String,
}

impl Laptop {
    /// Makes an empty home.
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("temp dir"))
    }

    /// Returns the home folder.
    pub fn home(&self) -> &Path {
        self.0.path()
    }

    /// Returns the kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.home().join("kubeconfig")
    }

    /// Returns a path below the folder of `tsh`.
    pub fn store(&self, path: &str) -> PathBuf {
        self.home().join("tsh-home").join(path)
    }

    /// Makes a command in this home and no other surroundings.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tsh"));
        command
            .args(args)
            .env_clear()
            .env("HOME", self.home())
            .env("TELEPORT_HOME", self.store(""))
            .env("KUBECONFIG", self.kubeconfig())
            .env("TZ", "UTC")
            .env("USER", "alice");
        command
    }

    /// Runs `tsh` with nothing on stdin.
    pub fn tsh(&self, args: &[&str]) -> Ended {
        run(&mut self.command(args), "")
    }

    /// Runs `tsh` with something on stdin.
    pub fn tsh_with(&self, args: &[&str], input: &str) -> Ended {
        run(&mut self.command(args), input)
    }
}

/// Runs a command to its end.
pub fn run(command: &mut Command, input: &str) -> Ended {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    // It may end without reading.
    let _ = child.stdin.take().expect("stdin").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    Ended {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

impl Ended {
    /// Insists on success.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// Insists on one `ERROR:` line that contains a text, and exit code 1.
    #[track_caller]
    pub fn error(self, part: &str) -> Self {
        assert_eq!(self.code, 1, "{self:?}");
        let errors: Vec<&str> = self.err.lines().filter(|line| line.starts_with("ERROR: ")).collect();
        assert_eq!(errors.len(), 1, "{self:?}");
        assert!(errors[0].contains(part), "{self:?}");
        self
    }
}
