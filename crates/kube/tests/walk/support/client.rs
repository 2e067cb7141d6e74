//! Clients: raw bytes over HTTP/1.1, and HTTP/2.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use teleport_net::TlsConn;
use teleport_runtime::TaskGroup;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::DEADLINE;

/// An HTTP/1.1 connection on which a test writes what it likes.
pub struct Raw {
    conn: TlsConn,
    pending: Vec<u8>,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// The body as a Kubernetes `Status`: code and message.
    pub fn message(&self) -> String {
        let status: Value = serde_json::from_str(&self.body).unwrap_or_default();
        assert_eq!(status["kind"], "Status", "{self:?}");
        assert_eq!(status["code"], self.code, "{self:?}");
        status["message"].as_str().expect("a message").to_owned()
    }
}

impl Raw {
    pub fn new(conn: TlsConn) -> Self {
        Self { conn, pending: Vec::new() }
    }

    /// Writes a request; line ends are made CRLF.
    pub async fn send(&mut self, text: &str) {
        self.send_bytes(text.replace('\n', "\r\n").as_bytes()).await;
    }

    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.conn.write_all(bytes).await.expect("written");
        self.conn.flush().await.expect("flushed");
    }

    /// Writes what the far end may stop taking.
    pub async fn offer(&mut self, text: &str) {
        let _ = self.conn.write_all(text.replace('\n', "\r\n").as_bytes()).await;
        let _ = self.conn.flush().await;
    }

    /// Reads until the text is there and returns everything up to its end.
    pub async fn until(&mut self, wanted: &str) -> String {
        let read = async {
            loop {
                let seen = String::from_utf8_lossy(&self.pending).into_owned();
                if let Some(at) = seen.find(wanted) {
                    let end = at + wanted.len();
                    self.pending.drain(..end);
                    return seen[..end].to_owned();
                }
                if self.conn.read_buf(&mut self.pending).await.unwrap_or(0) == 0 {
                    panic!("closed before {wanted:?}: {seen}");
                }
            }
        };
        tokio::time::timeout(DEADLINE, read).await.expect("in time")
    }

    /// Reads one answer with its body.
    pub async fn answer(&mut self) -> Answer {
        let head = self.until("\r\n\r\n").await;
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line");
        let lower = head.to_ascii_lowercase();
        let body = if lower.contains("transfer-encoding: chunked") {
            self.until("0\r\n\r\n").await
        } else {
            let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
            self.exactly(length.unwrap_or(0)).await
        };
        Answer { code, head, body }
    }

    async fn exactly(&mut self, length: usize) -> String {
        let read = async {
            while self.pending.len() < length {
                assert!(self.conn.read_buf(&mut self.pending).await.unwrap_or(0) > 0, "closed before the body's end");
            }
        };
        tokio::time::timeout(DEADLINE, read).await.expect("in time");
        String::from_utf8_lossy(&self.pending.drain(..length).collect::<Vec<_>>()).into_owned()
    }

    /// Reads to the end of the connection.
    pub async fn rest(&mut self) -> String {
        let read = async { while self.conn.read_buf(&mut self.pending).await.unwrap_or(0) > 0 {} };
        tokio::time::timeout(DEADLINE, read).await.expect("the connection ends in time");
        String::from_utf8_lossy(&std::mem::take(&mut self.pending)).into_owned()
    }
}

/// An HTTP/2 connection.
pub struct H2 {
    sender: http2::SendRequest<Full<Bytes>>,
    _tasks: TaskGroup,
}

impl H2 {
    pub async fn new(conn: TlsConn) -> Self {
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(conn)).await.expect("an HTTP/2 connection");
        let tasks = TaskGroup::new("h2 client");
        tasks.spawn("connection", async move {
            let _ = connection.await;
        });
        Self { sender, _tasks: tasks }
    }

    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        self.sender.ready().await.expect("ready");
        tokio::time::timeout(DEADLINE, self.sender.send_request(request)).await.expect("in time").expect("an answer")
    }
}
