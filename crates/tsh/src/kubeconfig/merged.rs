//! All files of a kubeconfig seen as one, as kubectl sees them: of entries with one name, the first file's counts.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::{document::Document, paths::KubeconfigPaths};
use crate::error::Error;

/// The files in order, loaded for a change.
#[derive(Debug)]
pub(super) struct Merged {
    first: Loaded,
    others: Vec<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    path: PathBuf,
    document: Document,
}

/// Which of the three lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Clusters,
    Contexts,
    Users,
}

impl Section {
    fn key(self) -> &'static str {
        match self {
            Self::Clusters => "clusters",
            Self::Contexts => "contexts",
            Self::Users => "users",
        }
    }

    /// Returns the key of an entry's body, which is also what people call one.
    pub(super) fn entry(self) -> &'static str {
        match self {
            Self::Clusters => "cluster",
            Self::Contexts => "context",
            Self::Users => "user",
        }
    }
}

impl Merged {
    /// Reads every file.
    ///
    /// # Errors
    /// When one cannot be read or is broken.
    pub(super) fn read(paths: &KubeconfigPaths) -> Result<Self, Error> {
        let load = |path: &PathBuf| Ok::<_, Error>(Loaded { path: path.clone(), document: Document::read(path)? });
        let first = load(&paths.first().to_path_buf())?;
        let others = paths.all().iter().skip(1).map(load).collect::<Result<_, _>>()?;
        Ok(Self { first, others })
    }

    /// Writes the files that changed.
    ///
    /// # Errors
    /// Any error of the file system.
    pub(super) fn write(&self) -> Result<(), Error> {
        self.files().try_for_each(|file| file.document.write(&file.path))
    }

    /// Returns the current context, when there is one.
    pub(super) fn current_context(&self) -> Option<&str> {
        self.files().find_map(|file| current_context(&file.document.now))
    }

    /// Sets the current context in the file that sets it now, else in the first; an empty name clears it.
    pub(super) fn set_current_context(&mut self, name: &str) {
        let holder = self.files_mut().find(|file| current_context(&file.document.now).is_some());
        let holder = match holder {
            Some(holder) => holder,
            None if name.is_empty() => return,
            None => &mut self.first,
        };
        holder.fields().insert("current-context".into(), name.into());
    }

    /// Returns the entry of that name that counts.
    pub(super) fn find(&self, section: Section, name: &str) -> Option<&Value> {
        self.entries(section).find(|item| name_of(item) == name)
    }

    /// Returns every entry of a section, hidden ones included.
    pub(super) fn entries(&self, section: Section) -> impl Iterator<Item = &Value> {
        self.files().flat_map(move |file| list(&file.document.now, section))
    }

    /// Puts an entry where one of its name lives, else at the end of the first file.
    pub(super) fn put(&mut self, section: Section, name: &str, body: Value) {
        let place = self.files_mut().find_map(|file| {
            let items = file.document.now.get_mut(section.key())?.as_array_mut()?;
            items.iter_mut().find(|item| name_of(item) == name)
        });
        match place.and_then(Value::as_object_mut) {
            Some(item) => drop(item.insert(section.entry().into(), body)),
            None => {
                let mut fields = [(section.entry(), body), ("name", name.into())];
                // kubectl sorts them.
                fields.sort_by_key(|(key, _)| *key);
                let item = fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
                self.first.append(section, Value::Object(item));
            }
        }
    }

    /// Removes the entries that `gone` names, in every file.
    pub(super) fn remove(&mut self, section: Section, gone: impl Fn(&Value) -> bool) {
        for file in self.files_mut() {
            if let Some(Value::Array(items)) = file.document.now.get_mut(section.key()) {
                items.retain(|item| !gone(item));
            }
        }
    }

    fn files(&self) -> impl Iterator<Item = &Loaded> {
        std::iter::once(&self.first).chain(&self.others)
    }

    fn files_mut(&mut self) -> impl Iterator<Item = &mut Loaded> {
        std::iter::once(&mut self.first).chain(&mut self.others)
    }
}

impl Loaded {
    /// Returns the fields, with kubectl's frame around them when the file said nothing.
    fn fields(&mut self) -> &mut Map<String, Value> {
        let fields = &mut self.document.now;
        if fields.is_empty() {
            let frame = json!({
                "apiVersion": "v1", "clusters": [], "contexts": [], "current-context": "",
                "kind": "Config", "preferences": {}, "users": [],
            });
            fields.extend(frame.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
        }
        fields
    }

    fn append(&mut self, section: Section, item: Value) {
        let items = self.fields().entry(section.key()).or_insert(Value::Null);
        match items {
            Value::Array(items) => items.push(item),
            other => *other = Value::Array(vec![item]),
        }
    }
}

/// Returns the name of an entry.
pub(super) fn name_of(item: &Value) -> &str {
    item.get("name").and_then(Value::as_str).unwrap_or_default()
}

fn list(fields: &Map<String, Value>, section: Section) -> &[Value] {
    fields.get(section.key()).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn current_context(fields: &Map<String, Value>) -> Option<&str> {
    fields.get("current-context").and_then(Value::as_str).filter(|name| !name.is_empty())
}
