//! Reading and writing objects: get, list, create, update, patch, delete.
//!
//! Called by `server` after the authorizer has said yes.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Map, Value, json};

use super::{
    body::{self, Reply},
    defaults,
    kinds::{self, Kind, Scope},
    patch, proto,
    query::Query,
    render::Form,
    route::Target,
    selector::Selector,
    status::Status,
    store::{Key, Refused, Store},
};

/// A request for objects, with its body read.
pub(super) struct Ask<'a> {
    pub(super) store: &'a Store,
    pub(super) kind: &'static Kind,
    pub(super) target: &'a Target,
    pub(super) query: &'a Query,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: Bytes,
}

impl Ask<'_> {
    /// Answers by method; watches go elsewhere.
    pub(super) fn answer(&self, method: &Method, collection: bool) -> Result<Reply, Status> {
        let form = Form::negotiate(self.headers)?;
        match *method {
            Method::GET | Method::HEAD if collection => self.list(form),
            Method::GET | Method::HEAD => self.get(form),
            Method::POST if collection => self.create(form),
            Method::PUT if !collection => self.update(form),
            Method::PATCH if !collection => self.patch(form),
            Method::DELETE if collection => self.delete_collection(form),
            Method::DELETE => self.delete(),
            _ => Err(Status::method_not_allowed()),
        }
    }

    fn key(&self, name: &str) -> Key {
        key(self.kind, self.target.namespace.as_deref().unwrap_or_default(), name)
    }

    fn current(&self) -> Result<Value, Status> {
        let name = &self.target.name;
        self.store.get(&self.key(name)).ok_or_else(|| Status::not_found(self.target, name))
    }

    fn one(&self, code: StatusCode, form: Form, object: &Value) -> Reply {
        body::json(code, &form.one(self.kind, object, self.query))
    }

    fn get(&self, form: Form) -> Result<Reply, Status> {
        Ok(self.one(StatusCode::OK, form, &self.current()?))
    }

    fn list(&self, form: Form) -> Result<Reply, Status> {
        let selector = Selector::parse(self.query)?;
        let (objects, revision) = self.store.list(&resource(self.kind), scope(self.kind, self.target));
        let after = self.query.first("continue").map(continued).transpose()?;
        let later =
            |key: &Key| after.as_ref().is_none_or(|(namespace, name)| (&key.namespace, &key.name) > (namespace, name));
        let mut selected: Vec<(Key, Value)> =
            objects.into_iter().filter(|(key, object)| later(key) && selector.selects(object)).collect();
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        let limit = self.query.number("limit").and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0);
        if let Some(limit) = limit.filter(|limit| *limit < selected.len()) {
            let remaining = selected.len() - limit;
            selected.truncate(limit);
            if let (Value::Object(map), Some((last, _))) = (&mut metadata, selected.last()) {
                map.insert("continue".into(), token(last).into());
                map.insert("remainingItemCount".into(), remaining.into());
            }
        }
        let items: Vec<Value> = selected.into_iter().map(|(_, object)| object).collect();
        let document = form.many(self.kind, json!({"metadata": metadata}), &items, self.query);
        Ok(body::json(StatusCode::OK, &document))
    }

    fn create(&self, form: Form) -> Result<Reply, Status> {
        let mut object = self.object()?;
        let namespace = self.target.namespace.clone().unwrap_or_default();
        if self.kind.scope == Scope::Namespaced {
            self.namespace_exists(&namespace)?;
        }
        let metadata = object.get("metadata").cloned().unwrap_or_default();
        let name = match (metadata["name"].as_str(), metadata["generateName"].as_str()) {
            (Some(name), _) if !name.is_empty() => name.to_owned(),
            (_, Some(prefix)) => format!("{prefix}{}", suffix()),
            _ => {
                return Err(Status::invalid(
                    self.target,
                    "",
                    "metadata.name: Required value: name or generateName is required",
                ));
            }
        };
        if let Some(named) = metadata["namespace"].as_str().filter(|named| !namespace.is_empty() && *named != namespace)
        {
            let message = "the namespace of the provided object does not match the namespace sent on the request";
            tracing::debug!(named, namespace, "namespaces differ");
            return Err(Status::bad_request(message));
        }
        defaults::on_create(self.kind, &mut object, &namespace, &name);
        let object = Value::Object(object);
        if self.dry_run() {
            return Ok(self.one(StatusCode::CREATED, form, &object));
        }
        let key = key(self.kind, &namespace, &name);
        let stored = self.store.create(key, object).map_err(|_| Status::already_exists(self.target, &name))?;
        if self.kind.plural == "namespaces" {
            furnish(self.store, &name);
        }
        Ok(self.one(StatusCode::CREATED, form, &stored))
    }

    fn update(&self, form: Form) -> Result<Reply, Status> {
        let object = self.object()?;
        self.write(form, &self.current()?, Value::Object(object))
    }

    fn patch(&self, form: Form) -> Result<Reply, Status> {
        let content_type = self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        let change = self.document()?;
        let apply = content_type.starts_with("application/apply-patch");
        let current = match self.current() {
            Err(_) if apply => return self.create_by_apply(form, change),
            current => current?,
        };
        let mut object = current.clone();
        match content_type.split(';').next().unwrap_or_default().trim() {
            "application/json-patch+json" => patch::json(&mut object, &change)?,
            "application/merge-patch+json" => patch::merge(&mut object, &change, 0)?,
            "application/strategic-merge-patch+json" => patch::strategic(&mut object, &change, 0)?,
            _ if apply => patch::strategic(&mut object, &change, 0)?,
            _ => {
                return Err(Status::unsupported_media_type(
                    "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml",
                ));
            }
        }
        self.write(form, &current, object)
    }

    fn create_by_apply(&self, form: Form, change: Value) -> Result<Reply, Status> {
        Ask { body: change.to_string().into(), headers: &HeaderMap::new(), ..*self }.create(form)
    }

    fn write(&self, form: Form, before: &Value, mut object: Value) -> Result<Reply, Status> {
        let name = &self.target.name;
        if let Value::Object(map) = &mut object {
            if map.get("metadata").is_some_and(|metadata| metadata["name"].as_str().is_some_and(|given| given != name))
            {
                return Err(Status::bad_request("the name of the object does not match the name on the URL"));
            }
            map.insert("kind".into(), self.kind.kind.into());
            map.insert("apiVersion".into(), self.kind.api_version().into());
            defaults::on_write(self.kind, map, Some(before));
        }
        if self.dry_run() {
            return Ok(self.one(StatusCode::OK, form, &object));
        }
        let stored = self.store.update(&self.key(name), object).map_err(|refused| match refused {
            Refused::Missing | Refused::Exists => Status::not_found(self.target, name),
            Refused::Conflict => Status::conflict(self.target, name),
        })?;
        Ok(self.one(StatusCode::OK, form, &stored))
    }

    fn delete(&self) -> Result<Reply, Status> {
        let object = self.current()?;
        if !self.dry_run() {
            self.remove(&self.key(&self.target.name));
        }
        // As the real one: pods and namespaces answer with the object that goes, everything else with a Status.
        if matches!(self.kind.plural, "pods" | "namespaces") {
            return Ok(body::json(StatusCode::OK, &object));
        }
        let mut details = json!({"name": self.target.name, "kind": self.kind.plural, "uid": object["metadata"]["uid"]});
        if let (Value::Object(map), false) = (&mut details, self.kind.group.is_empty()) {
            map.insert("group".into(), self.kind.group.into());
        }
        let document =
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
        Ok(body::json(StatusCode::OK, &document))
    }

    fn delete_collection(&self, form: Form) -> Result<Reply, Status> {
        let selector = Selector::parse(self.query)?;
        let (objects, revision) = self.store.list(&resource(self.kind), scope(self.kind, self.target));
        let selected: Vec<_> = objects.into_iter().filter(|(_, object)| selector.selects(object)).collect();
        if !self.dry_run() {
            selected.iter().for_each(|(key, _)| self.remove(key));
        }
        let items: Vec<Value> = selected.into_iter().map(|(_, object)| object).collect();
        let metadata = json!({"metadata": {"resourceVersion": revision.to_string()}});
        Ok(body::json(StatusCode::OK, &form.many(self.kind, metadata, &items, self.query)))
    }

    fn remove(&self, key: &Key) {
        self.store.delete(key);
        if self.kind.plural == "namespaces" {
            for kind in kinds::KINDS.iter().filter(|kind| kind.scope == Scope::Namespaced) {
                for (inner, _) in self.store.list(&resource(kind), Some(&key.name)).0 {
                    self.store.delete(&inner);
                }
            }
        }
    }

    fn dry_run(&self) -> bool {
        self.query.first("dryRun").is_some()
    }

    fn namespace_exists(&self, namespace: &str) -> Result<(), Status> {
        let target = Target { resource: "namespaces".into(), version: "v1".into(), ..Target::default() };
        let kind = kinds::find("", "v1", "namespaces").ok_or_else(Status::unknown_resource)?;
        self.store.get(&key(kind, "", namespace)).map(drop).ok_or_else(|| Status::not_found(&target, namespace))
    }

    fn document(&self) -> Result<Value, Status> {
        document(self.headers, &self.body)
    }

    fn object(&self) -> Result<Map<String, Value>, Status> {
        let Value::Object(object) = self.document()? else {
            return Err(Status::bad_request("the object provided is unrecognized (must be of type Object)"));
        };
        if let Some(kind) = object.get("kind").and_then(Value::as_str).filter(|kind| *kind != self.kind.kind) {
            let message =
                format!("{kind} in version \"{}\" cannot be handled as a {}", self.kind.version, self.kind.kind);
            return Err(Status::bad_request(message));
        }
        Ok(object)
    }
}

