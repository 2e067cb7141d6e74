//! Reads documents that people write, YAML or JSON, and says document, line, field and nearest known name when one is wrong.

use std::fmt;

use serde::{Deserialize, de::DeserializeOwned};
use serde_saphyr::{Budget, DuplicateKeyPolicy, MergeKeyPolicy, Options};

use crate::document::{AnyResource, Kind, listed};

/// Longest text accepted, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;

/// Why a text was refused, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YamlError {
    /// Which document of the text, from 1; absent when there is but one.
    pub document: Option<usize>,
    /// Which line of the text, from 1, when known.
    pub line: Option<u64>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(document) = self.document {
            write!(f, "document {document}, ")?;
        }
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for YamlError {}

impl YamlError {
    fn new(line: Option<u64>, message: impl Into<String>) -> Self {
        Self { document: None, line, message: message.into() }
    }
}

/// Reads one document into a type.
///
/// # Errors
/// Says the line and, for an unknown field or value, the nearest known one.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, YamlError> {
    if text.len() > MAX_BYTES {
        return Err(YamlError::new(None, format!("the text is longer than {MAX_BYTES} bytes")));
    }
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| explain(&error))
}

/// Reads every resource in a text: YAML documents parted by `---`, a JSON document, or a JSON list of them.
///
/// # Errors
/// For the first document that is wrong; none is returned then.
pub fn resources(text: &str) -> Result<Vec<AnyResource>, YamlError> {
    let mut read = Vec::new();
    let documents = split(text);
    let several = documents.len() > 1;
    for (number, (first_line, document)) in documents.into_iter().enumerate() {
        let found =
            if document.trim_start().starts_with('[') { list(document) } else { one(document).map(|r| vec![r]) };
        read.extend(found.map_err(|mut error| {
            error.document = several.then_some(number + 1);
            error.line = error.line.map(|line| line + first_line);
            error
        })?);
    }
    if read.is_empty() {
        return Err(YamlError::new(None, "the text has no document in it"));
    }
    Ok(read)
}

fn one(document: &str) -> Result<AnyResource, YamlError> {
    #[derive(Deserialize)]
    struct Envelope {
        kind: String,
        version: Option<String>,
    }
    let envelope: Envelope = from_str(document)?;
    let Some(kind) = Kind::parse(&envelope.kind) else {
        let names = Kind::ALL.map(Kind::as_str);
        return Err(YamlError::new(None, unknown("kind", &envelope.kind, &names)));
    };
    let Some(version) = envelope.version else {
        let versions = listed(kind.versions(), "or");
        return Err(YamlError::new(None, format!("version is missing; a {kind} has {versions}")));
    };
    kind.check_version(&version).map_err(|error| YamlError::new(None, error.to_string()))?;
    let resource = match kind {
        Kind::Role => AnyResource::Role(from_str(document)?),
        Kind::User => AnyResource::User(from_str(document)?),
        Kind::Lock => AnyResource::Lock(from_str(document)?),
        Kind::Token => AnyResource::Token(from_str(document)?),
        Kind::KubeCluster => AnyResource::KubeCluster(from_str(document)?),
        Kind::AuthPreference => AnyResource::AuthPreference(from_str(document)?),
    };
    resource.check().map_err(|error| YamlError::new(None, error.to_string()))?;
    Ok(resource)
}

fn list(document: &str) -> Result<Vec<AnyResource>, YamlError> {
    let values: Vec<serde_json::Value> = from_str(document)?;
    values
        .into_iter()
        .map(|value| AnyResource::from_value(value).map_err(|error| YamlError::new(None, error.to_string())))
        .collect()
}

/// Parts a text at its document markers; empty documents are dropped. Returns each with the number of lines before it.
fn split(text: &str) -> Vec<(u64, &str)> {
    let (mut documents, mut start, mut offset) = (Vec::new(), (0, 0), 0);
    for (number, line) in (0u64..).zip(text.split_inclusive('\n')) {
        let marker =
            line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
        if marker {
            documents.push((start.0, text.get(start.1..offset).unwrap_or_default()));
            start = (number, offset);
        }
        offset += line.len();
    }
    documents.push((start.0, text.get(start.1..).unwrap_or_default()));
    documents.retain(|(_, document)| {
        let content = |line: &str| line.strip_prefix("---").unwrap_or(line).trim_start().to_owned();
        document.lines().map(content).any(|line| !line.is_empty() && !line.starts_with('#') && line.trim_end() != "...")
    });
    documents
}

fn options() -> Options {
    let mut budget = Budget::default();
    budget.max_depth = 32;
    budget.flow_nesting_limit = 32;
    budget.max_nodes = 100_000;
    budget.max_events = 250_000;
    budget.max_aliases = 1000;
    budget.max_anchors = 1000;
    budget.max_documents = 1;
    let mut options = Options::default();
    options.budget = Some(budget);
    options.with_snippet = false;
    options.duplicate_keys = DuplicateKeyPolicy::Error;
    options.merge_keys = MergeKeyPolicy::Error;
    options
}

