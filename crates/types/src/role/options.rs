//! The `options` of a role: settings that are not about single requests.
//!
//! What is about SSH alone is accepted and kept, as `logins` are: no service of the cluster offers SSH, so it grants and
//! restricts nothing yet, and the document stays whole for when one does. What would restrict people and is not enforced
//! has no field here, so that a document with it is refused by name.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{InvalidResource, auth_preference::LockingMode, duration::Span};

/// Settings of a role that are not about single requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleOptions {
    /// The longest login of a holder; the shortest over all roles holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_session_ttl: Option<Span>,
    /// Whether streams end with the certificate. They always do: `false` asks for nothing.
    #[serde(default, deserialize_with = "switch", skip_serializing_if = "Option::is_none")]
    pub disconnect_expired_cert: Option<bool>,
    /// What services do for a holder when they have not heard of locks for long: `best_effort` alone is supported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<LockingMode>,
    /// What becomes of sessions that cannot be recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_session: Option<RecordSession>,
    /// SSH: whether the agent may be forwarded.
    #[serde(default, deserialize_with = "switch", skip_serializing_if = "Option::is_none")]
    pub forward_agent: Option<bool>,
    /// SSH: whether ports may be forwarded, in the older spelling. `kubectl port-forward` is the verb `portforward`.
    #[serde(default, deserialize_with = "switch", skip_serializing_if = "Option::is_none")]
    pub port_forwarding: Option<bool>,
    /// SSH: which ports may be forwarded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_port_forwarding: Option<SshPortForwarding>,
    /// SSH: whether files may be copied. `kubectl cp` is the verb `exec`.
    #[serde(default, deserialize_with = "switch", skip_serializing_if = "Option::is_none")]
    pub ssh_file_copy: Option<bool>,
    /// SSH: whether X11 may be forwarded.
    #[serde(default, deserialize_with = "switch", skip_serializing_if = "Option::is_none")]
    pub permit_x11_forwarding: Option<bool>,
    /// SSH: sessions over one connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_sessions: Option<u32>,
    /// SSH: what hosts record beside the terminal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enhanced_recording: Option<Vec<EnhancedEvent>>,
    /// SSH: the form of certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_format: Option<CertFormat>,
}

/// What becomes of sessions that cannot be recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordSession {
    /// Where nothing closer is said: `best_effort` alone is supported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<RecordingMode>,
    /// SSH sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<RecordingMode>,
    /// Whether desktops are recorded; no service offers them.
    #[serde(default, deserialize_with = "switch", skip_serializing_if = "Option::is_none")]
    pub desktop: Option<bool>,
}

/// What becomes of a session that cannot be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordingMode {
    /// It ends.
    Strict,
    /// It goes on.
    BestEffort,
}

/// Which ports SSH may forward.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SshPortForwarding {
    /// From the client to what the host reaches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<Forwarding>,
    /// From the host to what the client reaches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<Forwarding>,
}

/// One direction of port forwarding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forwarding {
    /// Whether it is allowed.
    #[serde(default, deserialize_with = "switch", skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// What an SSH host records beside the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnhancedEvent {
    /// Programs that are run.
    Command,
    /// Files that are opened.
    Disk,
    /// Connections that are made.
    Network,
}

/// The form of SSH certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CertFormat {
    /// With everything in extensions.
    Standard,
    /// For OpenSSH before 7.
    OldSsh,
}

impl RoleOptions {
    /// Tells whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Refuses what the shape allows and no service enforces.
    ///
    /// # Errors
    /// Names the option and what to write.
    pub fn check(&self) -> Result<(), InvalidResource> {
        let refuse = |option: &str, reason: &str| Err(InvalidResource::field(format!("spec.options.{option}"), reason));
        if self.max_session_ttl.is_some_and(|ttl| ttl.get().is_zero()) {
            return refuse("max_session_ttl", "it must be longer than zero");
        }
        if self.lock == Some(LockingMode::Strict) {
            return refuse("lock", "\"strict\" is not supported yet in a role; remove it, or write best_effort");
        }
        if self.record_session.as_ref().is_some_and(|record| record.default == Some(RecordingMode::Strict)) {
            let reason = "\"strict\" is not supported yet: sessions in Kubernetes are not recorded; write best_effort, or \
                          name ssh alone";
            return refuse("record_session.default", reason);
        }
        Ok(())
    }
}

