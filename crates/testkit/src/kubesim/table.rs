//! What `kubectl get` prints: columns and cells of each kind.

use jiff::Timestamp;
use serde_json::{Value, json};
use teleport_runtime::Clock;

use super::{
    kinds::Kind,
    render::{Include, metadata_only},
};

/// Columns of a kind: name, type, and whether only `-o wide` shows them.
type Column = (&'static str, &'static str, Width);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Width {
    Normal,
    Wide,
}
use Width::{Normal, Wide};

const NAME: Column = ("Name", "string", Normal);
const AGE: Column = ("Age", "string", Normal);

/// Renders a `meta.k8s.io` table of objects.
pub(super) fn render(kind: &Kind, version: &str, list: &Value, items: &[Value], include: Include) -> Value {
    let columns: Vec<Value> = columns(kind)
        .iter()
        .map(|(name, of, width)| {
            let format = if *name == "Name" { "name" } else { "" };
            let priority = i32::from(*width == Wide);
            json!({"name": name, "type": of, "format": format, "description": "", "priority": priority})
        })
        .collect();
    let rows: Vec<Value> = items
        .iter()
        .map(|item| {
            let mut row = json!({"cells": cells(kind, item)});
            let object = match include {
                Include::Nothing => None,
                Include::Object => Some(item.clone()),
                Include::Metadata => Some(metadata_only(version, item)),
            };
            if let (Value::Object(map), Some(object)) = (&mut row, object) {
                map.insert("object".into(), object);
            }
            row
        })
        .collect();
    json!({
        "kind": "Table", "apiVersion": version, "metadata": list["metadata"], "columnDefinitions": columns, "rows": rows,
    })
}

fn columns(kind: &Kind) -> Vec<Column> {
    let between: &[Column] = match kind.plural {
        "pods" => &[("Ready", "string", Normal), ("Status", "string", Normal), ("Restarts", "string", Normal)],
        "configmaps" => &[("Data", "integer", Normal)],
        "secrets" => &[("Type", "string", Normal), ("Data", "integer", Normal)],
        "namespaces" => &[("Status", "string", Normal)],
        "nodes" => &[("Status", "string", Normal), ("Roles", "string", Normal)],
        "services" => &[
            ("Type", "string", Normal),
            ("Cluster-IP", "string", Normal),
            ("External-IP", "string", Normal),
            ("Port(s)", "string", Normal),
        ],
        "deployments" => {
            &[("Ready", "string", Normal), ("Up-to-date", "integer", Normal), ("Available", "integer", Normal)]
        }
        _ => &[],
    };
    let after: &[Column] = match kind.plural {
        "pods" => &[
            ("IP", "string", Wide),
            ("Node", "string", Wide),
            ("Nominated Node", "string", Wide),
            ("Readiness Gates", "string", Wide),
        ],
        "nodes" => &[("Version", "string", Normal)],
        "services" => &[("Selector", "string", Wide)],
        "deployments" => &[("Containers", "string", Wide), ("Images", "string", Wide), ("Selector", "string", Wide)],
        _ => &[],
    };
    [&[NAME], between, &[AGE], after].concat()
}

fn cells(kind: &Kind, object: &Value) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let name = object["metadata"]["name"].clone();
    let age = Value::from(age(&object["metadata"]["creationTimestamp"], Clock::system().now()));
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    match kind.plural {
        "pods" => {
            let containers = items(&status["containerStatuses"]);
            let ready = containers.iter().filter(|container| container["ready"] == true).count();
            let restarts: u64 = containers.iter().map(|container| number(&container["restartCount"])).sum();
            let ready = format!("{ready}/{}", items(&spec["containers"]).len());
            let none = json!("<none>");
            vec![
                name,
                ready.into(),
                status["phase"].clone(),
                restarts.to_string().into(),
                age,
                or(&status["podIP"], "<none>"),
                or(&spec["nodeName"], "<none>"),
                none.clone(),
                none,
            ]
        }
        "configmaps" => vec![name, (len(&object["data"]) + len(&object["binaryData"])).into(), age],
        "secrets" => vec![name, or(&object["type"], "Opaque"), len(&object["data"]).into(), age],
        "namespaces" => vec![name, or(&status["phase"], "Active"), age],
        "nodes" => {
            vec![name, "Ready".into(), "control-plane".into(), age, status["nodeInfo"]["kubeletVersion"].clone()]
        }
        "services" => vec![
            name,
            or(&spec["type"], "ClusterIP"),
            or(&spec["clusterIP"], "None"),
            "<none>".into(),
            ports(spec).into(),
            age,
            pairs(&spec["selector"]).into(),
        ],
        "deployments" => {
            let containers = items(&spec["template"]["spec"]["containers"]);
            let joined = |key: &str| containers.iter().filter_map(|c| c[key].as_str()).collect::<Vec<_>>().join(",");
            vec![
                name,
                format!("{}/{}", number(&status["readyReplicas"]), number(&spec["replicas"])).into(),
                number(&status["updatedReplicas"]).into(),
                number(&status["availableReplicas"]).into(),
                age,
                joined("name").into(),
                joined("image").into(),
                pairs(&spec["selector"]["matchLabels"]).into(),
            ]
        }
        _ => vec![name, age],
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn len(value: &Value) -> usize {
    value.as_object().map_or(0, serde_json::Map::len)
}

fn or(value: &Value, otherwise: &str) -> Value {
    if value.is_null() { otherwise.into() } else { value.clone() }
}

fn ports(spec: &Value) -> String {
    let ports = items(&spec["ports"]).iter();
    let all: Vec<String> =
        ports.map(|port| format!("{}/{}", port["port"], port["protocol"].as_str().unwrap_or("TCP"))).collect();
    if all.is_empty() { "<none>".into() } else { all.join(",") }
}

fn pairs(value: &Value) -> String {
    let all: Vec<String> = value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    if all.is_empty() { "<none>".into() } else { all.join(",") }
}

/// Words an age as Kubernetes does: two units while they matter, then one.
fn age(created: &Value, now: Timestamp) -> String {
    let Some(created) = created.as_str().and_then(|text| text.parse::<Timestamp>().ok()) else {
        return "<unknown>".to_owned();
    };
    let seconds = now.as_second().saturating_sub(created.as_second()).max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |first: i64, unit: &str, rest: i64, small: &str| match rest {
        0 => format!("{first}{unit}"),
        rest => format!("{first}{unit}{rest}{small}"),
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_worded_as_kubectl_prints_them() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        for (created, expected) in [
            ("2026-11-24T11:59:01Z", "59s"),
            ("2026-11-24T11:55:00Z", "5m"),
            ("2026-11-24T11:54:30Z", "5m30s"),
            ("2026-11-24T11:00:00Z", "60m"),
            ("2026-11-24T07:30:00Z", "4h30m"),
            ("2026-11-21T11:00:00Z", "3d1h"),
            ("2026-10-01T11:00:00Z", "54d"),
        ] {
            assert_eq!(age(&created.into(), now), expected);
        }
    }
}
