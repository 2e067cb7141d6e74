//! A program that runs beside us, writes to a log file, and ends with us.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

/// How long a program may take until it says that it is ready.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running program.
pub(crate) struct Child {
    process: std::process::Child,
    log: PathBuf,
}

impl Child {
    /// Starts a program; what it prints goes to the file.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let process = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        Ok(Self { process, log: log.to_owned() })
    }

    /// Returns the process id; `taskset` replaces itself by the program, so it is the program's.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits for a line that holds `part`, and returns it.
    ///
    /// # Errors
    /// When the program ends, or says no such thing in time.
    pub(crate) fn wait_for_line(&self, part: &str) -> Result<String> {
        let begun = Instant::now();
        loop {
            let said = std::fs::read_to_string(&self.log).unwrap_or_default();
            // The last line may not be whole yet.
            let whole = said.rsplit_once('\n').map_or("", |(whole, _)| whole);
            if let Some(line) = whole.lines().find(|line| line.contains(part)) {
                return Ok(line.to_owned());
            }
            if begun.elapsed() > PATIENCE || !Path::new(&format!("/proc/{}/exe", self.id())).exists() {
                bail!("no line with {part:?}:\n{said}");
            }
            pause(Duration::from_millis(2));
        }
    }

    /// Asks the program to end and waits for it.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub(crate) fn stop(self) -> Result<()> {
        crate::system::run(Command::new("kill").arg(self.id().to_string()))?;
        self.wait()
    }

    /// Waits for a program that was told to end.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub(crate) fn wait(mut self) -> Result<()> {
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // A polite end first: nginx has a worker that must end with it.
        if matches!(self.process.try_wait(), Ok(None)) {
            drop(Command::new("kill").arg(self.id().to_string()).status());
            let begun = Instant::now();
            while matches!(self.process.try_wait(), Ok(None)) && begun.elapsed() < Duration::from_secs(5) {
                pause(Duration::from_millis(5));
            }
        }
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Waits, for programs that cannot be awaited.
#[expect(clippy::disallowed_methods, reason = "nothing else runs on this thread while a program starts or ends")]
fn pause(span: Duration) {
    std::thread::sleep(span);
}
