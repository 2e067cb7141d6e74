//! The four patches: JSON, merge, strategic merge and (as a merge) server-side apply.

use serde_json::{Map, Value};

use super::status::Status;

/// Lists whose items the strategic merge matches by a key, by field name.
const MERGE_KEYS: &[(&str, &str)] = &[
    ("containers", "name"),
    ("initContainers", "name"),
    ("env", "name"),
    ("volumes", "name"),
    ("volumeMounts", "mountPath"),
    ("imagePullSecrets", "name"),
    ("conditions", "type"),
];
/// How deep a patch may nest.
const MAX_DEPTH: usize = 64;

/// Applies a JSON merge patch (RFC 7386).
pub(super) fn merge(target: &mut Value, patch: &Value, depth: usize) -> Result<(), Status> {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return Ok(());
    };
    let map = as_map(target, depth)?;
    for (key, change) in changes {
        if change.is_null() {
            map.remove(key);
        } else {
            merge(map.entry(key).or_insert(Value::Null), change, depth + 1)?;
        }
    }
    Ok(())
}

/// Applies a strategic merge patch: as a merge, but known lists are merged item by item.
pub(super) fn strategic(target: &mut Value, patch: &Value, depth: usize) -> Result<(), Status> {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return Ok(());
    };
    if changes.get("$patch") == Some(&Value::from("replace")) {
        *target = Value::Object(changes.iter().filter(|(key, _)| *key != "$patch").map(clone_pair).collect());
        return Ok(());
    }
    let map = as_map(target, depth)?;
    for (key, change) in changes {
        if let Some(field) = key.strip_prefix("$deleteFromPrimitiveList/") {
            if let (Some(Value::Array(items)), Value::Array(gone)) = (map.get_mut(field), change) {
                items.retain(|item| !gone.contains(item));
            }
        } else if key.starts_with('$') {
            // Orders and retained keys do not change what the objects here mean.
        } else if change.is_null() {
            map.remove(key);
        } else if let (Some(merge_key), Value::Array(items)) = (merge_key(key, change), change) {
            merge_list(map.entry(key).or_insert_with(|| Value::Array(Vec::new())), items, merge_key, depth)?;
        } else {
            strategic(map.entry(key).or_insert(Value::Null), change, depth + 1)?;
        }
    }
    Ok(())
}

/// Applies a JSON patch (RFC 6902).
pub(super) fn json(target: &mut Value, patch: &Value) -> Result<(), Status> {
    let steps = patch.as_array().ok_or_else(|| Status::bad_request("a JSON patch is a list of operations"))?;
    for step in steps {
        let path = step["path"].as_str().ok_or_else(|| Status::bad_request("an operation needs a path"))?;
        let from = || step["from"].as_str().ok_or_else(|| Status::bad_request("the operation needs from"));
        match step["op"].as_str().unwrap_or_default() {
            "add" => add(target, path, step["value"].clone())?,
            "replace" => *target.pointer_mut(path).ok_or_else(|| missing(path))? = step["value"].clone(),
            "remove" => drop(remove(target, path)?),
            "move" => {
                let value = remove(target, from()?)?;
                add(target, path, value)?;
            }
            "copy" => {
                let value = target.pointer(from()?).cloned().ok_or_else(|| missing(path))?;
                add(target, path, value)?;
            }
            "test" if target.pointer(path) == Some(&step["value"]) => {}
            "test" => return Err(Status::bad_request(format!("testing path {path} value failed"))),
            other => return Err(Status::bad_request(format!("Unexpected kind: {other}"))),
        }
    }
    Ok(())
}

fn as_map(target: &mut Value, depth: usize) -> Result<&mut Map<String, Value>, Status> {
    if depth > MAX_DEPTH {
        return Err(Status::bad_request("the patch is nested too deeply"));
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    target.as_object_mut().ok_or_else(|| Status::bad_request("not an object"))
}

fn clone_pair((key, value): (&String, &Value)) -> (String, Value) {
    (key.clone(), value.clone())
}

/// Names the key by which the items of a list match; `ports` have different ones in pods and services.
fn merge_key(field: &str, change: &Value) -> Option<&'static str> {
    if field == "ports" {
        let in_pod = change[0].get("containerPort").is_some();
        return Some(if in_pod { "containerPort" } else { "port" });
    }
    MERGE_KEYS.iter().find(|(name, _)| *name == field).map(|(_, key)| *key)
}

