//! Deadlines and sizes of an upstream; tests make them small.

use std::time::Duration;

/// What bounds the connections of one upstream.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Dialling and the TLS handshake together, and the wait for a free HTTP/2 stream.
    pub connect: Duration,
    /// From sending a request without a body to the head of its answer.
    pub head: Duration,
    /// The same for a request with a body, the sending of which counts.
    pub head_with_body: Duration,
    /// How long an unused HTTP/2 connection is kept.
    pub http2_idle: Duration,
    /// How long an unused HTTP/1.1 connection is kept: well below the 90 s after which an API server closes it, because
    /// a request with a body that meets the closing cannot be sent again.
    pub http1_idle: Duration,
    /// Most streams on one HTTP/2 connection, even where the server allows more.
    pub streams: usize,
    /// Most HTTP/2 connections.
    pub connections: usize,
    /// How long a credential plugin may run.
    pub plugin: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            head: Duration::from_secs(600),
            head_with_body: Duration::from_secs(3600),
            http2_idle: Duration::from_secs(90),
            http1_idle: Duration::from_secs(30),
            streams: 200,
            connections: 128,
            plugin: Duration::from_secs(60),
        }
    }
}
