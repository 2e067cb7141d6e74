//! Credential plugins: run once, cached, renewed before the end, and clear when they fail.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use jiff::Timestamp;
use teleport_kube::upstream::{Fault, Limits, Upstream, UpstreamConfig};
use teleport_runtime::Clock;

use crate::{
    server::{FakeApi, Options, user_pems},
    support::{Home, chain, fetch, patient, trusting, until},
};

const V1: &str = "client.authentication.k8s.io/v1";

/// A plugin that counts its runs and prints what the file `credential` holds, `@RUN@` replaced by the run's number.
const COUNTING: &str =
    "cd \"$(dirname \"$0\")\"\necho run >> runs\nn=$(wc -l < runs)\nsed \"s/@RUN@/$((n))/\" credential";

struct Plugin {
    home: Home,
    api: FakeApi,
    clock: Clock,
}

impl Plugin {
    fn new() -> Self {
        let plugin = Self {
            home: Home::new(),
            api: FakeApi::start(Options::default()),
            clock: Clock::manual(Clock::system().now()),
        };
        plugin.home.program("plugin", COUNTING);
        plugin
    }

    fn gives(&self, status: &str) -> &Self {
        let document = format!("{{\"apiVersion\":\"{V1}\",\"kind\":\"ExecCredential\",\"status\":{status}}}");
        self.home.write("credential", &document);
        self
    }

    fn gives_token_for(&self, life: Duration) -> &Self {
        let end: Timestamp = self.clock.now() + life;
        self.gives(&format!("{{\"token\":\"token-@RUN@\",\"expirationTimestamp\":\"{end}\"}}"))
    }

    fn config(&self) -> UpstreamConfig {
        self.config_with(&trusting(&self.api), "")
    }

    fn config_with(&self, cluster: &str, more: &str) -> UpstreamConfig {
        self.home.config(cluster, &format!("exec: {{command: ./plugin, apiVersion: {V1}{more}}}"))
    }

    fn start(&self) -> Upstream {
        Upstream::start_with(self.config(), self.api.dialer(), Limits::default(), &self.clock)
    }

    fn runs(&self) -> usize {
        std::fs::read_to_string(self.home.folder.path().join("runs")).unwrap_or_default().lines().count()
    }

    fn last_token(&self) -> String {
        self.api.state.authorizations.lock().expect("lock").last().cloned().unwrap_or_default()
    }

    fn folder(&self) -> &Path {
        self.home.folder.path()
    }
}

#[tokio::test]
async fn forty_requests_at_once_run_the_plugin_once() {
    let plugin = Plugin::new();
    plugin.gives_token_for(Duration::from_secs(3600));
    let upstream = plugin.start();
    for answer in join_all((0..40).map(|_| fetch(&upstream, "/hello"))).await {
        answer.expect("answer");
    }
    assert_eq!((plugin.runs(), plugin.last_token().as_str()), (1, "Bearer token-1"));
}

#[tokio::test]
async fn a_credential_is_renewed_before_its_end_and_no_request_waits() {
    let plugin = Plugin::new();
    plugin.gives_token_for(Duration::from_secs(600));
    let upstream = plugin.start();
    fetch(&upstream, "/hello").await.expect("answer");
    plugin.clock.advance(Duration::from_secs(470));
    fetch(&upstream, "/hello").await.expect("answer");
    assert_eq!(plugin.runs(), 1);

    plugin.gives_token_for(Duration::from_secs(600));
    plugin.home.program("plugin", &format!("until [ -e \"$(dirname \"$0\")/go\" ]; do sleep 0.01; done\n{COUNTING}"));
    plugin.clock.advance(Duration::from_secs(15));
    fetch(&upstream, "/hello").await.expect("the old token serves while the plugin runs");
    assert_eq!(plugin.last_token(), "Bearer token-1");
    plugin.home.write("go", "");
    until(|| async {
        fetch(&upstream, "/hello").await.expect("answer");
        plugin.last_token() == "Bearer token-2"
    })
    .await;
}

