//! What tests can make the simulator do wrong.

use std::{sync::Mutex, time::Duration};

use http::{HeaderValue, StatusCode};

/// Faults that last until they are taken back.
#[derive(Debug, Default)]
pub struct Control {
    state: Mutex<State>,
}

/// The faults now in force.
#[derive(Debug, Default, Clone)]
pub(super) struct State {
    pub(super) impersonation_denied: bool,
    pub(super) delay: Option<Duration>,
    pub(super) redirect: Option<HeaderValue>,
    pub(super) failure: Option<StatusCode>,
}

impl Control {
    /// Lets nobody impersonate, as when the ClusterRole was forgotten.
    pub fn deny_impersonation(&self) {
        self.change(|state| state.impersonation_denied = true);
    }

    /// Lets the proxy impersonate again.
    pub fn allow_impersonation(&self) {
        self.change(|state| state.impersonation_denied = false);
    }

    /// Answers each request only after `delay`; `None` at once again.
    pub fn slow(&self, delay: Option<Duration>) {
        self.change(|state| state.delay = delay);
    }

    /// Answers each request with 307 to a location; `None` stops that.
    pub fn redirect(&self, location: Option<&str>) {
        let location = location.and_then(|location| HeaderValue::from_str(location).ok());
        self.change(|state| state.redirect = location);
    }

    /// Answers each request, upgrades included, with a code and no document; `None` stops that.
    pub fn fail(&self, code: Option<StatusCode>) {
        self.change(|state| state.failure = code);
    }

    pub(super) fn now(&self) -> State {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }
}
