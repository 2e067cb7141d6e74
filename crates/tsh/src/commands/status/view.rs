//! The status as data, and the same for people.

use jiff::Timestamp;
use serde::Serialize;
use teleport_types::Traits;

use crate::{
    output::{may_colour, time},
    store::{Access, Login, Profile},
};
use teleport_terminal::escape;

/// All of `tsh status`.
#[derive(Debug, Serialize)]
pub(super) struct StatusView {
    pub(super) active: Option<ProfileView>,
    pub(super) profiles: Vec<ProfileView>,
}

/// One profile with its login.
#[derive(Debug, Serialize)]
pub(super) struct ProfileView {
    profile_url: String,
    username: String,
    cluster: String,
    roles: Vec<String>,
    traits: Traits,
    logins: Vec<String>,
    kubernetes_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    kubernetes_cluster: Option<String>,
    kubernetes_users: Vec<String>,
    kubernetes_groups: Vec<String>,
    pub(super) valid_until: Timestamp,
}

impl ProfileView {
    pub(super) fn new(profile: &Profile, login: &Login, access: Access, kubernetes_cluster: Option<String>) -> Self {
        Self {
            profile_url: format!("https://{}", profile.web_proxy_addr),
            username: login.identity.user.to_string(),
            cluster: profile.cluster.to_string(),
            roles: login.identity.roles.iter().map(ToString::to_string).collect(),
            traits: login.identity.traits.clone(),
            logins: access.logins,
            kubernetes_enabled: profile.tls_routing_enabled,
            kubernetes_cluster,
            kubernetes_users: access.kubernetes_users,
            kubernetes_groups: access.kubernetes_groups,
            valid_until: login.expires,
        }
    }

    fn lines(&self, now: Timestamp) -> Vec<(&'static str, String)> {
        let list = |values: &[String]| values.join(", ");
        let enabled = if self.kubernetes_enabled { "enabled" } else { "disabled" };
        let until = format!("{} [{}]", time::local(self.valid_until), time::validity(self.valid_until, now));
        let mut lines = vec![
            ("Profile URL:", self.profile_url.clone()),
            ("Logged in as:", self.username.clone()),
            ("Cluster:", self.cluster.clone()),
            ("Roles:", list(&self.roles)),
            ("Logins:", list(&self.logins)),
            ("Kubernetes:", enabled.to_owned()),
            (
                "Kubernetes cluster:",
                self.kubernetes_cluster.as_ref().map(|name| format!("\"{name}\"")).unwrap_or_default(),
            ),
            ("Kubernetes users:", list(&self.kubernetes_users)),
            ("Kubernetes groups:", list(&self.kubernetes_groups)),
            ("Valid until:", until),
        ];
        lines.retain(|(_, value)| !value.is_empty());
        lines
    }
}

impl StatusView {
    /// Lays the blocks out; `>` marks the active one.
    pub(super) fn text(&self, now: Timestamp) -> String {
        let active = self.active.iter().map(|view| block("> ", view, now));
        let others = self.profiles.iter().map(|view| block("  ", view, now));
        active.chain(others).collect::<Vec<_>>().join("\n")
    }
}

fn block(mark: &str, view: &ProfileView, now: Timestamp) -> String {
    let is_over = view.valid_until <= now && may_colour();
    let mut text = String::new();
    for (at, (label, value)) in view.lines(now).into_iter().enumerate() {
        let mark = if at == 0 { mark } else { "  " };
        let value = match escape(&value) {
            value if is_over && label == "Valid until:" => value.replace("EXPIRED", "\u{1b}[31mEXPIRED\u{1b}[0m"),
            value => value,
        };
        text += &format!("{mark}{label:<20}{value}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(valid_until: Timestamp) -> ProfileView {
        ProfileView {
            profile_url: "https://proxy.example.com:443".into(),
            username: "alice".into(),
            cluster: "main".into(),
            roles: vec!["dev".into(), "ops".into()],
            traits: Traits::default(),
            logins: Vec::new(),
            kubernetes_enabled: true,
            kubernetes_cluster: Some("prod".into()),
            kubernetes_users: vec!["alice".into()],
            kubernetes_groups: vec!["dev\u{1b}[31m".into()],
            valid_until,
        }
    }

    #[test]
    fn the_active_profile_is_marked_and_others_follow() {
        let now = Timestamp::UNIX_EPOCH;
        let later = Timestamp::from_second(42_759).expect("in range");
        let status = StatusView { active: Some(view(later)), profiles: vec![view(now)] };
        let text = status.text(now);
        let want = "\
> Profile URL:        https://proxy.example.com:443
  Logged in as:       alice
  Cluster:            main
  Roles:              dev, ops
  Kubernetes:         enabled
  Kubernetes cluster: \"prod\"
  Kubernetes users:   alice
  Kubernetes groups:  dev\\u{1b}[31m
  Valid until:        ";
        assert!(text.starts_with(want), "{text}");
        assert!(text.contains("[valid for 11h52m0s]\n\n  Profile URL:"), "{text}");
        assert!(text.ends_with("[EXPIRED]\n"), "{text}");
    }

    #[test]
    fn programs_get_the_fields_by_their_names() {
        let status = StatusView { active: Some(view(Timestamp::UNIX_EPOCH)), profiles: Vec::new() };
        let want = serde_json::json!({
            "active": {
                "profile_url": "https://proxy.example.com:443", "username": "alice", "cluster": "main",
                "roles": ["dev", "ops"], "traits": {}, "logins": [], "kubernetes_enabled": true,
                "kubernetes_cluster": "prod", "kubernetes_users": ["alice"],
                "kubernetes_groups": ["dev\u{1b}[31m"], "valid_until": "1970-01-01T00:00:00Z",
            },
            "profiles": [],
        });
        assert_eq!(serde_json::to_value(&status).expect("JSON"), want);
    }
}
