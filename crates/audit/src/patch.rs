//! What is known only at the end of something: the fields that close an [`crate::Entry`].

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    event::{KubePod, Outcome},
    json::Millis,
};

/// Fields that are added to an event, or replace what its begin said.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Patch {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) success: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_code: Option<u16>,
    #[serde(rename = "exitCode", skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(rename = "exitError", skip_serializing_if = "Option::is_none")]
    exit_error: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kubernetes_users: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kubernetes_groups: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_name: Option<String>,
    #[serde(flatten)]
    pod: Option<KubePod>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "Millis::option")]
    session_stop: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tx: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rx: Option<u64>,
}

impl Patch {
    /// Closes with success.
    pub fn success() -> Self {
        Self { success: Some(true), ..Self::default() }
    }

    /// Closes with failure; `error` is for the log, not for the client.
    pub fn failure(error: impl Into<String>) -> Self {
        Self { success: Some(false), error: Some(error.into()), ..Self::default() }
    }

    /// Closes as given up before the end; `error` says by whom or by what.
    pub fn interrupted(error: impl Into<String>) -> Self {
        Self { outcome: Some(Outcome::Interrupted), ..Self::failure(error) }
    }

    /// Adds a sentence for the reader of the log.
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// Adds the HTTP status that was answered.
    pub fn response_code(mut self, code: u16) -> Self {
        self.response_code = Some(code);
        self
    }

    /// Adds the exit code of a command.
    pub fn exit_code(mut self, code: i32) -> Self {
        self.exit_code = Some(code);
        self
    }

    /// Adds why a command has no exit code, or what the far side said.
    pub fn exit_error(mut self, error: impl Into<String>) -> Self {
        self.exit_error = Some(error.into());
        self
    }

    /// Adds as whom the request went to Kubernetes.
    pub fn impersonated(mut self, users: Vec<String>, groups: Vec<String>) -> Self {
        self.kubernetes_users = users;
        self.kubernetes_groups = groups;
        self
    }

    /// Adds the name of the object, where the begin could not know it.
    pub fn resource_name(mut self, name: impl Into<String>) -> Self {
        self.resource_name = Some(name.into());
        self
    }

    /// Adds the container.
    pub fn pod(mut self, pod: KubePod) -> Self {
        self.pod = Some(pod);
        self
    }

    /// Adds when a session ended.
    pub fn session_stop(mut self, at: Timestamp) -> Self {
        self.session_stop = Some(at);
        self
    }

    /// Adds how many bytes went to the client and came from it.
    pub fn bytes(mut self, sent: u64, received: u64) -> Self {
        self.tx = Some(sent);
        self.rx = Some(received);
        self
    }

    /// Lays `later` over this patch: what it says wins.
    pub(crate) fn merge(&mut self, later: Patch) {
        fn over<T>(slot: &mut Option<T>, later: Option<T>) {
            if later.is_some() {
                *slot = later;
            }
        }
        over(&mut self.outcome, later.outcome);
        over(&mut self.success, later.success);
        over(&mut self.error, later.error);
        over(&mut self.message, later.message);
        over(&mut self.response_code, later.response_code);
        over(&mut self.exit_code, later.exit_code);
        over(&mut self.exit_error, later.exit_error);
        if !later.kubernetes_users.is_empty() || !later.kubernetes_groups.is_empty() {
            self.kubernetes_users = later.kubernetes_users;
            self.kubernetes_groups = later.kubernetes_groups;
        }
        over(&mut self.resource_name, later.resource_name);
        over(&mut self.pod, later.pod);
        over(&mut self.session_stop, later.session_stop);
        over(&mut self.tx, later.tx);
        over(&mut self.rx, later.rx);
    }
}
