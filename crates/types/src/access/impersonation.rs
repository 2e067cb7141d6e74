//! Decides as whom a request acts, from its permit and the `Impersonate-*` headers the client sent.

use crate::access::{
    Denied,
    kube::{AUTHENTICATED, Permit},
};

/// What the client's `Impersonate-*` headers ask for, each value as sent.
#[derive(Clone, Debug, Default)]
pub struct Asked<'a> {
    /// Values of `Impersonate-User`.
    pub users: Vec<&'a str>,
    /// Values of `Impersonate-Group`.
    pub groups: Vec<&'a str>,
    /// Name of the first other `Impersonate-*` header.
    pub other: Option<&'a str>,
}

/// As whom a request acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActsAs<'p> {
    /// The user.
    pub user: &'p str,
    /// The groups; `system:authenticated` always among them, last unless the client put it elsewhere.
    pub groups: Vec<&'p str>,
}

/// Decides as whom a request acts: what the client asks for when it is allowed, else the one user there is and every group.
///
/// # Errors
/// When the client asks for what is not allowed or not supported, or must choose and has not.
pub fn acts_as<'p>(permit: &'p Permit, asked: &Asked<'_>, user: &str) -> Result<ActsAs<'p>, Denied> {
    let allowed = permit.allowed();
    if let Some(header) = asked.other {
        return Err(refuse(
            user,
            &format!("the header {header:?} is not supported; impersonate users and groups only"),
        ));
    }
    let mut users = asked.users.iter().filter(|name| !name.is_empty());
    let acts_as = match (users.next(), users.next()) {
        (Some(_), Some(_)) => return Err(refuse(user, "Impersonate-User is there more than once")),
        (Some(name), None) => allowed
            .users
            .iter()
            .find(|allowed| allowed == name)
            .ok_or_else(|| refuse(user, &format!("no Teleport role allows to impersonate user {name:?}")))?,
        (None, _) => match allowed.users.as_slice() {
            [one] => one,
            many => {
                let reason =
                    format!("Teleport roles allow several Kubernetes users; choose one with --as: {}", many.join(", "));
                return Err(refuse(user, &reason));
            }
        },
    };
    let mut groups = Vec::new();
    for name in asked.groups.iter().filter(|name| !name.is_empty()) {
        let group = allowed
            .groups
            .iter()
            .find(|allowed| allowed == name)
            .ok_or_else(|| refuse(user, &format!("no Teleport role allows to impersonate group {name:?}")))?;
        if !groups.contains(&group.as_str()) {
            groups.push(group.as_str());
        }
    }
    if groups.is_empty() {
        groups.extend(allowed.groups.iter().map(String::as_str));
    } else if !groups.contains(&AUTHENTICATED) {
        groups.push(AUTHENTICATED);
    }
    Ok(ActsAs { user: acts_as, groups })
}

fn refuse(user: &str, reason: &str) -> Denied {
    Denied {
        client: format!("User {user:?} cannot impersonate: {reason}"),
        log: format!("impersonation by user {user:?} refused: {reason}"),
        object: None,
    }
}
