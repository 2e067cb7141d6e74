//! What exec and attach have in common, whatever carries them: the streams wanted, and the ends of the pipes.

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::kubesim::query::Query;

/// Pieces that wait in each pipe before the sender is held back.
const DEPTH: usize = 16;

/// Which streams the client asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) stdin: bool,
    pub(super) stdout: bool,
    pub(super) stderr: bool,
    pub(super) tty: bool,
}

impl Wanted {
    /// Reads the query of an exec or attach; a terminal has no separate stderr.
    pub(super) fn of(query: &Query) -> Self {
        let tty = query.flag("tty");
        Self { stdin: query.flag("stdin"), stdout: query.flag("stdout"), stderr: query.flag("stderr") && !tty, tty }
    }
}

/// The size of the client's terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: u16,
    pub(super) rows: u16,
}

impl Size {
    /// Reads the JSON of a resize channel.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let document: Value = serde_json::from_slice(text).ok()?;
        let number = |key: &str| document[key].as_u64().and_then(|number| u16::try_from(number).ok());
        Some(Self { columns: number("Width")?, rows: number("Height")? })
    }
}

/// Output of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Output {
    Stdout(Bytes),
    Stderr(Bytes),
}

/// The process's ends of the pipes.
pub(super) struct Inner {
    pub(super) stdin: mpsc::Receiver<Bytes>,
    pub(super) resize: mpsc::Receiver<Size>,
    pub(super) output: mpsc::Sender<Output>,
}

/// The client's ends of the pipes; a `None` end of stdin is closed.
pub(super) struct Outer {
    pub(super) stdin: Option<mpsc::Sender<Bytes>>,
    pub(super) resize: mpsc::Sender<Size>,
    pub(super) output: mpsc::Receiver<Output>,
}

/// Makes the pipes between a client and a process.
pub(super) fn pipes(wanted: Wanted) -> (Outer, Inner) {
    let (stdin, process_stdin) = mpsc::channel(DEPTH);
    let (resize, process_resize) = mpsc::channel(DEPTH);
    let (process_output, output) = mpsc::channel(DEPTH);
    (
        Outer { stdin: Some(stdin).filter(|_| wanted.stdin), resize, output },
        Inner { stdin: process_stdin, resize: process_resize, output: process_output },
    )
}

/// Words the end of a process for the error channel.
pub(super) fn ended(code: i32) -> Value {
    if code == 0 {
        return json!({"metadata": {}, "status": "Success"});
    }
    json!({
        "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
        "message": format!("command terminated with non-zero exit code: exit status {code}"),
        "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
    })
}