fn merge_list(target: &mut Value, changes: &[Value], key: &str, depth: usize) -> Result<(), Status> {
    let Value::Array(items) = target else {
        *target = Value::Array(changes.to_vec());
        return Ok(());
    };
    if changes.iter().any(|change| change["$patch"] == "replace") {
        *items = changes.iter().filter(|change| change.get("$patch").is_none()).cloned().collect();
        return Ok(());
    }
    for change in changes {
        let at = items.iter().position(|item| !change[key].is_null() && item[key] == change[key]);
        match (change["$patch"] == "delete", at) {
            (true, Some(at)) => drop(items.remove(at)),
            (true, None) => {}
            (false, Some(at)) => {
                if let Some(item) = items.get_mut(at) {
                    strategic(item, change, depth + 1)?;
                }
            }
            (false, None) => items.push(change.clone()),
        }
    }
    Ok(())
}

fn missing(path: &str) -> Status {
    Status::bad_request(format!("the path {path} does not exist"))
}

fn parent<'a>(target: &'a mut Value, path: &str) -> Result<(&'a mut Value, String), Status> {
    let (parent, last) = path.rsplit_once('/').ok_or_else(|| missing(path))?;
    let last = last.replace("~1", "/").replace("~0", "~");
    Ok((target.pointer_mut(parent).ok_or_else(|| missing(path))?, last))
}

fn add(target: &mut Value, path: &str, value: Value) -> Result<(), Status> {
    match parent(target, path)? {
        (Value::Object(map), last) => {
            map.insert(last, value);
        }
        (Value::Array(items), last) if last == "-" => items.push(value),
        (Value::Array(items), last) => {
            let at = last.parse::<usize>().ok().filter(|at| *at <= items.len()).ok_or_else(|| missing(path))?;
            items.insert(at, value);
        }
        _ => return Err(missing(path)),
    }
    Ok(())
}

fn remove(target: &mut Value, path: &str) -> Result<Value, Status> {
    match parent(target, path)? {
        (Value::Object(map), last) => map.remove(&last),
        (Value::Array(items), last) => {
            last.parse::<usize>().ok().filter(|at| *at < items.len()).map(|at| items.remove(at))
        }
        _ => None,
    }
    .ok_or_else(|| missing(path))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_merge_patch_sets_and_removes() {
        let mut object = json!({"a": {"b": 1, "c": 2}});
        merge(&mut object, &json!({"a": {"b": null, "d": [1]}}), 0).unwrap();
        assert_eq!(object, json!({"a": {"c": 2, "d": [1]}}));
    }

    #[test]
    fn a_strategic_patch_merges_containers_by_name() {
        let mut object = json!({"containers": [{"name": "a", "image": "1"}, {"name": "b"}]});
        let change = json!({"$setElementOrder/containers": [], "containers": [
            {"name": "a", "image": "2"}, {"name": "b", "$patch": "delete"}, {"name": "c"}]});
        strategic(&mut object, &change, 0).unwrap();
        assert_eq!(object, json!({"containers": [{"name": "a", "image": "2"}, {"name": "c"}]}));
    }

    #[test]
    fn a_json_patch_does_each_operation() {
        let mut object = json!({"a": [1], "b": {"x/y": 1}});
        let steps = json!([
            {"op": "add", "path": "/a/-", "value": 2}, {"op": "remove", "path": "/b/x~1y"},
            {"op": "test", "path": "/a/0", "value": 1}, {"op": "move", "from": "/a", "path": "/c"}]);
        json(&mut object, &steps).unwrap();
        assert_eq!(object, json!({"b": {}, "c": [1, 2]}));
        assert!(json(&mut object, &json!([{"op": "test", "path": "/c", "value": 0}])).is_err());
    }
}
