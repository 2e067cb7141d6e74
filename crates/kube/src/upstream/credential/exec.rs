//! Credential plugins: a program named in the kubeconfig prints an `ExecCredential`
//! (Kubernetes: "client-go credential plugins"). Only for kubeconfigs that the administrator supplies.

use std::{fmt, path::PathBuf, process::Stdio, time::Duration};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, Command},
};
use zeroize::Zeroizing;

use super::{CredentialError, material::PemPair};
use crate::upstream::secret::Secret;

/// Most that a plugin may print.
const MOST_OUTPUT: u64 = 1 << 20;
/// How much of what it complains about is kept.
const MOST_COMPLAINT: u64 = 4096;
/// The group that both versions belong to.
const GROUP: &str = "client.authentication.k8s.io/";

/// A program that prints a credential.
#[derive(Clone)]
pub struct ExecPlugin {
    /// The program: a name looked up in `PATH`, or a path.
    pub command: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables set for it beside our own environment.
    pub env: Vec<(String, String)>,
    /// `client.authentication.k8s.io/v1` or `/v1beta1`.
    pub api_version: String,
    /// What it is told about the cluster, when it asked for it.
    pub cluster: Option<Value>,
}

impl ExecPlugin {
    pub(super) fn failed(&self, reason: impl Into<String>) -> CredentialError {
        CredentialError::Plugin { command: self.command.display().to_string(), reason: reason.into() }
    }

    /// What the plugin finds in `KUBERNETES_EXEC_INFO`.
    fn info(&self) -> String {
        let mut spec = json!({ "interactive": false });
        if let (Some(cluster), Some(spec)) = (&self.cluster, spec.as_object_mut()) {
            spec.insert("cluster".to_owned(), cluster.clone());
        }
        json!({ "apiVersion": self.api_version, "kind": "ExecCredential", "spec": spec }).to_string()
    }
}

/// Arguments and variables may hold secrets.
impl fmt::Debug for ExecPlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecPlugin")
            .field("command", &self.command)
            .field("api_version", &self.api_version)
            .finish_non_exhaustive()
    }
}

/// What a plugin gave.
pub(super) struct Given {
    pub(super) token: Option<Zeroizing<Vec<u8>>>,
    pub(super) certificate: Option<PemPair>,
    pub(super) expires: Option<Timestamp>,
}

/// Runs the plugin within `limit`; it and all it started are killed when they take longer.
pub(super) async fn run(plugin: &ExecPlugin, limit: Duration) -> Result<Given, CredentialError> {
    let mut child = spawn(plugin)?;
    let group = Group::of(&child);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let whole = async {
        let (output, complaint, status) =
            tokio::join!(read(stdout, MOST_OUTPUT), read(stderr, MOST_COMPLAINT), child.wait());
        (output, complaint, status)
    };
    let Ok((output, complaint, status)) = tokio::time::timeout(limit, whole).await else {
        return Err(plugin.failed(format!("did not end within {} s and was stopped", limit.as_secs_f32())));
    };
    group.ended();
    let status = status.map_err(|error| plugin.failed(format!("was lost: {error}")))?;
    if !status.success() {
        return Err(plugin.failed(format!("failed ({status}){}", said(&complaint))));
    }
    if output.len() as u64 > MOST_OUTPUT {
        return Err(plugin.failed(format!("printed more than {MOST_OUTPUT} bytes")));
    }
    parse(plugin, &output)
}

fn spawn(plugin: &ExecPlugin) -> Result<Child, CredentialError> {
    Command::new(&plugin.command)
        .args(&plugin.args)
        .envs(plugin.env.iter().map(|(name, value)| (name, value)))
        .env("KUBERNETES_EXEC_INFO", plugin.info())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .process_group(0)
        .spawn()
        .map_err(|error| plugin.failed(format!("cannot be started: {error}")))
}

/// Reads up to `most` bytes and one more, and the rest into nothing so that the writer is not stopped.
async fn read(from: Option<impl AsyncRead + Unpin>, most: u64) -> Zeroizing<Vec<u8>> {
    let mut kept = Zeroizing::new(Vec::new());
    if let Some(from) = from {
        let mut limited = from.take(most + 1);
        // What cannot be read counts as not printed.
        let _ = limited.read_to_end(&mut kept).await;
        let _ = tokio::io::copy(&mut limited.into_inner(), &mut tokio::io::sink()).await;
    }
    kept
}

/// The plugin's own words, on one line and without control characters.
fn said(complaint: &[u8]) -> String {
    let text = String::from_utf8_lossy(complaint);
    let text = text.trim();
    if text.is_empty() { String::new() } else { format!(": {:?}", text.chars().take(400).collect::<String>()) }
}

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "apiVersion")]
    api_version: String,
    kind: String,
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    token: Option<Secret>,
    client_certificate_data: Option<Secret>,
    client_key_data: Option<Secret>,
    expiration_timestamp: Option<Timestamp>,
}

fn parse(plugin: &ExecPlugin, output: &[u8]) -> Result<Given, CredentialError> {
    // The error of the parser may quote the output, which is secret: only its place is kept.
    let document: Document = serde_json::from_slice(output).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        plugin.failed(format!("printed no valid ExecCredential (line {line}, column {column})"))
    })?;
    if document.kind != "ExecCredential" || !document.api_version.starts_with(GROUP) {
        return Err(plugin.failed("printed something else than an ExecCredential"));
    }
    if document.api_version != plugin.api_version {
        return Err(plugin.failed(format!(
            "printed an ExecCredential of version {:?}, not {:?} as configured",
            document.api_version, plugin.api_version
        )));
    }
    let status = document.status.ok_or_else(|| plugin.failed("printed an ExecCredential without a status"))?;
    let certificate = match (status.client_certificate_data, status.client_key_data) {
        (Some(chain), Some(key)) => Some((chain.to_bytes(), key.to_bytes())),
        (None, None) => None,
        _ => return Err(plugin.failed("gave only one of client certificate and key")),
    };
    let token = status.token.filter(|token| !token.is_empty()).map(|token| token.to_bytes());
    if token.is_none() && certificate.is_none() {
        return Err(plugin.failed("gave neither a token nor a client certificate"));
    }
    Ok(Given { token, certificate, expires: status.expiration_timestamp })
}

/// The plugin's process group; killed when dropped, so that nothing it started outlives its deadline.
struct Group(Option<rustix::process::Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let pid = child.id().and_then(|id| i32::try_from(id).ok());
        Self(pid.and_then(rustix::process::Pid::from_raw))
    }

    /// The plugin has been waited for; from now on its number may belong to another.
    fn ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // It fails when all of them have ended, which is what is wanted.
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
    }
}
