//! A program under test as a child process: its output is kept, and it ends with the test.

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

/// A running program whose lines on standard output and error are collected.
pub struct Process {
    child: Child,
    lines: Arc<Lines>,
}

#[derive(Default)]
struct Lines {
    seen: Mutex<Vec<String>>,
    more: Condvar,
}

impl Process {
    /// Starts a program.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let lines = Arc::new(Lines::default());
        collect(child.stdout.take().expect("piped"), Arc::clone(&lines));
        collect(child.stderr.take().expect("piped"), Arc::clone(&lines));
        Self { child, lines }
    }

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line that holds `part` and returns it.
    ///
    /// # Panics
    /// When none comes in time; the message holds everything printed.
    pub fn wait_for_line(&self, part: &str, within: Duration) -> String {
        let deadline = Instant::now() + within;
        let mut seen = self.lines.seen.lock().expect("no reader panicked");
        loop {
            if let Some(line) = seen.iter().find(|line| line.contains(part)) {
                return line.clone();
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                panic!("no line with {part:?} within {within:?}:\n{}", seen.join("\n"));
            };
            seen = self.lines.more.wait_timeout(seen, left).expect("no reader panicked").0;
        }
    }

    /// Returns everything printed so far.
    pub fn output(&self) -> String {
        self.lines.seen.lock().expect("no reader panicked").join("\n")
    }

    /// Sends a signal, by its `kill` name: TERM, KILL, STOP.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()).status();
        assert!(sent.expect("kill runs").success(), "the process is gone already:\n{}", self.output());
    }

    /// Waits for the end of the program.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn wait(&mut self, within: Duration) -> ExitStatus {
        let ended = || self.child.try_wait().expect("the child is ours");
        let status = crate::wait::for_some(within, ended);
        status.unwrap_or_else(|| panic!("it did not end within {within:?}:\n{}", self.output()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(from: impl std::io::Read + Send + 'static, lines: Arc<Lines>) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            lines.seen.lock().expect("no reader panicked").push(line);
            lines.more.notify_all();
        }
    });
}

/// How a program ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Exit code; 128 and more for a signal.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ended {
    /// Returns itself when the exit code is 0.
    ///
    /// # Panics
    /// When it is not.
    #[must_use]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Returns standard output and error as one text.
    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// Runs a program to its end, with `input` on its standard input.
///
/// # Panics
/// When it cannot be started or does not end within two minutes.
pub fn run(command: &mut Command, input: &[u8]) -> Ended {
    use std::os::unix::process::ExitStatusExt as _;

    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_vec();
    // A program that ends without reading closes the pipe; that is its right.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let id = child.id();
    let watchdog = Watchdog::start(id, Duration::from_secs(120));
    let output = child.wait_with_output().expect("the child is ours");
    watchdog.dismiss(command);
    writer.join().expect("the writer does not panic");
    let status = output.status;
    Ended {
        code: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Kills a program that takes too long, so that a hang is a failure and not a hung test run.
struct Watchdog {
    done: std::sync::mpsc::Sender<()>,
    thread: std::thread::JoinHandle<bool>,
}

impl Watchdog {
    fn start(id: u32, limit: Duration) -> Self {
        let (done, ended) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let timed_out = ended.recv_timeout(limit).is_err();
            if timed_out {
                let _ = Command::new("kill").arg("-KILL").arg(id.to_string()).status();
            }
            timed_out
        });
        Self { done, thread }
    }

    fn dismiss(self, command: &Command) {
        let _ = self.done.send(());
        assert!(!self.thread.join().expect("the watchdog does not panic"), "{command:?} was killed: it hung");
    }
}

/// Makes a command whose environment holds only what is named here.
pub fn clean_command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_else(|| OsStr::new("/usr/bin:/bin").into()));
    command
}
