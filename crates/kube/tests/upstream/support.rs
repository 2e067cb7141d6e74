//! How these tests make upstreams and send requests through them.

use std::{fs, path::PathBuf, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Full};
use teleport_kube::upstream::{Limits, Upstream, UpstreamBody, UpstreamConfig, UpstreamError, kubeconfig};
use teleport_runtime::Clock;

use crate::server::{FakeApi, HOST};

/// No test waits longer than this for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A folder with a kubeconfig in it.
pub(crate) struct Home {
    pub(crate) folder: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("temp dir") }
    }

    /// Writes a file and returns its path.
    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).expect("write");
        path
    }

    /// Writes a program and returns its path.
    pub(crate) fn program(&self, name: &str, script: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        // Written beside and renamed: a file that is still open for writing cannot be executed.
        let path = self.folder.path().join(name);
        let beside = self.write(&format!("{name}.new"), &format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o755)).expect("chmod");
        fs::rename(&beside, &path).expect("rename");
        path
    }

    /// Writes a kubeconfig with one context and reads it; `cluster` and `user` are flow mappings' content.
    pub(crate) fn config(&self, cluster: &str, user: &str) -> UpstreamConfig {
        let path = self.write("config", &kubeconfig_text(cluster, user));
        let mut configs = kubeconfig::every_context(&path).expect("kubeconfig");
        configs.pop().expect("one context")
    }
}

pub(crate) fn kubeconfig_text(cluster: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: production\n\
         contexts: [{{name: production, context: {{cluster: c, user: u}}}}]\n\
         clusters: [{{name: c, cluster: {{{cluster}}}}}]\nusers: [{{name: u, user: {{{user}}}}}]\n"
    )
}

pub(crate) fn base64(text: &str) -> String {
    data_encoding::BASE64.encode(text.as_bytes())
}

/// The cluster entry that leads to and trusts a server.
pub(crate) fn trusting(api: &FakeApi) -> String {
    format!("server: 'https://{HOST}:6443', certificate-authority-data: '{}'", base64(&api.ca_pem()))
}

/// An upstream with a fixed token.
pub(crate) fn with_token(api: &FakeApi, limits: Limits) -> Upstream {
    let config = Home::new().config(&trusting(api), "token: secret-token");
    Upstream::start_with(config, api.dialer(), limits, &Clock::system())
}

pub(crate) fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(path).body(Empty::new()).expect("request")
}

pub(crate) fn post(path: &str, body: &'static str) -> Request<Full<Bytes>> {
    Request::post(path).body(Full::new(Bytes::from_static(body.as_bytes()))).expect("request")
}

/// Sends a GET and returns the answer's head, within patience.
pub(crate) async fn open(upstream: &Upstream, path: &str) -> Result<Response<UpstreamBody>, UpstreamError> {
    patient(upstream.send(get(path))).await
}

/// Sends a GET and reads the whole answer.
pub(crate) async fn fetch(upstream: &Upstream, path: &str) -> Result<(StatusCode, String), UpstreamError> {
    let answer = open(upstream, path).await?;
    Ok((answer.status(), text(answer).await))
}

pub(crate) async fn text(answer: Response<UpstreamBody>) -> String {
    let bytes = patient(answer.into_body().collect()).await.expect("body").to_bytes();
    String::from_utf8(bytes.to_vec()).expect("text")
}

pub(crate) async fn patient<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it ends in time")
}

/// Asks again and again until what is waited for is there.
pub(crate) async fn until<F: Future<Output = bool>>(mut there: impl FnMut() -> F) {
    patient(async {
        while !there().await {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// The whole chain of an error, as a log line has it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