fn explain(error: &serde_saphyr::Error) -> YamlError {
    use serde_saphyr::Error;
    let message = match error {
        Error::SerdeUnknownField { field, expected, .. } => unknown("field", field, expected),
        Error::SerdeUnknownVariant { variant, expected, .. } => unknown("value", variant, expected),
        Error::SerdeMissingField { field, .. } => format!("the field {field:?} is missing"),
        Error::DuplicateMappingKey { key: Some(key), .. } => format!("the field {key:?} is there twice"),
        other => plain(&other.without_snippet().to_string()),
    };
    YamlError::new(error.location().map(|location| location.line()), message)
}

/// Takes the library's own position off a message: ours says it first.
fn plain(message: &str) -> String {
    let first = message.lines().next().unwrap_or_default();
    match first.split(" at line ").next().unwrap_or(first) {
        "expected mapping start" => "fields are expected here, written `name: value`".to_owned(),
        "expected sequence start" => "a list is expected here, written `- value`".to_owned(),
        other => other.to_owned(),
    }
}

/// Says that a name is not known, and which of the known ones was meant, if any.
pub fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    let shown: String = name.chars().take(64).collect();
    if PLANNED.contains(&name) {
        return format!("the {what} {shown:?} is not supported yet; remove it");
    }
    match nearest(name, known) {
        Some(nearest) => format!("unknown {what} {shown:?}; did you mean {nearest:?}?"),
        None if known.is_empty() => format!("unknown {what} {shown:?}; none is expected here"),
        None => format!("unknown {what} {shown:?}; known are {}", known.join(", ")),
    }
}

/// Fields people paste from documents of systems like this one, which no part of this one honours yet.
const PLANNED: &[&str] = &[
    "client_idle_timeout",
    "disconnect_expired_cert",
    "max_kubernetes_connections",
    "max_connections",
    "max_sessions",
    "forward_agent",
    "port_forwarding",
    "ssh_port_forwarding",
    "ssh_file_copy",
    "permit_x11_forwarding",
    "record_session",
    "enhanced_recording",
    "require_session_mfa",
    "lock",
    "request_access",
    "pin_source_ip",
    "device_trust_mode",
    "cert_format",
    "create_host_user",
    "create_host_user_mode",
    "create_host_user_default_shell",
    "create_db_user",
    "create_db_user_mode",
    "create_desktop_user",
    "cert_extensions",
    "desktop_clipboard",
    "desktop_directory_sharing",
    "idp",
    "mfa_verification_interval",
    "request_prompt",
    "kubernetes_labels_expression",
    "node_labels_expression",
    "app_labels",
    "app_labels_expression",
    "db_labels",
    "db_names",
    "db_users",
    "windows_desktop_labels",
    "windows_desktop_logins",
    "cluster_labels",
    "impersonate",
    "request",
    "review_requests",
    "require_session_join",
    "join_sessions",
    "host_groups",
    "host_sudoers",
    "where",
    "second_factor",
    "second_factors",
    "webauthn",
    "connector_name",
    "allow_passwordless",
    "kubeconfig",
    "aws",
    "azure",
    "gcp",
    "dynamic_labels",
    "bot_name",
    "oidc",
    "saml",
    "github",
    "trusted_cluster",
    "node",
];

