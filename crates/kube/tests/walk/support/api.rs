//! A scripted API server that speaks plain HTTP/1.1 and keeps every byte it was sent.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use teleport_net::{Conn, Listener};
use teleport_runtime::TaskGroup;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::{Notify, mpsc},
};

/// What the server does after a request head.
pub struct Reply {
    bytes: Vec<u8>,
    hold: Option<Arc<Notify>>,
    more: Option<mpsc::Receiver<Vec<u8>>>,
    then: Then,
}

enum Then {
    /// Reads the next request.
    Next,
    /// Sends back what it gets.
    Echo,
}

impl Reply {
    /// Answers with a status and a body.
    pub fn new(status: u16, body: &str) -> Self {
        Self::with(status, &[], body)
    }

    /// Answers with headers of its own too.
    pub fn with(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let mut head = format!("HTTP/1.1 {status} Scripted\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        Self::bytes(format!("{head}\r\n{body}"))
    }

    /// Answers with bytes.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), hold: None, more: None, then: Then::Next }
    }

    /// Switches protocols and echoes from then on.
    pub fn switch(protocol: &str) -> Self {
        let head = format!("HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: {protocol}\r\n\r\n");
        Self { then: Then::Echo, ..Self::bytes(head) }
    }

    /// Answers with a chunked stream that goes on for as long as the other half lives.
    pub fn stream(headers: &[(&str, &str)]) -> (Self, mpsc::Sender<Vec<u8>>) {
        let (sender, more) = mpsc::channel(16);
        let mut head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n".to_owned();
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        (Self { more: Some(more), ..Self::bytes(head) }, sender)
    }

    /// Waits before answering.
    #[must_use]
    pub fn after(mut self, hold: &Arc<Notify>) -> Self {
        self.hold = Some(Arc::clone(hold));
        self
    }
}

type Script = Arc<dyn Fn(&str) -> Reply + Send + Sync>;

/// The server.
pub struct Api {
    addr: SocketAddr,
    log: Arc<Mutex<Vec<Vec<u8>>>>,
    heads: Arc<Mutex<Vec<String>>>,
    seen: Arc<Notify>,
    _tasks: TaskGroup,
    hang_up: Arc<Notify>,
}

impl Api {
    pub async fn start(script: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = Listener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.addr();
        let tasks = TaskGroup::new("scripted api");
        let (log, heads, seen) = (Arc::default(), Arc::default(), Arc::<Notify>::default());
        let hang_up = Arc::<Notify>::default();
        let api = Self {
            addr,
            log: Arc::clone(&log),
            heads: Arc::clone(&heads),
            seen: Arc::clone(&seen),
            _tasks: tasks.clone(),
            hang_up: Arc::clone(&hang_up),
        };
        let script: Script = Arc::new(script);
        let connections = tasks.clone();
        tasks.spawn("accept", async move {
            loop {
                let conn = listener.accept().await;
                let index = {
                    let mut log: std::sync::MutexGuard<'_, Vec<Vec<u8>>> = log.lock().expect("not poisoned");
                    log.push(Vec::new());
                    log.len() - 1
                };
                let connection = Connection {
                    index,
                    log: Arc::clone(&log),
                    heads: Arc::clone(&heads),
                    seen: Arc::clone(&seen),
                    script: Arc::clone(&script),
                };
                let hang_up = Arc::clone(&hang_up);
                connections.spawn("connection", async move {
                    tokio::select! {
                        () = connection.serve(conn) => {}
                        () = hang_up.notified() => {}
                    }
                });
            }
        });
        api
    }

    pub fn kubeconfig(&self) -> String {
        format!(
            "clusters: [{{name: c, cluster: {{server: 'http://{}'}}}}]\n\
             contexts: [{{name: east, context: {{cluster: c, user: u}}}}]\n\
             users: [{{name: u, user: {{token: upstream-token}}}}]\n",
            self.addr
        )
    }

