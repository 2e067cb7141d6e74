//! What the simulator saw: the API server's own view of each request, for tests to compare with what they expect.

use std::{collections::VecDeque, sync::Mutex};

use http::{HeaderMap, Method, Version};

use super::identity::Identity;

/// How many requests are remembered; older ones are forgotten.
const LIMIT: usize = 20_000;

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    /// HTTP method.
    pub method: Method,
    /// Path and query, as sent.
    pub path: String,
    /// HTTP version on this connection.
    pub version: Version,
    /// Every header, as sent.
    pub headers: HeaderMap,
    /// User the request ran as, after impersonation; `None` when it was refused before that was known.
    pub identity: Option<Identity>,
    /// HTTP code of the answer.
    pub code: u16,
}

impl Seen {
    /// Returns the effective user, empty when there was none.
    pub fn user(&self) -> &str {
        self.identity.as_ref().map_or("", |identity| &identity.user)
    }

    /// Returns the effective groups in order.
    pub fn groups(&self) -> Vec<&str> {
        self.identity.iter().flat_map(|identity| identity.groups.iter().map(String::as_str)).collect()
    }

    /// Returns every value of a header.
    pub fn header(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect()
    }

    /// Returns every header whose name begins with `prefix` (lower case), sorted.
    pub fn headers_starting(&self, prefix: &str) -> Vec<(String, String)> {
        let pairs = self.headers.iter().filter(|(name, _)| name.as_str().starts_with(prefix));
        let mut found: Vec<_> = pairs
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        found.sort();
        found
    }
}

/// The memory of requests.
#[derive(Debug, Default)]
pub(super) struct Record {
    seen: Mutex<VecDeque<Seen>>,
}

impl Record {
    /// Remembers one request.
    pub(super) fn add(&self, seen: Seen) {
        let mut all = self.lock();
        if all.len() == LIMIT {
            all.pop_front();
        }
        all.push_back(seen);
    }

    /// Returns everything that is remembered, oldest first.
    pub(super) fn all(&self) -> Vec<Seen> {
        self.lock().iter().cloned().collect()
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Seen>> {
        self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