/// Reads a boolean, also in the words of older documents: `yes`, `no`, `on`, `off`.
fn switch<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    struct Visitor;
    impl de::Visitor<'_> for Visitor {
        type Value = bool;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("true or false")
        }

        fn visit_bool<E: de::Error>(self, value: bool) -> Result<bool, E> {
            Ok(value)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<bool, E> {
            match text {
                "true" | "yes" | "on" => Ok(true),
                "false" | "no" | "off" => Ok(false),
                _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
            }
        }
    }
    deserializer.deserialize_any(Visitor).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Role, yaml};

    fn read(options: &str) -> Result<RoleOptions, String> {
        let text = format!("kind: role\nversion: v5\nmetadata: {{name: r}}\nspec:\n  options: {options}\n");
        match yaml::resources(&text).map_err(|error| error.to_string())?.remove(0) {
            crate::AnyResource::Role(role) => {
                let role: Role = role;
                let json = serde_json::to_value(&role).expect("writes");
                assert_eq!(Role::from_value(json).as_ref(), Ok(&role), "{options} reads back from JSON");
                Ok(role.spec.options)
            }
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn options_about_ssh_are_kept_as_they_are() {
        let options = read(
            "{max_session_ttl: 30h0m0s, forward_agent: true, port_forwarding: false, ssh_file_copy: off, \
             ssh_port_forwarding: {local: {enabled: true}, remote: {enabled: no}}, permit_x11_forwarding: yes, \
             max_sessions: 10, enhanced_recording: [command, disk, network], cert_format: standard, \
             record_session: {default: best_effort, ssh: strict, desktop: true}, lock: best_effort, \
             disconnect_expired_cert: no}",
        )
        .expect("reads");
        assert_eq!(
            (options.forward_agent, options.port_forwarding, options.ssh_file_copy, options.permit_x11_forwarding),
            (Some(true), Some(false), Some(false), Some(true))
        );
        let enabled = |way: Option<Forwarding>| way.and_then(|way| way.enabled);
        let forwarding = options.ssh_port_forwarding.expect("kept");
        assert_eq!((enabled(forwarding.local), enabled(forwarding.remote)), (Some(true), Some(false)));
        assert_eq!(options.enhanced_recording.map(|events| events.len()), Some(3));
        assert_eq!((options.max_sessions, options.cert_format), (Some(10), Some(CertFormat::Standard)));
        assert_eq!(options.record_session.and_then(|record| record.ssh), Some(RecordingMode::Strict));
        assert_eq!(options.disconnect_expired_cert, Some(false));
    }

    #[test]
    fn options_that_restrict_and_are_not_enforced_are_refused_by_name() {
        for (option, name) in [
            ("client_idle_timeout: 5m", "client_idle_timeout"),
            ("client_idle_timeout: never", "client_idle_timeout"),
            ("require_session_mfa: true", "require_session_mfa"),
            ("mfa_verification_interval: 1h", "mfa_verification_interval"),
            ("pin_source_ip: true", "pin_source_ip"),
            ("device_trust_mode: required", "device_trust_mode"),
            ("max_kubernetes_connections: 1", "max_kubernetes_connections"),
            ("max_connections: 2", "max_connections"),
            ("request_access: always", "request_access"),
            ("desktop_clipboard: false", "desktop_clipboard"),
            ("create_host_user_mode: keep", "create_host_user_mode"),
            ("cert_extensions: []", "cert_extensions"),
            ("idp: {saml: {enabled: true}}", "idp"),
            ("lock: strict", "spec.options.lock"),
            ("record_session: {default: strict}", "spec.options.record_session.default"),
        ] {
            let error = read(&format!("{{{option}}}")).expect_err(option);
            assert!(error.contains(name) && error.contains("not supported yet"), "{option}: {error}");
        }
    }

    #[test]
    fn values_that_are_none_are_refused() {
        for option in [
            "disconnect_expired_cert: maybe",
            "disconnect_expired_cert: ",
            "forward_agent: 1",
            "lock: sometimes",
            "max_sessions: -1",
            "cert_format: new",
            "enhanced_recording: [everything]",
            "record_session: {sshd: strict}",
        ] {
            read(&format!("{{{option}}}")).expect_err(option);
        }
    }
}
