//! Discovery: `/api`, `/apis`, their resource lists, the aggregated form that kubectl ≥ 1.27 asks for, `/version`.

use http::StatusCode;
use serde_json::{Value, json};

use super::{
    body::{self, Reply},
    kinds::{self, KINDS, Kind, Scope},
    openapi,
    status::Status,
};

/// What version it claims to be; kubectl warns about a skew of more than one minor.
pub(super) const GIT_VERSION: &str = "v1.33.0";

/// Answers a path that names no object.
pub(super) fn answer(path: &str, accept: &str) -> Result<Reply, Status> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let document = match parts.as_slice() {
        ["version"] => version(),
        ["healthz" | "livez" | "readyz", ..] => {
            return Ok(body::whole(StatusCode::OK, "text/plain; charset=utf-8", "ok"));
        }
        ["api"] | ["apis"] if aggregated(accept).is_some() => {
            return Ok(aggregated_list(parts.as_slice() == ["api"], aggregated(accept).unwrap_or("v2")));
        }
        ["api"] => json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
        ["apis"] => json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups()}),
        ["api", version] => resources("", version)?,
        ["apis", group] => {
            groups().into_iter().find(|found| found["name"] == **group).ok_or_else(Status::unknown_resource)?
        }
        ["apis", group, version] => resources(group, version)?,
        ["openapi", rest @ ..] => return openapi::answer(rest, accept),
        _ => return Err(Status::unknown_resource()),
    };
    Ok(body::json(StatusCode::OK, &document))
}

fn version() -> Value {
    json!({
        "major": "1", "minor": "33", "gitVersion": GIT_VERSION, "gitCommit": "kubesim", "gitTreeState": "clean",
        "buildDate": "2025-04-23T13:00:00Z", "goVersion": "none", "compiler": "rustc", "platform": "linux/amd64",
    })
}

fn groups() -> Vec<Value> {
    let groups = names().into_iter().filter(|group| !group.is_empty()).map(|group| {
        let versions: Vec<Value> = versions(group)
            .map(|version| json!({"groupVersion": format!("{group}/{version}"), "version": version}))
            .collect();
        json!({"name": group, "versions": versions, "preferredVersion": versions.first()})
    });
    groups.collect()
}

fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = KINDS.iter().map(|kind| kind.group).collect();
    names.dedup();
    names
}

fn versions(group: &'static str) -> impl Iterator<Item = &'static str> {
    kinds::group_versions().into_iter().filter(move |(name, _)| *name == group).map(|(_, version)| version)
}

fn resources(group: &str, version: &str) -> Result<Value, Status> {
    let kinds: Vec<&Kind> = of_group(group, version).collect();
    let first = kinds.first().ok_or_else(Status::unknown_resource)?;
    let resources: Vec<Value> = kinds.iter().flat_map(|kind| plain_entries(kind)).collect();
    Ok(
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": first.api_version(), "resources": resources}),
    )
}

fn plain_entries(kind: &Kind) -> Vec<Value> {
    let namespaced = kind.scope == Scope::Namespaced;
    let mut main = json!({
        "name": kind.plural, "singularName": kind.singular, "namespaced": namespaced, "kind": kind.kind,
        "verbs": kind.verbs(),
    });
    if let (Value::Object(map), false) = (&mut main, kind.short.is_empty()) {
        map.insert("shortNames".into(), json!(kind.short));
    }
    if let (Value::Object(map), false) = (&mut main, kind.categories.is_empty()) {
        map.insert("categories".into(), json!(kind.categories));
    }
    let mut entries = vec![main];
    for (name, of, verbs) in kind.subresources {
        let name = format!("{}/{name}", kind.plural);
        entries.push(json!({"name": name, "singularName": "", "namespaced": namespaced, "kind": of, "verbs": verbs}));
    }
    entries
}

/// Returns the version of the aggregated form that the client asks for, if it does.
fn aggregated(accept: &str) -> Option<&'static str> {
    let asked = |version: &str| {
        accept.split(',').any(|range| {
            range.contains("as=APIGroupDiscoveryList") && range.split(';').any(|part| part.trim() == version)
        })
    };
    if asked("v=v2") {
        Some("v2")
    } else if asked("v=v2beta1") {
        Some("v2beta1")
    } else {
        None
    }
}

fn aggregated_list(core: bool, version: &str) -> Reply {
    let wanted = names().into_iter().filter(|group| group.is_empty() == core);
    let items: Vec<Value> = wanted
        .map(|group| {
            let metadata = if group.is_empty() { json!({}) } else { json!({"name": group}) };
            let versions: Vec<Value> = versions(group)
                .map(|version| {
                    let resources: Vec<Value> = of_group(group, version).map(aggregated_entry).collect();
                    json!({"version": version, "resources": resources, "freshness": "Current"})
                })
                .collect();
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    let document = json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": format!("apidiscovery.k8s.io/{version}"), "metadata": {},
        "items": items,
    });
    let content_type = match version {
        "v2beta1" => "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
        _ => "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
    };
    body::whole(StatusCode::OK, content_type, document.to_string())
}

fn aggregated_entry(kind: &Kind) -> Value {
    let named = |name: &str| json!({"group": kind.group, "version": kind.version, "kind": name});
    let scope = if kind.scope == Scope::Namespaced { "Namespaced" } else { "Cluster" };
    let subresources: Vec<Value> = kind
        .subresources
        .iter()
        .map(|(name, of, verbs)| json!({"subresource": name, "responseKind": named(of), "verbs": verbs}))
        .collect();
    json!({
        "resource": kind.plural, "responseKind": named(kind.kind), "scope": scope, "singularResource": kind.singular,
        "verbs": kind.verbs(), "shortNames": kind.short, "categories": kind.categories,
        "subresources": subresources,
    })
}

fn of_group<'a>(group: &'a str, version: &'a str) -> impl Iterator<Item = &'static Kind> + 'a {
    KINDS.iter().filter(move |kind| kind.group == group && kind.version == version)
}
