//! Watches: initial state or history, then each change as it happens, bookmarks, a time limit.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};
use teleport_runtime::TaskGroup;
use tokio::sync::mpsc;

use super::{
    body::{self, Reply},
    kinds::Kind,
    objects,
    query::Query,
    render::Form,
    route::Target,
    selector::Selector,
    status::Status,
    store::{Change, Event, Store},
};

/// How long a watch lives when the client does not say.
const DEFAULT_LIFE: Duration = Duration::from_secs(30 * 60);
/// How often a client that allows bookmarks gets one.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);

struct Watch {
    store: Arc<Store>,
    kind: &'static Kind,
    namespace: Option<String>,
    selector: Selector,
    query: Query,
    form: Form,
    out: mpsc::Sender<Bytes>,
    columns_sent: bool,
}

/// The client is gone.
struct Gone;

/// What a watch is asked for.
pub(super) struct Ask<'a> {
    pub(super) store: &'a Arc<Store>,
    pub(super) kind: &'static Kind,
    pub(super) target: &'a Target,
    pub(super) query: &'a Query,
    pub(super) headers: &'a HeaderMap,
}

/// Starts a watch in a task of its own; the returned response streams it.
pub(super) fn answer(ask: &Ask<'_>, tasks: &TaskGroup) -> Result<Reply, Status> {
    let Ask { store, kind, target, query, headers } = *ask;
    let (out, pieces) = mpsc::channel(64);
    let watch = Watch {
        store: Arc::clone(store),
        kind,
        namespace: objects::scope(kind, target).map(str::to_owned),
        selector: Selector::parse(query)?,
        query: query.clone(),
        form: Form::negotiate(headers)?,
        out,
        columns_sent: false,
    };
    let life = query.number("timeoutSeconds").map_or(DEFAULT_LIFE, Duration::from_secs);
    let stop = tasks.stop_signal();
    tasks.spawn("watch", async move {
        let gone = watch.out.clone();
        tokio::select! {
            _ = watch.run() => {}
            () = gone.closed() => {}
            () = tokio::time::sleep(life) => {}
            () = stop.requested() => {}
        }
    });
    Ok(body::stream("application/json", pieces))
}

impl Watch {
    async fn run(mut self) -> Result<(), Gone> {
        let mut changes = self.store.changes();
        let mut revision = match self.query.number("resourceVersion") {
            Some(revision) if revision > 0 && !self.query.flag("sendInitialEvents") => revision,
            _ => self.initial().await?,
        };
        let bookmarks = self.query.flag("allowWatchBookmarks");
        let mut bookmark = tokio::time::interval_at(tokio::time::Instant::now() + BOOKMARK_EVERY, BOOKMARK_EVERY);
        loop {
            changes.mark_unchanged();
            match self.store.since(&objects::resource(self.kind), revision) {
                Ok((events, now)) => {
                    for event in events {
                        self.event(&event).await?;
                    }
                    revision = revision.max(now);
                }
                Err(oldest) => {
                    let status = Status::expired(revision, oldest).document();
                    return self.line(json!({"type": "ERROR", "object": status})).await;
                }
            }
            tokio::select! {
                changed = changes.changed() => changed.map_err(|_| Gone)?,
                _ = bookmark.tick(), if bookmarks => self.bookmark(revision, json!({})).await?,
            }
        }
    }

    async fn initial(&mut self) -> Result<u64, Gone> {
        let (objects, revision) = self.store.list(&objects::resource(self.kind), self.namespace.as_deref());
        for (_, object) in objects {
            if self.selector.selects(&object) {
                self.send("ADDED", &object).await?;
            }
        }
        if self.query.flag("sendInitialEvents") {
            self.bookmark(revision, json!({"k8s.io/initial-events-end": "true"})).await?;
        }
        Ok(revision)
    }

    /// Sends an event as the selector sees it: an object that starts to match is added, one that stops is deleted.
    async fn event(&mut self, event: &Event) -> Result<(), Gone> {
        if self.namespace.as_ref().is_some_and(|namespace| *namespace != event.key.namespace) {
            return Ok(());
        }
        let before = event.before.as_ref().is_some_and(|object| self.selector.selects(object));
        let after = event.change != Change::Deleted && self.selector.selects(&event.object);
        let kind = match (before, after) {
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
            (false, false) => return Ok(()),
        };
        self.send(kind, &event.object).await
    }

    async fn bookmark(&mut self, revision: u64, annotations: Value) -> Result<(), Gone> {
        let mut metadata = json!({"resourceVersion": revision.to_string(), "creationTimestamp": null});
        if let (Value::Object(map), Some(true)) = (&mut metadata, annotations.as_object().map(|map| !map.is_empty())) {
            map.insert("annotations".into(), annotations);
        }
        let object = json!({"kind": self.kind.kind, "apiVersion": self.kind.api_version(), "metadata": metadata});
        let object = match self.form {
            Form::Plain => object,
            form => form.one(self.kind, &object, &self.query),
        };
        self.line(json!({"type": "BOOKMARK", "object": object})).await
    }

    async fn send(&mut self, kind: &str, object: &Value) -> Result<(), Gone> {
        let mut rendered = self.form.one(self.kind, object, &self.query);
        // Only the first table of a watch says what the columns are.
        if let (Form::Table(_), Value::Object(map)) = (self.form, &mut rendered) {
            if self.columns_sent {
                map.insert("columnDefinitions".into(), Value::Null);
            }
            self.columns_sent = true;
        }
        self.line(json!({"type": kind, "object": rendered})).await
    }

    async fn line(&self, event: Value) -> Result<(), Gone> {
        self.out.send(Bytes::from(format!("{event}\n"))).await.map_err(|_| Gone)
    }
}
