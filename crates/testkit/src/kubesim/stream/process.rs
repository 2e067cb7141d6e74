//! Real processes on this host, each pod in a folder of its own, with pipes or a pseudo-terminal.
//!
//! Nothing here is a sandbox: whoever may exec may run anything as the user that started the simulator.

use std::{
    fs::File,
    io,
    os::fd::OwnedFd,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::Arc,
};

use bytes::Bytes;
use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::unix::pipe,
    process::Child,
    sync::mpsc,
};

use super::remote::{Inner, Output, Size, ended};
use crate::kubesim::{logs::Logs, status::Status};

const CHUNK: usize = 32 * 1024;

/// A command in a pod.
pub(super) struct Command {
    pub(super) argv: Vec<String>,
    pub(super) tty: bool,
    pub(super) hostname: String,
    pub(super) folder: PathBuf,
}

/// What runs behind the streams.
pub(super) enum Work {
    Exec(Command),
    Attach { logs: Arc<Logs>, namespace: String, pod: String },
}

impl Work {
    /// Runs to the end and returns the document for the error channel.
    pub(super) async fn run(self, io: Inner) -> Value {
        match self {
            Self::Exec(command) => match exec(&command, io).await {
                Ok(code) => ended(code),
                Err(error) => {
                    let name = command.argv.first().map_or("", String::as_str);
                    let why = match error.kind() {
                        io::ErrorKind::NotFound => "executable file not found in $PATH".to_owned(),
                        _ => error.to_string(),
                    };
                    Status::internal(format!("error executing command in container: exec: \"{name}\": {why}"))
                        .document()
                }
            },
            Self::Attach { logs, namespace, pod } => {
                attach(&logs, &namespace, &pod, io).await;
                ended(0)
            }
        }
    }
}

async fn exec(command: &Command, io: Inner) -> io::Result<i32> {
    std::fs::create_dir_all(&command.folder)?;
    let status = if command.tty { with_terminal(command, io).await? } else { with_pipes(command, io).await? };
    Ok(code(status))
}

fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

fn prepare(program: &str, arguments: &[String], command: &Command) -> tokio::process::Command {
    let mut prepared = tokio::process::Command::new(program);
    let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
    prepared
        .args(arguments)
        .current_dir(&command.folder)
        .env_clear()
        .env("PATH", path)
        .env("HOME", &command.folder)
        .env("HOSTNAME", &command.hostname)
        .kill_on_drop(true);
    prepared
}

async fn with_pipes(command: &Command, mut io: Inner) -> io::Result<ExitStatus> {
    let (program, arguments) = command.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut child = prepare(program, arguments, command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take();
    let feed = async {
        while let Some(piece) = io.stdin.recv().await {
            let Some(pipe) = stdin.as_mut() else { break };
            if pipe.write_all(&piece).await.is_err() {
                break;
            }
        }
        // The end of the client's input is the end of the process's.
        drop(stdin.take());
        std::future::pending::<()>().await;
    };
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let output = io.output;
    let drain = async { tokio::join!(copy(stdout, &output, Output::Stdout), copy(stderr, &output, Output::Stderr)) };
    tokio::select! {
        status = ended_and_drained(&mut child, drain) => status,
        () = feed => child.wait().await,
    }
}

async fn ended_and_drained<T>(child: &mut Child, drain: impl Future<Output = T>) -> io::Result<ExitStatus> {
    let (status, _) = tokio::join!(child.wait(), drain);
    status
}

async fn copy<R: AsyncRead + Unpin>(from: Option<R>, to: &mpsc::Sender<Output>, as_: fn(Bytes) -> Output) {
    let Some(mut from) = from else { return };
    let mut buffer = bytes::BytesMut::with_capacity(CHUNK);
    while let Ok(read) = from.read_buf(&mut buffer).await {
        if read == 0 || to.send(as_(buffer.split().freeze())).await.is_err() {
            return;
        }
        buffer.reserve(CHUNK);
    }
}

/// Runs the command with a pseudo-terminal as its controlling one; `setsid` does what would otherwise need unsafe code.
async fn with_terminal(command: &Command, mut io: Inner) -> io::Result<ExitStatus> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let name = ptsname(&master, Vec::new())?;
    let path = name.to_str().map_err(io::Error::other)?;
    let terminal = File::options().read(true).write(true).open(path)?;
    let flags = rustix::fs::fcntl_getfl(&master)?;
    rustix::fs::fcntl_setfl(&master, flags | rustix::fs::OFlags::NONBLOCK)?;
    let arguments = [&["--ctty".to_owned(), "--wait".to_owned(), "--".to_owned()], command.argv.as_slice()].concat();
    let mut child = prepare("setsid", &arguments, command)
        .env("TERM", "xterm")
        .stdin(Stdio::from(terminal.try_clone()?))
        .stdout(Stdio::from(terminal.try_clone()?))
        .stderr(Stdio::from(terminal))
        .spawn()?;
    // A terminal polls like a pipe, and there is no type of its own for it.
    let reader = pipe::Receiver::from_file_unchecked(File::from(master.try_clone()?))?;
    let mut writer = pipe::Sender::from_file_unchecked(File::from(master.try_clone()?))?;
    let feed = async {
        loop {
            tokio::select! {
                piece = io.stdin.recv() => match piece {
                    Some(piece) => writer.write_all(&piece).await?,
                    None => break,
                },
                Some(size) = io.resize.recv() => resize(&master, size),
            }
        }
        while let Some(size) = io.resize.recv().await {
            resize(&master, size);
        }
        std::future::pending::<io::Result<()>>().await
    };
    tokio::select! {
        status = ended_and_drained(&mut child, copy(Some(reader), &io.output, Output::Stdout)) => status,
        failed = feed => {
            failed?;
            child.wait().await
        }
    }
}

fn resize(master: &OwnedFd, size: Size) {
    let size = Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
    // A process that is already gone has no use for it.
    let _ = tcsetwinsize(master, size);
}

/// Joins the pod's main process: what it prints comes out, what is typed it prints.
async fn attach(logs: &Logs, namespace: &str, pod: &str, mut io: Inner) {
    let (_, mut new) = logs.read(namespace, pod);
    loop {
        tokio::select! {
            typed = io.stdin.recv() => match typed {
                Some(typed) => {
                    String::from_utf8_lossy(&typed).lines().for_each(|line| logs.append(namespace, pod, line));
                }
                None => break,
            },
            line = new.recv() => match line {
                Ok((_, text)) => {
                    if io.output.send(Output::Stdout(format!("{text}\n").into())).await.is_err() {
                        return;
                    }
                }
                Err(_) => return,
            },
        }
    }
    // Without input the client only watches; with its end, what was typed still comes out.
    while let Ok(Ok((_, text))) = tokio::time::timeout(std::time::Duration::from_millis(200), new.recv()).await {
        if io.output.send(Output::Stdout(format!("{text}\n").into())).await.is_err() {
            return;
        }
    }
}
