//! The objects, one revision counter and a bounded history for watchers.
//!
//! Called by `objects` (reads and writes), `watch` (history) and `seed`.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Mutex,
};

use serde_json::Value;
use tokio::sync::watch;

/// How many changes watchers can go back.
const HISTORY: usize = 2_000;

/// Where an object lives: `resource.group`, namespace (empty for cluster scope), name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) resource: String,
    pub(super) namespace: String,
    pub(super) name: String,
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Added,
    Modified,
    Deleted,
}

/// One entry of the history.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) revision: u64,
    pub(super) key: Key,
    pub(super) change: Change,
    /// The object after the change; for a deletion the last one, with the deletion's revision.
    pub(super) object: Value,
    /// The object before the change, which decides whether a selector saw it come or go.
    pub(super) before: Option<Value>,
}

/// Why a write was refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Exists,
    Missing,
    Conflict,
}

/// The objects of one simulator.
pub(super) struct Store {
    state: Mutex<State>,
    revision: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    revision: u64,
    objects: BTreeMap<Key, Value>,
    history: VecDeque<Event>,
}

impl Store {
    /// Makes an empty store.
    pub(super) fn new() -> Self {
        // A cluster is never at revision 0, which has a meaning of its own in requests.
        Self { state: Mutex::new(State { revision: 1, ..State::default() }), revision: watch::Sender::new(1) }
    }

    /// Returns one object.
    pub(super) fn get(&self, key: &Key) -> Option<Value> {
        self.lock().objects.get(key).cloned()
    }

    /// Returns the objects of a resource, of one namespace or of all, in order, with the revision they stand for.
    pub(super) fn list(&self, resource: &str, namespace: Option<&str>) -> (Vec<(Key, Value)>, u64) {
        let state = self.lock();
        let mut found = Vec::new();
        for (key, object) in &state.objects {
            if key.resource == resource && namespace.is_none_or(|namespace| key.namespace == namespace) {
                found.push((key.clone(), object.clone()));
            }
        }
        (found, state.revision)
    }

    /// Stores a new object.
    pub(super) fn create(&self, key: Key, object: Value) -> Result<Value, Refused> {
        let mut state = self.lock();
        if state.objects.contains_key(&key) {
            return Err(Refused::Exists);
        }
        Ok(self.commit(&mut state, key, Change::Added, object))
    }

    /// Replaces an object; the version that `object` names, if it does, must be the current one.
    /// An update that changes nothing keeps its version.
    pub(super) fn update(&self, key: &Key, object: Value) -> Result<Value, Refused> {
        let mut state = self.lock();
        let current = state.objects.get(key).ok_or(Refused::Missing)?;
        let version = |object: &Value| object["metadata"]["resourceVersion"].as_str().map(str::to_owned);
        if version(&object).is_some_and(|asked| Some(asked) != version(current)) {
            return Err(Refused::Conflict);
        }
        if *current == object {
            return Ok(object);
        }
        Ok(self.commit(&mut state, key.clone(), Change::Modified, object))
    }

    /// Removes an object and returns its last state.
    pub(super) fn delete(&self, key: &Key) -> Option<Value> {
        let mut state = self.lock();
        let object = state.objects.get(key)?.clone();
        Some(self.commit(&mut state, key.clone(), Change::Deleted, object))
    }

    /// Returns the changes of a resource after `revision`; `Err(oldest)` when history does not go back that far.
    pub(super) fn since(&self, resource: &str, revision: u64) -> Result<(Vec<Event>, u64), u64> {
        let state = self.lock();
        let oldest = state.history.front().map_or(state.revision, |event| event.revision - 1);
        if revision < oldest && revision < state.revision {
            return Err(oldest);
        }
        let events = state.history.iter().filter(|event| event.revision > revision && event.key.resource == resource);
        Ok((events.cloned().collect(), state.revision))
    }

    /// Returns a signal that moves with each change.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// Forgets the history, as compaction does.
    pub(super) fn compact(&self) {
        self.lock().history.clear();
    }

    fn commit(&self, state: &mut State, key: Key, change: Change, mut object: Value) -> Value {
        state.revision += 1;
        if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
            metadata.insert("resourceVersion".into(), state.revision.to_string().into());
        }
        let before = match change {
            Change::Deleted => state.objects.remove(&key),
            Change::Added | Change::Modified => state.objects.insert(key.clone(), object.clone()),
        };
        if state.history.len() == HISTORY {
            state.history.pop_front();
        }
        let event = Event { revision: state.revision, key, change, object: object.clone(), before };
        state.history.push_back(event);
        self.revision.send_replace(state.revision);
        object
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(name: &str) -> Key {
        Key { resource: "pods.".into(), namespace: "default".into(), name: name.into() }
    }

    #[test]
    fn an_update_from_an_old_version_conflicts() {
        let store = Store::new();
        let first = store.create(key("a"), json!({"metadata": {"name": "a"}})).unwrap();
        let mut changed = first.clone();
        changed["data"] = json!(1);
        store.update(&key("a"), changed.clone()).unwrap();
        changed["data"] = json!(2);
        assert_eq!(store.update(&key("a"), changed), Err(Refused::Conflict));
    }

    #[test]
    fn history_tells_what_happened_and_when_it_is_gone() {
        let store = Store::new();
        store.create(key("a"), json!({"metadata": {}})).unwrap();
        store.delete(&key("a")).unwrap();
        let (events, revision) = store.since("pods.", 1).unwrap();
        assert_eq!(events.iter().map(|event| event.change).collect::<Vec<_>>(), [Change::Added, Change::Deleted]);
        store.compact();
        assert!(store.since("pods.", 1).is_err());
        assert!(store.since("pods.", revision).unwrap().0.is_empty());
    }
}
