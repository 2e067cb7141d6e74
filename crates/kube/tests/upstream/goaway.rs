//! Requests that a GOAWAY leaves behind go to another connection; those that may have been processed do not.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use teleport_kube::upstream::{Fault, Limits, Upstream};
use teleport_net::{BoxFuture, Conn, Dialer, NetError, tls};
use teleport_pki::tls::provider;
use teleport_runtime::{Clock, TaskGroup};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    server::{FakeApi, HOST, Options},
    support::{Home, fetch, trusting},
};

const HEADERS: u8 = 1;
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
/// GOAWAY that processed nothing, without an error.
const NOTHING_DONE: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// GOAWAY that may have processed stream 1.
const FIRST_MAYBE_DONE: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
/// RST_STREAM of stream 1 with REFUSED_STREAM.
const REFUSED: [u8; 13] = [0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 7];
/// RST_STREAM of stream 1 with INTERNAL_ERROR.
const FAILED: [u8; 13] = [0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 2];

/// Leads to a server that speaks its frames by hand the first time, and to a real one afterwards.
struct FirstByHand {
    real: Arc<dyn Dialer>,
    config: Arc<rustls::ServerConfig>,
    reply: &'static [u8],
    dials: AtomicUsize,
    tasks: TaskGroup,
}

impl Dialer for FirstByHand {
    fn dial(&self) -> BoxFuture<'_, Result<Conn, NetError>> {
        if self.dials.fetch_add(1, Ordering::SeqCst) > 0 {
            return self.real.dial();
        }
        let (near, far) = tokio::io::duplex(1 << 16);
        self.tasks.spawn("by-hand", by_hand(Conn::new(far, None), Arc::clone(&self.config), self.reply));
        Box::pin(async move { Ok(Conn::new(near, None)) })
    }

    fn target(&self) -> String {
        self.real.target()
    }
}

/// Answers the head of the first request with `reply` and closes the connection.
async fn by_hand(conn: Conn, config: Arc<rustls::ServerConfig>, reply: &'static [u8]) {
    let mut tls = tls::accept(conn, config, Duration::from_secs(10)).await.expect("handshake");
    tls.write_all(&SETTINGS).await.expect("write");
    let mut preface = [0; 24];
    tls.read_exact(&mut preface).await.expect("preface");
    loop {
        let mut head = [0; 9];
        tls.read_exact(&mut head).await.expect("frame");
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        tls.read_exact(&mut payload).await.expect("payload");
        if head[3] == HEADERS {
            break;
        }
    }
    tls.write_all(reply).await.expect("write");
    let _ = tls.shutdown().await;
    // Until the client has closed too.
    let _ = tokio::io::copy(&mut tls, &mut tokio::io::sink()).await;
}

fn upstream(api: &FakeApi, reply: &'static [u8]) -> (Upstream, Arc<FirstByHand>) {
    let mut config = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(teleport_pki::tls::Certificates::single(api.cas.web_certificate(&[HOST]))));
    config.alpn_protocols = vec![b"h2".to_vec()];
    let dialer = Arc::new(FirstByHand {
        real: api.dialer(),
        config: Arc::new(config),
        reply,
        dials: AtomicUsize::new(0),
        tasks: TaskGroup::new("by-hand"),
    });
    let kubeconfig = Home::new().config(&trusting(api), "token: t");
    let seam: Arc<dyn Dialer> = Arc::<FirstByHand>::clone(&dialer);
    (Upstream::start_with(kubeconfig, seam, Limits::default(), &Clock::system()), dialer)
}

#[tokio::test]
async fn what_the_server_says_it_did_not_process_is_sent_again_on_a_new_connection() {
    for reply in [NOTHING_DONE.as_slice(), REFUSED.as_slice()] {
        let api = FakeApi::start(Options::default());
        let (upstream, dialer) = upstream(&api, reply);
        assert_eq!(fetch(&upstream, "/hello").await.expect("sent again").1, "hello");
        assert_eq!(dialer.dials.load(Ordering::SeqCst), 2);
        assert_eq!(api.state.requests(), 1);
    }
}

#[tokio::test]
async fn what_the_server_may_have_processed_is_not_sent_again() {
    for reply in [FIRST_MAYBE_DONE.as_slice(), FAILED.as_slice(), [].as_slice()] {
        let api = FakeApi::start(Options::default());
        let (upstream, dialer) = upstream(&api, reply);
        let error = fetch(&upstream, "/hello").await.expect_err("broken");
        assert!(matches!(error.fault(), Fault::Protocol(_)), "{error}");
        assert_eq!(dialer.dials.load(Ordering::SeqCst), 1);
        assert_eq!(api.state.requests(), 0);
    }
}
