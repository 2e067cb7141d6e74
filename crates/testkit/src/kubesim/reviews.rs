//! The questions a user asks about themselves: who am I, may I, what may I.

use http::StatusCode;
use serde_json::{Value, json};

use super::{
    body::{self, Reply},
    defaults,
    identity::Identity,
    rbac,
    route::Target,
    status::Status,
};

/// Answers a review; `allowed` is the authorizer, so that controls of a test reach it too.
pub(super) fn answer(
    target: &Target,
    identity: &Identity,
    mut document: Value,
    allowed: impl Fn(&Identity, &str, &Target) -> bool,
) -> Result<Reply, Status> {
    let status = match target.resource.as_str() {
        "selfsubjectreviews" => json!({"userInfo": user_info(identity)}),
        "selfsubjectaccessreviews" => access(identity, &document["spec"], allowed),
        "selfsubjectrulesreviews" => {
            let namespace = document["spec"]["namespace"].as_str().unwrap_or("default");
            let paths =
                json!([{"verbs": ["get"], "nonResourceURLs": ["/api", "/api/*", "/apis", "/apis/*", "/version"]}]);
            json!({"resourceRules": rbac::rules(identity, namespace), "nonResourceRules": paths, "incomplete": false})
        }
        _ => return Err(Status::unknown_resource()),
    };
    // Only this one is created, as far as the API server is concerned.
    let created = if target.resource == "selfsubjectreviews" { defaults::now().into() } else { Value::Null };
    let kind = target.kind().ok_or_else(Status::unknown_resource)?;
    if let Value::Object(map) = &mut document {
        map.insert("kind".into(), kind.kind.into());
        map.insert("apiVersion".into(), kind.api_version().into());
        map.insert("metadata".into(), json!({"creationTimestamp": created}));
        map.insert("status".into(), status);
    }
    Ok(body::json(StatusCode::CREATED, &document))
}

fn user_info(identity: &Identity) -> Value {
    let mut info = json!({"username": identity.user, "groups": identity.groups});
    if let (Value::Object(map), false) = (&mut info, identity.extra.is_empty()) {
        let extra: serde_json::Map<String, Value> =
            identity.extra.iter().map(|(key, value)| (key.clone(), json!([value]))).collect();
        map.insert("extra".into(), extra.into());
    }
    info
}

fn access(identity: &Identity, spec: &Value, allowed: impl Fn(&Identity, &str, &Target) -> bool) -> Value {
    let text = |of: &Value, key: &str| of[key].as_str().unwrap_or_default().to_owned();
    if let Some(path) = spec.get("nonResourceAttributes") {
        return json!({"allowed": rbac::allows_path(identity, &text(path, "verb"), &text(path, "path"))});
    }
    let asked = &spec["resourceAttributes"];
    let target = Target {
        group: text(asked, "group"),
        version: text(asked, "version"),
        resource: text(asked, "resource"),
        subresource: text(asked, "subresource"),
        namespace: Some(text(asked, "namespace")).filter(|namespace| !namespace.is_empty()),
        name: text(asked, "name"),
    };
    json!({"allowed": allowed(identity, &text(asked, "verb"), &target)})
}