/// Reads a body: JSON, or YAML or protobuf where the content type says so.
pub(super) fn document(headers: &HeaderMap, body: &Bytes) -> Result<Value, Status> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    if proto::is(content_type) {
        return proto::decode(body);
    }
    if content_type.contains("yaml") {
        let text = std::str::from_utf8(body).map_err(Status::internal)?;
        return serde_saphyr::from_str(text)
            .map_err(|error| Status::bad_request(format!("error decoding YAML: {error}")));
    }
    if !content_type.is_empty() && !content_type.contains("json") {
        return Err(Status::unsupported_media_type("application/json, application/yaml"));
    }
    serde_json::from_slice(body)
        .map_err(|error| Status::bad_request(format!("the object provided is unrecognized: {error}")))
}

/// Returns where an object of a kind lives.
pub(super) fn key(kind: &Kind, namespace: &str, name: &str) -> Key {
    let namespace = if kind.scope == Scope::Namespaced { namespace } else { "" };
    Key { resource: resource(kind), namespace: namespace.to_owned(), name: name.to_owned() }
}

/// Returns the store's name of a resource.
pub(super) fn resource(kind: &Kind) -> String {
    format!("{}.{}", kind.plural, kind.group)
}

/// Returns the namespace that a collection request is about.
pub(super) fn scope<'a>(kind: &Kind, target: &'a Target) -> Option<&'a str> {
    target.namespace.as_deref().filter(|_| kind.scope == Scope::Namespaced)
}

/// Puts into a new namespace what every namespace has.
pub(super) fn furnish(store: &Store, namespace: &str) {
    if let Some(kind) = kinds::find("", "v1", "configmaps") {
        let mut object = Map::new();
        object.insert("data".into(), json!({"ca.crt": "kubesim\n"}));
        defaults::on_create(kind, &mut object, namespace, "kube-root-ca.crt");
        // It can only be there already, which is as good.
        let _ = store.create(key(kind, namespace, "kube-root-ca.crt"), Value::Object(object));
    }
}

fn token(last: &Key) -> String {
    data_encoding::BASE64URL_NOPAD.encode(format!("{}\n{}", last.namespace, last.name).as_bytes())
}

fn continued(token: &str) -> Result<(String, String), Status> {
    let text =
        data_encoding::BASE64URL_NOPAD.decode(token.as_bytes()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let pair = text.as_deref().and_then(|text| text.split_once('\n'));
    let (namespace, name) = pair.ok_or_else(|| Status::bad_request("continue key is not valid"))?;
    Ok((namespace.to_owned(), name.to_owned()))
}

fn suffix() -> String {
    data_encoding::BASE32_DNSCURVE.encode(&teleport_runtime::random::bytes::<3>())
}
