//! The shape of our three entries, and how they are told from everybody else's.

use std::path::PathBuf;

use data_encoding::BASE64;
use serde_json::{Map, Value, json};
use teleport_types::{ClusterName, KubeClusterName, sni::InternalName};

use super::{
    OurContext,
    merged::{Merged, Section, name_of},
};
use crate::proxy_addr::ProxyAddr;

/// Context extension: the Kubernetes cluster behind a context of ours.
const KUBE_NAME: &str = "teleport.kube.name";
/// Context extension: the context that was current before ours.
const PREVIOUS: &str = "teleport.previous-context";

/// kubectl 1.20 knows only `v1beta1`, and every later one still does.
const EXEC_API: &str = "client.authentication.k8s.io/v1beta1";

/// What all entries for one Teleport cluster behind one proxy have in common.
#[derive(Clone, Debug)]
pub struct KubeEntry {
    /// The Teleport cluster.
    pub cluster: ClusterName,
    /// Where the API is served: the proxy's public address.
    pub proxy: ProxyAddr,
    /// Host CA certificates of the cluster, PEM.
    pub host_ca: String,
}

/// How kubectl starts us for credentials.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// Absolute path of `tsh`.
    pub command: PathBuf,
    /// `TELEPORT_HOME`, when the user set one.
    pub home: Option<PathBuf>,
}

/// Returns the name that context, cluster and user of a Kubernetes cluster carry.
pub fn context_name(cluster: &ClusterName, kube_cluster: &KubeClusterName) -> String {
    format!("{cluster}-{kube_cluster}")
}

impl KubeEntry {
    /// Returns the body of the cluster; fields that are not ours stay, as a `proxy-url` that the user set.
    pub(super) fn cluster_body(&self, kube_cluster: &KubeClusterName, old: Option<&Value>) -> Value {
        let mut body = body_of(old, Section::Clusters);
        // Either would undo the check against our CA.
        body.shift_remove("certificate-authority");
        body.shift_remove("insecure-skip-tls-verify");
        body.insert("certificate-authority-data".into(), BASE64.encode(self.host_ca.as_bytes()).into());
        body.insert("server".into(), format!("https://{}", self.proxy).into());
        body.insert("tls-server-name".into(), InternalName::kube(kube_cluster, &self.cluster).host().into());
        Value::Object(body)
    }

    /// Returns the body of the user, in the form kubectl itself would write.
    pub(super) fn user_body(&self, kube_cluster: &KubeClusterName, plugin: &Plugin, old: Option<&Value>) -> Value {
        let mut body = body_of(old, Section::Users);
        let env = match &plugin.home {
            Some(home) => json!([{ "name": "TELEPORT_HOME", "value": home.to_string_lossy() }]),
            None => Value::Null,
        };
        let exec = json!({
            "apiVersion": EXEC_API,
            "args": [
                "kube",
                "credentials",
                format!("--kube-cluster={kube_cluster}"),
                format!("--teleport-cluster={}", self.cluster),
                format!("--proxy={}", self.proxy),
            ],
            "command": plugin.command.to_string_lossy(),
            "env": env,
            "interactiveMode": "Never",
            "provideClusterInfo": false,
        });
        body.insert("exec".into(), exec);
        Value::Object(body)
    }

    /// Returns the body of the context; a namespace and extensions of others stay.
    pub(super) fn context_body(&self, kube_cluster: &KubeClusterName, old: Option<&Value>) -> Value {
        let mut body = body_of(old, Section::Contexts);
        let name = context_name(&self.cluster, kube_cluster);
        body.insert("cluster".into(), name.clone().into());
        set_extension(&mut body, KUBE_NAME, kube_cluster.as_str());
        body.insert("user".into(), name.into());
        Value::Object(body)
    }
}

/// Tells whether an entry was made by us.
pub(super) fn is_ours(section: Section, item: &Value) -> bool {
    let body = item.get(section.entry());
    match section {
        Section::Clusters => body
            .and_then(|body| body.get("tls-server-name"))
            .and_then(Value::as_str)
            .is_some_and(InternalName::is_internal),
        Section::Contexts => body.and_then(|body| extension(body, KUBE_NAME)).is_some(),
        Section::Users => argument(item, "--proxy=").is_some(),
    }
}

/// Returns an argument of our exec plugin, `None` for users of others.
pub(super) fn argument<'v>(user: &'v Value, flag: &str) -> Option<&'v str> {
    let arguments = user.pointer("/user/exec/args")?.as_array()?;
    let mut texts = arguments.iter().filter_map(Value::as_str);
    (texts.next() == Some("kube") && texts.next() == Some("credentials")).then_some(())?;
    texts.find_map(|text| text.strip_prefix(flag))
}

/// Tells whether a user of ours belongs to a proxy.
pub(super) fn is_for(user: &Value, proxy: &ProxyAddr) -> bool {
    argument(user, "--proxy=").is_some_and(|text| ProxyAddr::parse(text).is_ok_and(|of| of == *proxy))
}

/// Describes a context when it is ours.
pub(super) fn ours(merged: &Merged, context: &str) -> Option<OurContext> {
    let item = merged.find(Section::Contexts, context).filter(|item| is_ours(Section::Contexts, item))?;
    let user = merged.find(Section::Users, item.pointer("/context/user")?.as_str()?)?;
    Some(OurContext {
        name: context.to_owned(),
        proxy: argument(user, "--proxy=")?.to_owned(),
        cluster: argument(user, "--teleport-cluster=")?.to_owned(),
        kube_cluster: argument(user, "--kube-cluster=")?.to_owned(),
    })
}

/// Returns the context that was current before ours.
pub(super) fn previous(context: &Value) -> Option<&str> {
    context.get("context").and_then(|body| extension(body, PREVIOUS))
}

/// Returns the context body remembering what was current before it, nothing when that is empty.
pub(super) fn remembering(mut body: Value, previous: &str) -> Value {
    if let Some(fields) = body.as_object_mut() {
        match previous {
            "" => remove_extension(fields, PREVIOUS),
            _ => set_extension(fields, PREVIOUS, previous),
        }
    }
    body
}

fn body_of(item: Option<&Value>, section: Section) -> Map<String, Value> {
    item.and_then(|item| item.get(section.entry())).and_then(Value::as_object).cloned().unwrap_or_default()
}

fn extension<'v>(body: &'v Value, name: &str) -> Option<&'v str> {
    let all = body.get("extensions")?.as_array()?;
    all.iter().find(|item| name_of(item) == name)?.get("extension")?.as_str()
}

fn remove_extension(body: &mut Map<String, Value>, name: &str) {
    if let Some(all) = body.get_mut("extensions").and_then(Value::as_array_mut) {
        all.retain(|item| name_of(item) != name);
    }
}

fn set_extension(body: &mut Map<String, Value>, name: &str, value: &str) {
    let item = json!({ "extension": value, "name": name });
    match body.get_mut("extensions").and_then(Value::as_array_mut) {
        Some(all) => match all.iter_mut().find(|item| name_of(item) == name) {
            Some(old) => *old = item,
            None => all.push(item),
        },
        None => drop(body.insert("extensions".into(), Value::Array(vec![item]))),
    }
}
