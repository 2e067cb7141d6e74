//! SPDY/3.1, server side, as far as Kubernetes uses it: streams that the client opens, data, end and reset.
//!
//! No flow control: the Kubernetes client neither sends nor heeds window updates.

mod frame;
mod headers;

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, WriteHalf},
    sync::{Mutex, mpsc},
};

use frame::{Frame, FrameReader, FrameWriter};

use super::{
    process::Work,
    remote::{Outer, Output, Size, Wanted, pipes},
};

/// Streams of one session that may be open at once.
const MAX_STREAMS: usize = 1024;
/// Pieces that wait in a stream before the session is held back.
const DEPTH: usize = 64;
/// Bytes of one data frame.
const CHUNK: usize = 32 * 1024;
/// How long the client may take to open the streams it announced, and to go when all is said.
const PATIENCE: Duration = Duration::from_secs(30);
const GOODBYE: Duration = Duration::from_secs(5);

type Writer = Arc<Mutex<FrameWriter<Box<dyn AsyncWrite + Send + Unpin>>>>;

/// The streams that a client opens.
pub(in crate::kubesim) struct Session {
    opened: mpsc::Receiver<Stream>,
    writer: Writer,
}

/// One stream.
pub(in crate::kubesim) struct Stream {
    headers: Vec<(String, String)>,
    /// Data from the client; ends with its FIN or reset.
    pub(in crate::kubesim) incoming: mpsc::Receiver<Bytes>,
    pub(in crate::kubesim) outgoing: Outgoing,
}

/// The sending half of a stream.
pub(in crate::kubesim) struct Outgoing {
    id: u32,
    writer: Writer,
}

impl Session {
    /// Returns the next stream that the client opens.
    pub(in crate::kubesim) async fn accept(&mut self) -> Option<Stream> {
        self.opened.recv().await
    }

    async fn go_away(&self) {
        // A client that is gone needs no goodbye.
        let _ = self.writer.lock().await.write(Frame::GoAway).await;
    }
}

impl Stream {
    /// Returns a header by its lower-case name.
    pub(in crate::kubesim) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl Outgoing {
    /// Sends data; a session that has ended swallows it.
    pub(in crate::kubesim) async fn write(&self, piece: &[u8]) {
        for chunk in piece.chunks(CHUNK) {
            let data = Frame::Data { id: self.id, fin: false, data: Bytes::copy_from_slice(chunk) };
            if self.writer.lock().await.write(data).await.is_err() {
                return;
            }
        }
    }

    /// Says that no more data comes.
    pub(in crate::kubesim) async fn finish(&self) {
        let end = Frame::Data { id: self.id, fin: true, data: Bytes::new() };
        // As in `write`.
        let _ = self.writer.lock().await.write(end).await;
    }

    /// Refuses the stream.
    pub(in crate::kubesim) async fn reset(&self) {
        // As in `write`.
        let _ = self.writer.lock().await.write(Frame::Reset { id: self.id }).await;
    }
}

/// Starts a session: its streams, and the future that reads frames until the client is gone or breaks the protocol.
pub(in crate::kubesim) fn session<IO>(io: IO) -> (Session, impl Future<Output = ()>)
where
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (reader, writer): (_, WriteHalf<IO>) = tokio::io::split(io);
    let writer: Writer = Arc::new(Mutex::new(FrameWriter::new(Box::new(writer))));
    let (open, opened) = mpsc::channel(DEPTH);
    let driver = {
        let writer = Arc::clone(&writer);
        async move {
            if let Err(error) = drive(FrameReader::new(reader), &writer, &open).await {
                tracing::debug!(%error, "SPDY session ended");
            }
        }
    };
    (Session { opened, writer }, driver)
}