/// Finds the known name within a third of the length in edits.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let name = name.to_lowercase();
    let allowed = (name.chars().count() / 3).max(1);
    known
        .iter()
        .map(|candidate| (distance(&name, &candidate.to_lowercase()), *candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Counts the single-character edits between two short texts.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().take(64).enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (to, above) in b.iter().zip(row.iter().skip(1)) {
            left = (left + 1).min(above + 1).min(diagonal + usize::from(from != *to));
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str =
        "kind: role\nversion: v7\nmetadata:\n  name: dev\nspec:\n  allow:\n    kubernetes_labels:\n      env: dev\n";

    fn refusal(text: &str) -> String {
        resources(text).expect_err(text).to_string()
    }

    #[test]
    fn several_documents_of_yaml_and_json_are_read() {
        let text = format!(
            "# roles\n---\n{ROLE}---\nkind: user\nversion: v2\nmetadata: {{name: alice}}\nspec: {{roles: [dev]}}\n...\n--- # empty\n---\n\
             {{\"kind\":\"lock\",\"version\":\"v2\",\"metadata\":{{\"name\":\"l\"}},\"spec\":{{\"target\":{{\"user\":\"bob\"}}}}}}\n"
        );
        let kinds: Vec<_> = resources(&text).expect("reads").iter().map(AnyResource::kind).collect();
        assert_eq!(kinds, [Kind::Role, Kind::User, Kind::Lock]);
    }

    #[test]
    fn what_is_written_as_json_reads_back() {
        let text = format!(
            "{ROLE}    kubernetes_resources:\n    - {{kind: pod, namespace: '*', name: web, verbs: [get]}}\n    rules:\n    - {{resources: [role, '*'], verbs: [read]}}\n  options: {{max_session_ttl: 8h}}\n"
        );
        let role = resources(&text).expect("reads").remove(0);
        let json = serde_json::to_string_pretty(&[role.to_value()]).expect("writes");
        assert_eq!(resources(&json).expect("reads back"), std::slice::from_ref(&role));
        assert_eq!(AnyResource::from_value(role.to_value()).expect("reads back"), role);
    }

    #[test]
    fn errors_name_document_line_field_and_nearest_name() {
        let second = |text: &str| format!("{ROLE}---\n{text}");
        for (text, expected) in [
            (
                second("kind: role\nversion: v7\nmetadata:\n  name: x\nspec:\n  allow:\n    kubernetes_group: [g]\n"),
                "document 2, line 16: unknown field \"kubernetes_group\"; did you mean \"kubernetes_groups\"?",
            ),
            (
                ROLE.replace("spec:", "spec:\n  options: {client_idle_timeout: 5m}"),
                "line 6: the field \"client_idle_timeout\" is not supported yet; remove it",
            ),
            (ROLE.replace("role", "rol"), "unknown kind \"rol\"; did you mean \"role\"?"),
            (ROLE.replace("kind: role\n", ""), "the field \"kind\" is missing"),
            (ROLE.replace("env: dev", "env: dev\n      env: prod"), "the field \"env\" is there twice"),
            (ROLE.replace("spec:", "spec:\n  options: {max_session_ttl: soon}"), "\"soon\" is not a span of time"),
            (ROLE.replace("env: dev", "env: 5"), "in quotes when it looks like a number"),
            (ROLE.replace("name: dev", "name: a/b"), "\"a/b\" is not a role name"),
            (ROLE.replace("version: v7", "version: v9"), "this service reads v3, v4, v5, v6, v7 and v8"),
            (ROLE.replace("version: v7\n", ""), "version is missing; a role has v3, v4, v5, v6, v7 or v8"),
            (ROLE.replace("env: dev", "env: '^('"), "spec.allow.kubernetes_labels.env: \"^(\" is not a pattern"),
            (
                ROLE.replace("allow:", "allow:\n    rules: [{resources: [roles], verbs: [read]}]"),
                "did you mean \"role\"?",
            ),
            (String::new(), "the text has no document in it"),
            (
                "kind: user\nversion: v2\nmetadata: {name: a}\nspec: {roles: [], traits: {}, x: }\n".to_owned(),
                "line 4: unknown field \"x\"",
            ),
            ("a: &a [x]\nkind: *a\n".to_owned(), "line"),
        ] {
            assert!(refusal(&text).contains(expected), "{text}\n gives: {}\n wants: {expected}", refusal(&text));
        }
    }

    #[test]
    fn bombs_are_refused_quickly() {
        let mut aliases = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for i in 1..12 {
            let list = vec![format!("*a{}", i - 1); 9].join(",");
            aliases.push_str(&format!("a{i}: &a{i} [{list}]\n"));
        }
        refusal(&format!("{ROLE}x: {}\n", "[".repeat(5000)));
        refusal(&aliases);
        refusal(&" ".repeat(MAX_BYTES + 1));
    }

    #[test]
    fn rules_that_would_match_nothing_are_refused() {
        let with = |version: &str, rule: &str| {
            ROLE.replace("v7", version).replace("allow:", &format!("allow:\n    kubernetes_resources: [{rule}]"))
        };
        for (text, expected) in [
            (with("v7", ""), "an empty list is not clear"),
            (with("v7", "{kind: pods, namespace: x, name: '*', verbs: [get]}"), "did you mean \"pod\"?"),
            (with("v7", "{kind: widget, namespace: x, name: '*', verbs: [get]}"), "a v8 role can name any kind"),
            (with("v7", "{kind: pod, api_group: '', namespace: x, name: '*', verbs: [get]}"), "a v7 role has none"),
            (with("v7", "{kind: pod, namespace: x, name: '*', verbs: []}"), "name at least one verb"),
            (with("v7", "{kind: pod, name: '*', verbs: [get]}"), "pods are in namespaces"),
            (with("v7", "{kind: kube_node, namespace: x, name: '*', verbs: [get]}"), "nodes are in no namespace"),
            (with("v8", "{kind: pods, namespace: x, name: '*', verbs: [get]}"), "a v8 role names the API group"),
            (with("v8", "{kind: pod, api_group: '', namespace: x, name: '*', verbs: [get]}"), "write \"pods\""),
            (
                with("v8", "{kind: pods/log, api_group: '', namespace: x, name: '*', verbs: [get]}"),
                "without a subresource",
            ),
            (
                with("v8", "{kind: pods, api_group: '', namespace: x, name: '*', verbs: [read]}"),
                "unknown value \"read\"",
            ),
            (ROLE.replace("allow:", "allow:\n    kubernetes_groups: ['system:{{external.x}}']"), "granted literally"),
            (ROLE.replace("allow:", "allow:\n    kubernetes_groups: [\"a\\nb\"]"), "is not a name"),
            (ROLE.replace("allow:", "allow:\n    kubernetes_users: ['*']"), "is not a name"),
            (ROLE.replace("allow:", "allow:\n    logins: ['{{external.}}']"), "is not a template"),
        ] {
            assert!(refusal(&text).contains(expected), "{text}\n gives: {}\n wants: {expected}", refusal(&text));
        }
    }
}
