//! The code of each event: one for success, another for failure where the catalogue has one.

use super::body::{Body, LoginMethod};

/// The two codes an event can end with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Codes {
    ok: &'static str,
    failed: &'static str,
}

impl Codes {
    const fn always(code: &'static str) -> Self {
        Self { ok: code, failed: code }
    }

    const fn pair(ok: &'static str, failed: &'static str) -> Self {
        Self { ok, failed }
    }

    /// Returns the code for an outcome; what is not known yet counts as a success.
    pub(crate) fn of(self, success: Option<bool>) -> &'static str {
        if success == Some(false) { self.failed } else { self.ok }
    }

    pub(crate) fn of_body(body: &Body) -> Self {
        match body {
            Body::UserLogin(login) if login.method == LoginMethod::Local => LOCAL_LOGIN,
            Body::UserLogin(_) => SSO_LOGIN,
            Body::UserCreate(_) => Self::always("T1002I"),
            Body::UserUpdate(_) => Self::always("T1003I"),
            Body::UserDelete(_) => Self::always("T1004I"),
            Body::UserPasswordChange(_) => Self::always("T1005I"),
            Body::SessionRejected(_) => Self::always("T1006W"),
            Body::SessionStart(_) => Self::always("T2000I"),
            Body::SessionEnd(_) => Self::always("T2004I"),
            Body::Exec(_) => EXEC,
            Body::Port(_) => PORT,
            Body::ClientDisconnect(_) => Self::always("T3006I"),
            Body::Auth(_) => Self::always("T3007W"),
            Body::KubeRequest(_) => Self::always("T3009I"),
            Body::KubeCreate(_) => Self::always("T3010I"),
            Body::KubeUpdate(_) => Self::always("T3011I"),
            Body::KubeDelete(_) => Self::always("T3012I"),
            Body::JoinTokenCreate(_) => Self::always("TJT00I"),
            Body::RoleCreated(_) => Self::always("T9000I"),
            Body::RoleDeleted(_) => Self::always("T9001I"),
            Body::RoleUpdated(_) => Self::always("T9002I"),
            Body::LockCreated(_) => Self::always("TLK00I"),
            Body::LockDeleted(_) => Self::always("TLK01I"),
            Body::CertCreate(_) => Self::always("TC000I"),
            Body::InstanceJoin(_) => JOIN,
            Body::AuthPreferenceUpdate(_) => Self::always("TCAUTH001I"),
        }
    }
}

const LOCAL_LOGIN: Codes = Codes::pair("T1000I", "T1000W");
const SSO_LOGIN: Codes = Codes::pair("T1001I", "T1001W");
const EXEC: Codes = Codes::pair("T3002I", "T3002E");
const PORT: Codes = Codes::pair("T3003I", "T3003E");
const JOIN: Codes = Codes::pair("TJ002I", "TJ002E");

/// Returns the failure code beside a success code read from a record; itself where there is only one.
pub(crate) fn failed_code(ok: &str) -> &str {
    [LOCAL_LOGIN, SSO_LOGIN, EXEC, PORT, JOIN].iter().find(|codes| codes.ok == ok).map_or(ok, |codes| codes.failed)
}
