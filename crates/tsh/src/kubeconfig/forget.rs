//! Removing our entries for a proxy, and giving the current context back.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    entries,
    merged::{Merged, Section, name_of},
};
use crate::proxy_addr::ProxyAddr;

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Names of the contexts that are gone.
    pub contexts: Vec<String>,
    /// The context that is current again; empty when there was none.
    pub restored: Option<String>,
}

/// Removes the entries from the files in memory.
pub(super) fn apply(merged: &mut Merged, proxy: &ProxyAddr) -> Forgotten {
    let users: BTreeSet<String> = merged
        .entries(Section::Users)
        .filter(|user| entries::is_for(user, proxy))
        .map(|user| name_of(user).to_owned())
        .collect();
    let refers = |item: &Value, key: &str| item.pointer(key).and_then(Value::as_str).map(str::to_owned);
    let is_gone = |item: &Value| {
        entries::is_ours(Section::Contexts, item)
            && refers(item, "/context/user").is_some_and(|user| users.contains(&user))
    };
    let gone: Vec<&Value> = merged.entries(Section::Contexts).filter(|item| is_gone(item)).collect();
    let contexts: BTreeSet<String> = gone.iter().map(|item| name_of(item).to_owned()).collect();
    let clusters: BTreeSet<String> =
        users.iter().cloned().chain(gone.iter().filter_map(|item| refers(item, "/context/cluster"))).collect();
    let restored = merged.current_context().filter(|current| contexts.contains(*current)).map(|current| {
        let own = gone.iter().filter(|item| name_of(item) == current);
        let remembered = own.chain(&gone).find_map(|item| entries::previous(item)).unwrap_or_default();
        let is_there = !contexts.contains(remembered) && merged.find(Section::Contexts, remembered).is_some();
        if is_there { remembered.to_owned() } else { String::new() }
    });

    merged.remove(Section::Contexts, |item| contexts.contains(name_of(item)) && is_gone(item));
    merged.remove(Section::Users, |item| entries::is_for(item, proxy));
    merged.remove(Section::Clusters, |item| {
        clusters.contains(name_of(item)) && entries::is_ours(Section::Clusters, item)
    });
    if let Some(restored) = &restored {
        merged.set_current_context(restored);
    }
    Forgotten { contexts: contexts.into_iter().collect(), restored }
}
