//! Kubernetes' protobuf, reading only: kubectl ≥ 1.32 sends what its typed clients create in it.
//!
//! A table per message says which field is which; what the table does not name is left out. Answers stay JSON, which
//! those clients accept.

use serde_json::{Map, Value};

use super::status::Status;

/// What stands before each protobuf object.
const MAGIC: &[u8] = b"k8s\0";
/// How deep messages may nest.
const MAX_DEPTH: usize = 32;

/// A field: number, JSON name, and how its bytes are read.
type Field = (u64, &'static str, Type);

#[derive(Clone, Copy)]
enum Type {
    Text,
    Number,
    Bool,
    Message(&'static [Field]),
    Texts,
    Messages(&'static [Field]),
    /// A map of strings.
    Map,
    /// A map of bytes, base64 in JSON.
    Blobs,
    /// `intstr.IntOrString`.
    IntOrString,
}
use Type::{Blobs, Bool, IntOrString, Map as TextMap, Message, Messages, Number, Text, Texts};

const METADATA: &[Field] = &[
    (1, "name", Text),
    (2, "generateName", Text),
    (3, "namespace", Text),
    (11, "labels", TextMap),
    (12, "annotations", TextMap),
];
const CONTAINER: &[Field] = &[
    (1, "name", Text),
    (2, "image", Text),
    (3, "command", Texts),
    (4, "args", Texts),
    (6, "ports", Messages(&[(1, "name", Text), (3, "containerPort", Number), (4, "protocol", Text)])),
    (7, "env", Messages(&[(1, "name", Text), (2, "value", Text)])),
    (14, "imagePullPolicy", Text),
    (16, "stdin", Bool),
    (18, "tty", Bool),
];
const POD_SPEC: &[Field] = &[
    (2, "containers", Messages(CONTAINER)),
    (3, "restartPolicy", Text),
    (4, "terminationGracePeriodSeconds", Number),
    (6, "dnsPolicy", Text),
];
const POD: &[Field] = &[(1, "metadata", Message(METADATA)), (2, "spec", Message(POD_SPEC))];
const DEPLOYMENT_SPEC: &[Field] =
    &[(1, "replicas", Number), (2, "selector", Message(&[(1, "matchLabels", TextMap)])), (3, "template", Message(POD))];
const SERVICE_PORT: &[Field] = &[
    (1, "name", Text),
    (2, "protocol", Text),
    (3, "port", Number),
    (4, "targetPort", IntOrString),
    (5, "nodePort", Number),
];
const SERVICE_SPEC: &[Field] =
    &[(1, "ports", Messages(SERVICE_PORT)), (2, "selector", TextMap), (3, "clusterIP", Text), (4, "type", Text)];
const ASKED_RESOURCE: &[Field] = &[
    (1, "namespace", Text),
    (2, "verb", Text),
    (3, "group", Text),
    (4, "version", Text),
    (5, "resource", Text),
    (6, "subresource", Text),
    (7, "name", Text),
];
const ASKED: &[Field] = &[
    (1, "resourceAttributes", Message(ASKED_RESOURCE)),
    (2, "nonResourceAttributes", Message(&[(1, "path", Text), (2, "verb", Text)])),
];

/// The messages by kind.
const KINDS: &[(&str, &[Field])] = &[
    (
        "ConfigMap",
        &[(1, "metadata", Message(METADATA)), (2, "data", TextMap), (3, "binaryData", Blobs), (4, "immutable", Bool)],
    ),
    (
        "Secret",
        &[(1, "metadata", Message(METADATA)), (2, "data", Blobs), (3, "type", Text), (4, "stringData", TextMap)],
    ),
    ("Namespace", &[(1, "metadata", Message(METADATA))]),
    ("Pod", POD),
    ("Service", &[(1, "metadata", Message(METADATA)), (2, "spec", Message(SERVICE_SPEC))]),
    ("Deployment", &[(1, "metadata", Message(METADATA)), (2, "spec", Message(DEPLOYMENT_SPEC))]),
    ("DeleteOptions", &[(1, "gracePeriodSeconds", Number), (4, "propagationPolicy", Text), (5, "dryRun", Texts)]),
    ("SelfSubjectReview", &[(1, "metadata", Message(METADATA))]),
    ("SelfSubjectAccessReview", &[(1, "metadata", Message(METADATA)), (2, "spec", Message(ASKED))]),
    ("SelfSubjectRulesReview", &[(1, "metadata", Message(METADATA)), (2, "spec", Message(&[(1, "namespace", Text)]))]),
];

const ENVELOPE: &[Field] = &[(1, "type", Message(&[(1, "apiVersion", Text), (2, "kind", Text)]))];

/// Tells whether a content type is Kubernetes' protobuf.
pub(super) fn is(content_type: &str) -> bool {
    content_type.starts_with("application/vnd.kubernetes.protobuf")
}

/// Reads an object.
///
/// # Errors
/// 400 for a malformed message or a kind that is not in the table.
pub(super) fn decode(body: &[u8]) -> Result<Value, Status> {
    let broken = || Status::bad_request("the protobuf object cannot be read");
    let envelope = body.strip_prefix(MAGIC).ok_or_else(broken)?;
    let named = message(envelope, ENVELOPE, 0).ok_or_else(broken)?;
    let kind = named["type"]["kind"].as_str().unwrap_or_default();
    let (_, fields) = KINDS
        .iter()
        .find(|(name, _)| *name == kind)
        .ok_or_else(|| Status::bad_request(format!("no protobuf of kind {kind} is read here, send JSON")))?;
    let raw = Reader(envelope).fields().find_map(|(number, wire)| match (number, wire) {
        (2, Wire::Bytes(bytes)) => Some(bytes),
        _ => None,
    });
    let mut object = message(raw.unwrap_or_default(), fields, 0).ok_or_else(broken)?;
    if let Value::Object(map) = &mut object {
        map.insert("kind".into(), kind.into());
        map.insert("apiVersion".into(), named["type"]["apiVersion"].clone());
    }
    Ok(object)
}

enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// The message is malformed from here on.
    Broken,
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn fields(self) -> impl Iterator<Item = (u64, Wire<'a>)> {
        let mut reader = self;
        std::iter::from_fn(move || {
            if reader.0.is_empty() {
                return None;
            }
            let field = reader.field();
            if field.is_none() {
                reader.0 = &[];
            }
            Some(field.unwrap_or((0, Wire::Broken)))
        })
    }

    fn field(&mut self) -> Option<(u64, Wire<'a>)> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Wire::Number(self.varint()?),
            1 => Wire::Bytes(self.take(8)?),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Wire::Bytes(self.take(length)?)
            }
            5 => Wire::Bytes(self.take(4)?),
            _ => return None,
        };
        Some((tag >> 3, value))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

fn message(bytes: &[u8], table: &[Field], depth: usize) -> Option<Value> {
    if depth > MAX_DEPTH {
        return None;
    }
    let mut object = Map::new();
    for (number, wire) in Reader(bytes).fields() {
        let bytes = match wire {
            Wire::Broken => return None,
            Wire::Bytes(bytes) => bytes,
            Wire::Number(value) => {
                match table.iter().find(|field| field.0 == number) {
                    Some((_, name, Number)) => drop(object.insert((*name).into(), value.cast_signed().into())),
                    Some((_, name, Bool)) => drop(object.insert((*name).into(), (value != 0).into())),
                    _ => {}
                }
                continue;
            }
        };
        let Some((_, name, of)) = table.iter().find(|field| field.0 == number) else { continue };
        put(&mut object, name, *of, bytes, depth)?;
    }
    Some(Value::Object(object))
}

fn put(object: &mut Map<String, Value>, name: &str, of: Type, bytes: &[u8], depth: usize) -> Option<()> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok().map(Value::from);
    match of {
        // Go writes fields that are empty; JSON leaves them out.
        Text if bytes.is_empty() => {}
        Text => drop(object.insert(name.into(), text(bytes)?)),
        Message(table) => drop(object.insert(name.into(), message(bytes, table, depth + 1)?)),
        Texts | Messages(_) => {
            let item = if let Messages(table) = of { message(bytes, table, depth + 1)? } else { text(bytes)? };
            if let Value::Array(items) = object.entry(name).or_insert_with(|| Value::Array(Vec::new())) {
                items.push(item);
            }
        }
        TextMap | Blobs => {
            let (mut key, mut value): (&[u8], &[u8]) = (&[], &[]);
            for (number, wire) in Reader(bytes).fields() {
                match (number, wire) {
                    (1, Wire::Bytes(bytes)) => key = bytes,
                    (2, Wire::Bytes(bytes)) => value = bytes,
                    _ => return None,
                }
            }
            let value = if matches!(of, Blobs) { data_encoding::BASE64.encode(value).into() } else { text(value)? };
            if let Value::Object(map) = object.entry(name).or_insert_with(|| Value::Object(Map::new())) {
                map.insert(String::from_utf8(key.to_vec()).ok()?, value);
            }
        }
        IntOrString => {
            let either = message(bytes, &[(1, "kind", Number), (2, "number", Number), (3, "text", Text)], depth + 1)?;
            let value = if either["kind"] == 1 { &either["text"] } else { &either["number"] };
            object.insert(name.into(), value.clone());
        }
        // These come as numbers; bytes in their place mean nothing.
        Number | Bool => {}
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, u8::try_from(content.len()).unwrap()], content].concat()
    }

    #[test]
    fn a_config_map_is_read() {
        let metadata = bytes(1, &bytes(1, b"settings"));
        let data = bytes(2, &[bytes(1, b"a"), bytes(2, b"b")].concat());
        let kind = bytes(1, &[bytes(1, b"v1"), bytes(2, b"ConfigMap")].concat());
        let raw = bytes(2, &[metadata, data].concat());
        let object = decode(&[MAGIC, &kind, &raw].concat()).unwrap();
        let expected =
            json!({"metadata": {"name": "settings"}, "data": {"a": "b"}, "kind": "ConfigMap", "apiVersion": "v1"});
        assert_eq!(object, expected);
    }

    #[test]
    fn malformed_messages_and_unknown_kinds_are_refused() {
        let kind = bytes(1, &[bytes(1, b"v1"), bytes(2, b"Whale")].concat());
        for body in [&b"nonsense"[..], &[MAGIC, &kind].concat(), &[MAGIC, &[0x0a, 0xff]].concat()] {
            assert!(decode(body).is_err());
        }
    }
}
