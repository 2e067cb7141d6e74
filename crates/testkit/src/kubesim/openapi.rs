//! The least OpenAPI with which `kubectl apply` and `create` validate on the server: per kind the PATCH and POST that
//! take `fieldValidation`. Version 2 is protobuf, for kubectl up to 1.27 or so, which does not ask for version 3.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{
    body::{self, Reply},
    discovery::GIT_VERSION,
    kinds::{self, KINDS, Kind, Scope, Use},
    status::Status,
};

const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
/// The same, as Go's `mime` can read it.
const PROTOBUF_SENT: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// Answers `/openapi/…`.
pub(super) fn answer(rest: &[&str], accept: &str) -> Result<Reply, Status> {
    let document = match rest {
        ["v2"] if accept.contains(PROTOBUF) => return Ok(body::whole(StatusCode::OK, PROTOBUF_SENT, second_version())),
        ["v2"] => json!({"swagger": "2.0", "info": info(), "paths": paths(KINDS.iter())}),
        ["v3"] => index(),
        ["v3", "api", version] => group("", version)?,
        ["v3", "apis", name, version] => group(name, version)?,
        _ => return Err(Status::unknown_resource()),
    };
    Ok(body::json(StatusCode::OK, &document))
}

fn info() -> Value {
    json!({"title": "Kubernetes", "version": GIT_VERSION})
}

fn index() -> Value {
    let mut paths = Map::new();
    for (group, version) in kinds::group_versions() {
        let path = if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") };
        paths.insert(path.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{path}")}));
    }
    json!({"paths": paths})
}

fn group(group: &str, version: &str) -> Result<Value, Status> {
    let kinds: Vec<&Kind> = KINDS.iter().filter(|kind| kind.group == group && kind.version == version).collect();
    if kinds.is_empty() {
        return Err(Status::unknown_resource());
    }
    Ok(json!({"openapi": "3.0.0", "info": info(), "paths": paths(kinds.into_iter()), "components": {"schemas": {}}}))
}

fn paths<'a>(kinds: impl Iterator<Item = &'a Kind>) -> Map<String, Value> {
    let mut paths = Map::new();
    for kind in kinds.filter(|kind| kind.use_ == Use::Kept) {
        let root = if kind.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", kind.group) };
        let namespace = if kind.scope == Scope::Namespaced { "/namespaces/{namespace}" } else { "" };
        let collection = format!("{root}/{}{namespace}/{}", kind.version, kind.plural);
        paths.insert(format!("{collection}/{{name}}"), json!({"patch": operation(kind, "patch")}));
        paths.insert(collection, json!({"post": operation(kind, "post")}));
    }
    paths
}

fn operation(kind: &Kind, action: &str) -> Value {
    let parameter = |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string"}});
    json!({
        "operationId": format!("{action}{}", kind.kind),
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
        "parameters": [parameter("dryRun"), parameter("fieldManager"), parameter("fieldValidation")],
        "responses": {"200": {"description": "OK"}},
    })
}

/// Writes version 2 as gnostic's `openapi.v2.Document`, field numbers as there.
fn second_version() -> Vec<u8> {
    let kinds = KINDS.iter().filter(|kind| kind.use_ == Use::Kept);
    let paths: Vec<u8> = kinds.flat_map(|kind| nested(&[2], &named(kind.plural, &path_item(kind)))).collect();
    let info = [text(1, "Kubernetes"), text(2, GIT_VERSION)].concat();
    [text(1, "2.0"), nested(&[2], &info), nested(&[8], &paths)].concat()
}

fn path_item(kind: &Kind) -> Vec<u8> {
    let parameters = ["dryRun", "fieldManager", "fieldValidation"].map(|name| {
        // ParametersItem, Parameter, NonBodyParameter, QueryParameterSubSchema.
        nested(&[8, 1, 2, 3], &[text(2, "query"), text(4, name)].concat())
    });
    let (group, version, kind) = (kind.group, kind.version, kind.kind);
    let yaml = format!("group: \"{group}\"\nversion: {version}\nkind: {kind}\n");
    let extension = nested(&[13], &named("x-kubernetes-group-version-kind", &text(2, &yaml)));
    nested(&[8], &[parameters.concat(), extension].concat())
}

fn named(name: &str, value: &[u8]) -> Vec<u8> {
    [text(1, name), nested(&[2], value)].concat()
}

fn text(number: u8, text: &str) -> Vec<u8> {
    nested(&[number], text.as_bytes())
}

/// Wraps a message into fields, the outermost first.
fn nested(numbers: &[u8], content: &[u8]) -> Vec<u8> {
    numbers.iter().rev().fold(content.to_vec(), |content, number| {
        let mut field = vec![number << 3 | 2];
        let mut length = content.len();
        while length >= 0x80 {
            field.push(u8::try_from(length & 0x7f).unwrap_or(0) | 0x80);
            length >>= 7;
        }
        field.push(u8::try_from(length).unwrap_or(0));
        field.extend(content);
        field
    })
}
