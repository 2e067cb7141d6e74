//! An event as the log tells it: begin and end in one object, every field as it was written.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::event::Outcome;

/// One event of the log, with all its fields, those of newer services included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Logged(Map<String, Value>);

impl Logged {
    /// Reads the JSON of an event.
    pub(super) fn parse(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok().map(Self)
    }

    /// Lays the close over the begin: what it says wins, but for the id.
    pub(super) fn closed_by(&mut self, end: &str) {
        if let Ok(end) = serde_json::from_str::<Map<String, Value>>(end) {
            self.0.extend(end);
        }
    }

    /// Marks an event whose close is not here yet.
    pub(super) fn still_open(&mut self) {
        let outcome = serde_json::to_value(Outcome::InProgress).expect("a name serializes");
        self.0.insert("outcome".to_owned(), outcome);
    }

    /// Returns a field.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.0.get(field)
    }

    /// Returns a field that is a text, empty when it is not there.
    pub fn text(&self, field: &str) -> &str {
        self.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// Returns the event type.
    pub fn kind(&self) -> &str {
        self.text("event")
    }

    /// Returns the event code.
    pub fn code(&self) -> &str {
        self.text("code")
    }

    /// Returns who acted, as the log says: for a failed login this may be anything.
    pub fn user(&self) -> &str {
        self.text("user")
    }

    /// Returns when it happened, or began.
    pub fn time(&self) -> Option<Timestamp> {
        self.text("time").parse().ok()
    }

    /// Returns how far it got, when it did not end by itself.
    pub fn outcome(&self) -> Option<Outcome> {
        self.get("outcome").and_then(|outcome| Outcome::deserialize(outcome).ok())
    }
}