async fn drive<R>(mut reader: FrameReader<R>, writer: &Writer, open: &mpsc::Sender<Stream>) -> std::io::Result<()>
where
    R: AsyncRead + Unpin,
{
    let mut streams: HashMap<u32, mpsc::Sender<Bytes>> = HashMap::new();
    while let Some(frame) = reader.next().await? {
        match frame {
            Frame::Open { id, fin, headers } => {
                if streams.len() >= MAX_STREAMS || streams.contains_key(&id) {
                    writer.lock().await.write(Frame::Reset { id }).await?;
                    continue;
                }
                let (sender, incoming) = mpsc::channel(DEPTH);
                if !fin {
                    streams.insert(id, sender);
                }
                writer.lock().await.write(Frame::Reply { id }).await?;
                let stream = Stream { headers, incoming, outgoing: Outgoing { id, writer: Arc::clone(writer) } };
                if open.send(stream).await.is_err() {
                    return Ok(());
                }
            }
            Frame::Data { id, fin, data } => {
                if let Some(stream) = streams.get(&id)
                    && !data.is_empty()
                {
                    // Nobody reads it any more.
                    let _ = stream.send(data).await;
                }
                if fin {
                    streams.remove(&id);
                }
            }
            Frame::Reset { id } => drop(streams.remove(&id)),
            Frame::Ping { id } => writer.lock().await.write(Frame::Ping { id }).await?,
            Frame::GoAway | Frame::Reply { .. } | Frame::Other => {}
        }
    }
    Ok(())
}

/// The streams of an exec or attach.
#[derive(Default)]
struct Remote {
    error: Option<Stream>,
    stdin: Option<Stream>,
    stdout: Option<Stream>,
    stderr: Option<Stream>,
    resize: Option<Stream>,
}

/// Serves an exec or attach.
pub(super) async fn remote<IO>(io: IO, protocol: &str, wanted: Wanted, work: Work)
where
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut session, driver) = session(io);
    tokio::pin!(driver);
    let resizes = wanted.tty && protocol != "v2.channel.k8s.io";
    let count = 1 + [wanted.stdin, wanted.stdout, wanted.stderr, resizes].iter().filter(|wanted| **wanted).count();
    let serve = async {
        let streams = tokio::time::timeout(PATIENCE, collect(&mut session, count)).await.ok().flatten()?;
        let status = run(&streams.stdout, &streams.stderr, streams.stdin, streams.resize, (wanted, work)).await;
        let error = streams.error?;
        error.outgoing.write(status.to_string().as_bytes()).await;
        for stream in [Some(error), streams.stdout, streams.stderr].into_iter().flatten() {
            stream.outgoing.finish().await;
        }
        session.go_away().await;
        Some(())
    };
    let finished = tokio::select! {
        () = &mut driver => None,
        finished = serve => finished,
    };
    if finished.is_some() {
        // The client closes once it has read everything.
        let _ = tokio::time::timeout(GOODBYE, driver).await;
    }
}

async fn collect(session: &mut Session, count: usize) -> Option<Remote> {
    let mut streams = Remote::default();
    for _ in 0..count {
        let stream = session.accept().await?;
        let place = match stream.header("streamtype")? {
            "error" => &mut streams.error,
            "stdin" => &mut streams.stdin,
            "stdout" => &mut streams.stdout,
            "stderr" => &mut streams.stderr,
            "resize" => &mut streams.resize,
            _ => return None,
        };
        *place = Some(stream);
    }
    Some(streams)
}

async fn run(
    stdout: &Option<Stream>,
    stderr: &Option<Stream>,
    stdin: Option<Stream>,
    resize: Option<Stream>,
    (wanted, work): (Wanted, Work),
) -> serde_json::Value {
    let (outer, inner) = pipes(wanted);
    let Outer { stdin: pipe, resize: sizes, mut output } = outer;
    let feed = async {
        if let (Some(mut stdin), Some(pipe)) = (stdin, pipe) {
            while let Some(piece) = stdin.incoming.recv().await {
                if pipe.send(piece).await.is_err() {
                    break;
                }
            }
        }
    };
    let resizes = async {
        if let Some(mut resize) = resize {
            while let Some(text) = resize.incoming.recv().await {
                if let Some(size) = Size::parse(&text)
                    && sizes.send(size).await.is_err()
                {
                    break;
                }
            }
        }
    };
    let pump = async {
        while let Some(piece) = output.recv().await {
            let (stream, piece) = match &piece {
                Output::Stdout(piece) => (stdout, piece),
                Output::Stderr(piece) => (stderr, piece),
            };
            if let Some(stream) = stream {
                stream.outgoing.write(piece).await;
            }
        }
    };
    let ended = async { tokio::join!(work.run(inner), pump).0 };
    let inputs = async {
        tokio::join!(feed, resizes);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        status = ended => status,
        () = inputs => serde_json::Value::Null,
    }
}
