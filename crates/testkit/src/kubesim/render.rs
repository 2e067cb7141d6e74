//! The form an answer takes: the object, its metadata only, or the `Table` that `kubectl get` prints.

use http::HeaderMap;
use serde_json::{Value, json};

use super::{kinds::Kind, query::Query, status::Status, table};

/// What the client's `Accept` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    Table(&'static str),
    Metadata(&'static str),
}

/// Whether the rows of a table carry their objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Include {
    Metadata,
    Object,
    Nothing,
}

impl Form {
    /// Takes the first media range that is served.
    ///
    /// # Errors
    /// 406 when none is.
    pub(super) fn negotiate(headers: &HeaderMap) -> Result<Self, Status> {
        let accept = headers.get_all(http::header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let ranges: Vec<&str> = accept.flat_map(|value| value.split(',')).map(str::trim).collect();
        if ranges.iter().all(|range| range.is_empty()) {
            return Ok(Self::Plain);
        }
        ranges.into_iter().find_map(Self::of_range).ok_or_else(Status::not_acceptable)
    }

    fn of_range(range: &str) -> Option<Self> {
        let mut parts = range.split(';').map(str::trim);
        if !matches!(parts.next()?, "application/json" | "application/*" | "*/*") {
            return None;
        }
        let parts: Vec<&str> = parts.collect();
        let version = if parts.contains(&"v=v1beta1") { "meta.k8s.io/v1beta1" } else { "meta.k8s.io/v1" };
        match parts.iter().find_map(|part| part.strip_prefix("as=")) {
            None => Some(Self::Plain),
            Some("Table") => Some(Self::Table(version)),
            Some("PartialObjectMetadata" | "PartialObjectMetadataList") => Some(Self::Metadata(version)),
            Some(_) => None,
        }
    }

    /// Renders one object.
    pub(super) fn one(self, kind: &Kind, object: &Value, query: &Query) -> Value {
        match self {
            Self::Plain => object.clone(),
            Self::Metadata(version) => metadata_only(version, object),
            Self::Table(version) => {
                let list = json!({"metadata": {"resourceVersion": object["metadata"]["resourceVersion"]}});
                table::render(kind, version, &list, std::slice::from_ref(object), Include::of(query))
            }
        }
    }

    /// Renders a list; `list` carries the list's metadata.
    pub(super) fn many(self, kind: &Kind, list: Value, items: &[Value], query: &Query) -> Value {
        let (api_version, name, items) = match self {
            Self::Table(version) => return table::render(kind, version, &list, items, Include::of(query)),
            Self::Plain => {
                // Items of a typed list do not repeat what the list says.
                let bare = items.iter().map(|item| without(item, &["kind", "apiVersion"])).collect::<Vec<_>>();
                (kind.api_version(), format!("{}List", kind.kind), bare)
            }
            Self::Metadata(version) => {
                let partial = items.iter().map(|item| metadata_only(version, item)).collect::<Vec<_>>();
                (version.to_owned(), "PartialObjectMetadataList".to_owned(), partial)
            }
        };
        json!({"kind": name, "apiVersion": api_version, "metadata": list["metadata"], "items": items})
    }
}

impl Include {
    fn of(query: &Query) -> Self {
        match query.first("includeObject") {
            Some("Object") => Self::Object,
            Some("None") => Self::Nothing,
            _ => Self::Metadata,
        }
    }
}

/// Returns the `PartialObjectMetadata` of an object.
pub(super) fn metadata_only(version: &str, object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": version, "metadata": object["metadata"]})
}

fn without(item: &Value, keys: &[&str]) -> Value {
    let mut item = item.clone();
    if let Value::Object(map) = &mut item {
        map.retain(|key, _| !keys.contains(&key.as_str()));
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_range_that_is_served_wins() {
        for (accept, expected) in [
            ("", Some(Form::Plain)),
            ("*/*", Some(Form::Plain)),
            ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", Some(Form::Table("meta.k8s.io/v1"))),
            ("application/vnd.kubernetes.protobuf, application/json", Some(Form::Plain)),
            ("application/vnd.kubernetes.protobuf", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("accept", accept.parse().unwrap());
            assert_eq!(Form::negotiate(&headers).ok(), expected, "{accept}");
        }
    }
}