    /// Closes every connection.
    pub fn hang_up(&self) {
        self.hang_up.notify_waiters();
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The heads of requests that came from clients: what the service asks for itself is left out.
    pub fn heads(&self) -> Vec<String> {
        let own = |head: &String| !head.contains("/api/v1/namespaces/kube-system ") && !head.contains("/selfsubject");
        self.heads.lock().expect("not poisoned").iter().filter(|head| own(head)).cloned().collect()
    }

    /// Waits until so many requests came from clients.
    pub async fn requested(&self, count: usize) -> Vec<String> {
        let wait = async {
            loop {
                let seen = self.seen.notified();
                let heads = self.heads();
                if heads.len() >= count {
                    return heads;
                }
                seen.await;
            }
        };
        tokio::time::timeout(super::DEADLINE, wait).await.expect("the request arrives in time")
    }

    /// Every byte that was sent, by connection.
    pub fn received(&self) -> Vec<String> {
        let log = self.log.lock().expect("not poisoned");
        log.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }
}

struct Connection {
    index: usize,
    log: Arc<Mutex<Vec<Vec<u8>>>>,
    heads: Arc<Mutex<Vec<String>>>,
    seen: Arc<Notify>,
    script: Script,
}

impl Connection {
    async fn serve(self, mut conn: Conn) {
        let mut pending = Vec::new();
        loop {
            while let Some(end) = find(&pending, b"\r\n\r\n") {
                let head = String::from_utf8_lossy(pending.get(..end).unwrap_or_default()).into_owned();
                pending.drain(..end + 4);
                self.heads.lock().expect("not poisoned").push(head.clone());
                self.seen.notify_waiters();
                if !self.skip_body(&mut conn, &mut pending, &head).await {
                    return;
                }
                let mut reply = (self.script)(&head);
                if let Some(hold) = &reply.hold {
                    tokio::select! {
                        () = hold.notified() => {}
                        () = self.record_for_ever(&mut conn) => return,
                    }
                }
                if conn.write_all(&reply.bytes).await.is_err() {
                    return;
                }
                if let Some(more) = &mut reply.more {
                    while let Some(part) = more.recv().await {
                        let chunk = [format!("{:x}\r\n", part.len()).as_bytes(), &part, b"\r\n"].concat();
                        if conn.write_all(&chunk).await.is_err() {
                            return;
                        }
                    }
                    let _ = conn.write_all(b"0\r\n\r\n").await;
                }
                if matches!(reply.then, Then::Echo) {
                    let _ = conn.write_all(&pending).await;
                    return self.echo(conn).await;
                }
            }
            if !self.read(&mut conn, &mut pending).await {
                return;
            }
        }
    }

    async fn read(&self, conn: &mut Conn, pending: &mut Vec<u8>) -> bool {
        let from = pending.len();
        match conn.read_buf(pending).await {
            Ok(read) if read > 0 => {
                let fresh = pending.get(from..).unwrap_or_default();
                self.log.lock().expect("not poisoned").get_mut(self.index).expect("pushed").extend_from_slice(fresh);
                true
            }
            _ => false,
        }
    }

    async fn skip_body(&self, conn: &mut Conn, pending: &mut Vec<u8>, head: &str) -> bool {
        let lower = head.to_ascii_lowercase();
        if lower.contains("transfer-encoding: chunked") {
            while find(pending, b"0\r\n\r\n").is_none() {
                if !self.read(conn, pending).await {
                    return false;
                }
            }
            let end = find(pending, b"0\r\n\r\n").expect("found");
            pending.drain(..end + 5);
            return true;
        }
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
        let length: usize = length.unwrap_or(0);
        while pending.len() < length {
            if !self.read(conn, pending).await {
                return false;
            }
        }
        pending.drain(..length);
        true
    }

    async fn record_for_ever(&self, conn: &mut Conn) {
        let mut sink = Vec::new();
        while self.read(conn, &mut sink).await {}
    }

    async fn echo(&self, mut conn: Conn) {
        let mut bytes = Vec::new();
        while self.read(&mut conn, &mut bytes).await {
            if conn.write_all(&bytes).await.is_err() {
                return;
            }
            bytes.clear();
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
