//! Port-forward: pairs of SPDY streams, each pair one connection to a port of the pod.
//!
//! A pod serves a greeting over HTTP on 80 and 8080 and echoes on 7; every other port refuses.

use std::{collections::HashMap, convert::Infallible};

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream},
    task::JoinSet,
};

use super::spdy::{self, Stream};

/// Half-open pairs that a client may have.
const MAX_PENDING: usize = 256;
const CHUNK: usize = 32 * 1024;

/// Serves one port-forward session until the client is gone.
pub(super) async fn serve<IO>(io: IO, namespace: &str, pod: &str)
where
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut session, driver) = spdy::session(io);
    let accept = async {
        let mut connections = JoinSet::new();
        let mut pending: HashMap<String, Stream> = HashMap::new();
        while let Some(stream) = session.accept().await {
            while connections.try_join_next().is_some() {}
            let id = stream.header("requestid").unwrap_or_default().to_owned();
            match pending.remove(&id) {
                None if pending.len() < MAX_PENDING => drop(pending.insert(id, stream)),
                None => stream.outgoing.reset().await,
                Some(first) => {
                    let (error, data) =
                        if first.header("streamtype") == Some("error") { (first, stream) } else { (stream, first) };
                    connections.spawn(connection(error, data, namespace.to_owned(), pod.to_owned()));
                }
            }
        }
        while connections.join_next().await.is_some() {}
    };
    tokio::select! {
        () = accept => {}
        () = driver => {}
    }
}

async fn connection(error: Stream, mut data: Stream, namespace: String, pod: String) {
    let port = data.header("port").and_then(|port| port.parse::<u16>().ok()).unwrap_or(0);
    let (near, far) = tokio::io::duplex(64 * 1024);
    let Some(service) = service(port, format!("hello from {namespace}/{pod}\n"), far) else {
        let text = format!(
            "error forwarding port {port} to pod {pod}, uid : failed to connect to localhost:{port} inside namespace \"{namespace}\", IPv4: dial tcp4 127.0.0.1:{port}: connect: connection refused"
        );
        error.outgoing.write(text.as_bytes()).await;
        error.outgoing.finish().await;
        data.outgoing.finish().await;
        return;
    };
    let (mut reader, mut writer) = tokio::io::split(near);
    let up = async {
        while let Some(piece) = data.incoming.recv().await {
            if writer.write_all(&piece).await.is_err() {
                return;
            }
        }
        // The service may have closed first.
        let _ = writer.shutdown().await;
    };
    let down = async {
        let mut buffer = BytesMut::with_capacity(CHUNK);
        while let Ok(1..) = reader.read_buf(&mut buffer).await {
            data.outgoing.write(&buffer.split()).await;
            buffer.reserve(CHUNK);
        }
        data.outgoing.finish().await;
        error.outgoing.finish().await;
    };
    tokio::join!(service, up, down);
}

/// Returns what listens on a port, serving `io` until the client is done; `None` when nothing does.
fn service(port: u16, greeting: String, io: DuplexStream) -> Option<BoxFuture<'static, ()>> {
    match port {
        80 | 8080 => Some(Box::pin(async move {
            let greeting = Bytes::from(greeting);
            let service = service_fn(move |_: Request<Incoming>| {
                let greeting = greeting.clone();
                async move { Ok::<_, Infallible>(Response::new(Full::new(greeting))) }
            });
            let io = hyper_util::rt::TokioIo::new(io);
            // A client that goes away in the middle is no failure of ours.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
        })),
        7 => Some(Box::pin(async move {
            let (mut reader, mut writer) = tokio::io::split(io);
            // As above.
            let _ = tokio::io::copy(&mut reader, &mut writer).await;
            let _ = writer.shutdown().await;
        })),
        _ => None,
    }
}