#[tokio::test]
async fn an_expired_credential_is_not_used() {
    let plugin = Plugin::new();
    plugin.gives_token_for(Duration::from_secs(600));
    let upstream = plugin.start();
    fetch(&upstream, "/hello").await.expect("answer");
    plugin.home.program("plugin", "echo 'log in again' >&2; exit 7");
    plugin.clock.advance(Duration::from_secs(601));
    let error = fetch(&upstream, "/hello").await.expect_err("nothing valid is left");
    assert!(matches!(error.fault(), Fault::Credential(_)), "{error}");
    let logged = chain(&error);
    assert!(logged.contains("exit status: 7") && logged.contains("log in again"), "{logged}");
    assert!(!error.client_text().contains("log in again"), "{}", error.client_text());
    assert_eq!(plugin.api.state.requests(), 1);

    plugin.home.program("plugin", COUNTING);
    plugin.gives_token_for(Duration::from_secs(600));
    plugin.clock.advance(Duration::from_secs(60));
    until(|| async { fetch(&upstream, "/hello").await.is_ok() }).await;
}

#[tokio::test]
async fn a_plugin_that_hangs_is_stopped_with_all_it_started() {
    let plugin = Plugin::new();
    plugin.home.program("plugin", "cd \"$(dirname \"$0\")\"\nsleep 1000 &\necho $! > child\nwait");
    let limits = Limits { plugin: Duration::from_secs(2), ..Limits::default() };
    let upstream = Upstream::start_with(plugin.config(), plugin.api.dialer(), limits, &plugin.clock);
    let began = Instant::now();
    let error = fetch(&upstream, "/hello").await.expect_err("it hangs");
    assert!(chain(&error).contains("did not end within 2 s"), "{}", chain(&error));
    assert!(began.elapsed() < Duration::from_secs(10));
    let child = std::fs::read_to_string(plugin.folder().join("child")).expect("the child's number");
    let stat = format!("/proc/{}/stat", child.trim());
    // A zombie has ended too; whoever inherited it has not asked yet.
    until(|| async { std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z ")) }).await;
}

#[tokio::test]
async fn what_is_no_credential_is_refused_without_being_quoted() {
    let cases = [
        ("hidden", "printed no valid ExecCredential"),
        ("{\"apiVersion\":\"v1\",\"kind\":\"Secret\"}", "something else than an ExecCredential"),
        ("{\"apiVersion\":\"client.authentication.k8s.io/v1beta1\",\"kind\":\"ExecCredential\"}", "of version"),
        ("{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\"}", "without a status"),
        (
            "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{}}",
            "neither a token nor a client certificate",
        ),
        (
            "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"clientKeyData\":\"hidden\"}}",
            "only one of client certificate and key",
        ),
        (
            "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"hidden\",\"expirationTimestamp\":\"2001-01-01T00:00:00Z\"}}",
            "already expired",
        ),
    ];
    for (output, expected) in cases {
        let plugin = Plugin::new();
        plugin.home.write("credential", output);
        let error = fetch(&plugin.start(), "/hello").await.expect_err(expected);
        let logged = chain(&error);
        assert!(logged.contains(expected), "{logged:?} should say {expected:?}");
        assert!(!logged.contains("hidden"), "{logged}");
    }
}

#[tokio::test]
async fn a_plugin_that_prints_without_end_is_bounded() {
    let plugin = Plugin::new();
    plugin.home.program("plugin", "head -c 3000000 /dev/zero");
    let error = fetch(&plugin.start(), "/hello").await.expect_err("too much");
    assert!(chain(&error).contains("printed more than"), "{}", chain(&error));
}

#[tokio::test]
async fn a_plugin_finds_what_it_is_promised() {
    let plugin = Plugin::new();
    plugin.gives("{\"token\":\"token-@RUN@\"}");
    plugin.home.program(
        "plugin",
        &format!("cd \"$(dirname \"$0\")\"\nprintf '%s\\n' \"$KUBERNETES_EXEC_INFO\" \"$1\" \"$EXTRA\" \"$(cat)\" > seen\n{COUNTING}"),
    );
    let cluster = format!(
        "{}, tls-server-name: {}, extensions: [{{name: client.authentication.k8s.io/exec, extension: {{audience: a}}}}]",
        trusting(&plugin.api),
        crate::server::HOST
    );
    let more =
        ", args: [argument], env: [{name: EXTRA, value: more}], provideClusterInfo: true, interactiveMode: Always";
    let config = plugin.config_with(&cluster, more);
    let upstream = Upstream::start_with(config, plugin.api.dialer(), Limits::default(), &plugin.clock);
    fetch(&upstream, "/hello").await.expect("answer");
    let seen = std::fs::read_to_string(plugin.folder().join("seen")).expect("seen");
    let mut lines = seen.lines();
    let info: serde_json::Value = serde_json::from_str(lines.next().expect("info")).expect("JSON");
    assert_eq!((info["apiVersion"].as_str(), info["kind"].as_str()), (Some(V1), Some("ExecCredential")));
    assert_eq!(info["spec"]["interactive"], false);
    assert_eq!(info["spec"]["cluster"]["server"], "https://api.test:6443");
    assert_eq!(info["spec"]["cluster"]["tls-server-name"], "api.test");
    assert_eq!(info["spec"]["cluster"]["config"]["audience"], "a");
    assert_eq!(info["spec"]["cluster"]["certificate-authority-data"], crate::support::base64(&plugin.api.ca_pem()));
    assert_eq!(lines.collect::<Vec<_>>(), ["argument", "more", ""], "stdin is empty");
}

#[tokio::test]
async fn a_refused_credential_runs_the_plugin_again_but_not_at_every_refusal() {
    let plugin = Plugin::new();
    plugin.gives("{\"token\":\"token-@RUN@\"}");
    let upstream = plugin.start();
    fetch(&upstream, "/hello").await.expect("answer");
    *plugin.api.state.wanted.lock().expect("lock") = Some("Bearer token-2".to_owned());
    for _ in 0..10 {
        assert_eq!(fetch(&upstream, "/hello").await.expect("answer").0, http::StatusCode::UNAUTHORIZED);
    }
    assert_eq!(plugin.runs(), 1, "clients can provoke refusals");
    plugin.clock.advance(Duration::from_secs(11));
    assert_eq!(fetch(&upstream, "/hello").await.expect("answer").0, http::StatusCode::OK);
    assert_eq!(plugin.runs(), 2);
}

#[tokio::test]
async fn a_plugin_may_give_a_certificate_and_it_is_renewed_too() {
    let plugin = Plugin::new();
    let give = || {
        let (chain, key, certified) = user_pems(&plugin.api.cas);
        let end = plugin.clock.now() + Duration::from_secs(600);
        let status = serde_json::json!({
            "clientCertificateData": chain, "clientKeyData": key, "expirationTimestamp": end.to_string(),
        });
        plugin.gives(&status.to_string());
        certified.cert[0].to_vec()
    };
    let first = give();
    let upstream = plugin.start();
    fetch(&upstream, "/hello").await.expect("answer");
    let second = give();
    plugin.clock.advance(Duration::from_secs(590));
    until(|| async {
        fetch(&upstream, "/hello").await.expect("answer");
        plugin.api.state.handshakes() == 2
    })
    .await;
    assert_eq!(*plugin.api.state.client_certificates.lock().expect("lock"), [first, second]);
}

#[tokio::test]
async fn a_plugin_that_is_not_installed_is_a_clear_error() {
    let plugin = Plugin::new();
    let config = plugin
        .home
        .config(&trusting(&plugin.api), &format!("exec: {{command: no-such-program-anywhere, apiVersion: {V1}}}"));
    let upstream = Upstream::start_with(config, plugin.api.dialer(), Limits::default(), &plugin.clock);
    let error = patient(upstream.send(crate::support::get("/hello"))).await.expect_err("not there");
    let logged = chain(&error);
    assert!(logged.contains("\"no-such-program-anywhere\" cannot be started"), "{logged}");
}
