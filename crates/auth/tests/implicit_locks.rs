//! What a change of a user does to what they already hold, at once and for as long as it could be used.

#![allow(clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on says so at once")]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::{Cluster, PASSWORD, refusal, user};
use teleport_api::{Client, ErrorKind, messages::admin::UpdateUser};
use teleport_backend::{Answer, Backend, Item, Key, Page, Prefix, Range, Revision, Watcher, Write};
use teleport_types::{RoleName, Traits};

async fn is_ended(client: &Client) {
    let refused = refusal(client.me().await);
    assert_eq!(refused.kind, ErrorKind::Unauthenticated);
    assert!(refused.to_string().contains("tsh login"), "{refused}");
}

fn roles(names: &[&str]) -> UpdateUser {
    let roles = names.iter().map(|name| RoleName::parse(name).expect("a name")).collect();
    UpdateUser { roles: Some(roles), ..UpdateUser::default() }
}

#[tokio::test]
async fn deleting_a_user_ends_their_logins_and_their_successors_are_others() {
    let cluster = Cluster::start().await;
    let login = cluster.login("alice").await;
    let identity_file = cluster.login("alice").await;
    cluster.local().delete_resource("user", "alice").await.expect("deleted");
    is_ended(&login.client).await;
    is_ended(&identity_file.client).await;
    let refused = refusal(cluster.reissue(&login, None, None).await.map(drop));
    assert_eq!(refused.kind, ErrorKind::Unauthenticated);
    assert!(cluster.try_login("alice", None).await.is_err(), "the password is gone with the user");
    // A new user of the same name, in the very same moment of the clock, is not the old one.
    cluster.user("alice", &["dev"]).await;
    let new = cluster.login("alice").await;
    new.client.me().await.expect("an answer");
    is_ended(&login.client).await;
    assert_eq!(cluster.codes("user.delete").await, ["T1004I"]);
    assert!(cluster.codes("lock.created").await.contains(&"TLK00I".to_owned()));
}

#[tokio::test]
async fn losing_a_role_or_a_trait_ends_logins_and_gaining_does_not() {
    let cluster = Cluster::start().await;
    let first = cluster.login("alice").await;
    let team = |values: &[&str]| UpdateUser {
        traits: Some(Traits([("team".to_owned(), values.iter().map(|v| (*v).to_owned()).collect())].into())),
        ..UpdateUser::default()
    };
    let local = cluster.local();
    local.update_user(&user("alice"), &roles(&["dev", "admin"])).await.expect("changed");
    local.update_user(&user("alice"), &team(&["blue", "red"])).await.expect("changed");
    first.client.me().await.expect("still good");
    local.update_user(&user("alice"), &team(&["blue"])).await.expect("changed");
    is_ended(&first.client).await;
    let second = cluster.login("alice").await;
    local.update_user(&user("alice"), &roles(&["dev"])).await.expect("changed");
    is_ended(&second.client).await;
    cluster.login("alice").await.client.me().await.expect("a new login is good");
}

#[tokio::test]
async fn a_document_that_takes_a_role_away_ends_logins_too() {
    let cluster = Cluster::start().await;
    cluster.local().update_user(&user("alice"), &roles(&["dev", "admin"])).await.expect("changed");
    let login = cluster.login("alice").await;
    let mut document = cluster.local().resource("user", "alice").await.expect("read");
    document["spec"]["roles"] = serde_json::json!(["dev"]);
    cluster.local().put_resource("user", "alice", &document).await.expect("changed");
    is_ended(&login.client).await;
    // The revision it was read in is used up.
    let stale = refusal(cluster.local().put_resource("user", "alice", &document).await);
    assert_eq!(stale.kind, ErrorKind::Conflict);
}

#[tokio::test]
async fn a_new_password_ends_the_logins_made_with_the_old_one() {
    let cluster = Cluster::start().await;
    let login = cluster.login("alice").await;
    let change = UpdateUser { password: Some("another long password".to_owned()), ..UpdateUser::default() };
    cluster.local().update_user(&user("alice"), &change).await.expect("changed");
    is_ended(&login.client).await;
    assert!(cluster.try_login("alice", None).await.is_err(), "the old password is gone");
    let back = UpdateUser { password: Some(PASSWORD.to_owned()), ..UpdateUser::default() };
    cluster.local().update_user(&user("alice"), &back).await.expect("changed");
    cluster.login("alice").await;
    assert_eq!(cluster.codes("user.password_change").await.len(), 3);
}

#[tokio::test]
async fn logging_out_ends_one_login_and_all_that_came_from_it() {
    let cluster = Cluster::start().await;
    let (login, other) = (cluster.login("alice").await, cluster.login("alice").await);
    let pinned = cluster.reissue(&login, None, Some("prod")).await.expect("reissued");
    login.client.logout().await.expect("logged out");
    is_ended(&login.client).await;
    is_ended(&pinned.client).await;
    other.client.me().await.expect("another login goes on");
    cluster.login("alice").await.client.me().await.expect("a new login is good");
}

#[tokio::test]
async fn locks_last_as_long_as_the_longest_certificate_and_no_longer() {
    let cluster = Cluster::start().await;
    cluster.login("alice").await.client.logout().await.expect("logged out");
    let change = UpdateUser { password: Some("another long password".to_owned()), ..UpdateUser::default() };
    cluster.local().update_user(&user("alice"), &change).await.expect("changed");
    assert_eq!(cluster.local().list_resources("lock").await.expect("a list").items.len(), 2);
    cluster.clock.advance(Duration::from_secs(30 * 3600 - 1));
    assert_eq!(cluster.local().list_resources("lock").await.expect("a list").items.len(), 2);
    cluster.clock.advance(Duration::from_secs(2));
    assert!(cluster.local().list_resources("lock").await.expect("a list").items.is_empty());
}

#[tokio::test]
async fn a_clock_set_back_lets_the_user_in_and_keeps_the_old_login_out() {
    let cluster = Cluster::start().await;
    cluster.clock.advance(Duration::from_secs(7200));
    let login = cluster.login("alice").await;
    cluster.clock.advance(Duration::from_secs(10));
    cluster
        .local()
        .update_user(&user("alice"), &UpdateUser { password: Some(PASSWORD.to_owned()), ..UpdateUser::default() })
        .await
        .expect("changed");
    cluster.clock.set(common::start_time() + Duration::from_secs(7200 - 40));
    cluster.login("alice").await.client.me().await.expect("a new login is good");
    is_ended(&login.client).await;
}

#[tokio::test]
async fn a_lock_of_an_administrator_stops_logins_and_says_why() {
    let cluster = Cluster::start().await;
    let login = cluster.login("alice").await;
    cluster
        .create(serde_json::json!({
            "kind": "lock", "version": "v2", "metadata": {"name": "incident"},
            "spec": {"target": {"user": "alice"}, "message": "under investigation"},
        }))
        .await;
    for refused in [
        refusal(login.client.me().await),
        refusal(cluster.reissue(&login, None, None).await.map(drop)),
        refusal(cluster.try_login("alice", None).await.map(drop)),
    ] {
        assert_eq!(refused.kind, ErrorKind::Denied);
        assert!(refused.message.contains("under investigation"), "{refused}");
    }
    cluster.local().delete_resource("lock", "incident").await.expect("lifted");
    cluster.login("alice").await;
    assert_eq!(cluster.codes("lock.deleted").await, ["TLK01I"]);
}

/// Locks alice, behind the service's back, in front of the nth read of the backend after it was armed.
#[derive(Debug)]
struct Interfering {
    inner: Arc<dyn Backend>,
    countdown: AtomicUsize,
}

const DISARMED: usize = usize::MAX;

impl Interfering {
    async fn interfere(&self) {
        let before = self.countdown.load(Ordering::SeqCst);
        if before == DISARMED {
            return;
        }
        self.countdown.store(before.checked_sub(1).unwrap_or(DISARMED), Ordering::SeqCst);
        if before == 0 {
            let lock = serde_json::json!({
                "kind": "lock", "version": "v2", "metadata": {"name": "now"}, "spec": {"target": {"user": "alice"}},
            });
            let key = Key::parse("/locks/now").expect("a key");
            self.inner.put(Write::new(key, lock.to_string())).await.expect("locked");
        }
    }
}

impl Backend for Interfering {
    fn get<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Item>> {
        Box::pin(async move {
            self.interfere().await;
            self.inner.get(key).await
        })
    }

    fn range(&self, range: Range) -> Answer<'_, Page> {
        Box::pin(async move {
            self.interfere().await;
            self.inner.range(range).await
        })
    }

    fn create(&self, write: Write) -> Answer<'_, Revision> {
        self.inner.create(write)
    }

    fn put(&self, write: Write) -> Answer<'_, Revision> {
        self.inner.put(write)
    }

    fn compare_and_swap(&self, write: Write, expected: Revision) -> Answer<'_, Revision> {
        self.inner.compare_and_swap(write, expected)
    }

    fn delete<'a>(&'a self, key: &'a Key, expected: Option<Revision>) -> Answer<'a, Revision> {
        self.inner.delete(key, expected)
    }

    fn delete_range<'a>(&'a self, prefix: &'a Prefix) -> Answer<'a, u64> {
        self.inner.delete_range(prefix)
    }

    fn watch<'a>(&'a self, prefix: &'a Prefix, after: Revision) -> Answer<'a, Box<dyn Watcher>> {
        self.inner.watch(prefix, after)
    }

    fn close(&self) -> Answer<'_, ()> {
        self.inner.close()
    }
}

#[tokio::test]
async fn no_certificate_is_issued_after_a_lock_wherever_it_falls() {
    let slot: Arc<std::sync::OnceLock<Arc<Interfering>>> = Arc::default();
    let keep = Arc::clone(&slot);
    let cluster = Cluster::start_with(move |inner| {
        let wrapped = Arc::new(Interfering { inner, countdown: AtomicUsize::new(DISARMED) });
        keep.set(Arc::clone(&wrapped)).expect("one backend");
        wrapped
    })
    .await;
    let interfering = slot.get().expect("one backend");
    let login = cluster.login("alice").await;
    let mut refused = 0;
    for at in 0.. {
        interfering.countdown.store(at, Ordering::SeqCst);
        let asked = cluster.reissue(&login, None, None).await;
        if interfering.countdown.swap(DISARMED, Ordering::SeqCst) != DISARMED {
            // So many reads there are not: the lock never fell, and the certificate is good.
            asked.expect("reissued");
            break;
        }
        assert!(asked.is_err(), "locked in front of read {at}, and a certificate was issued");
        refused += 1;
        cluster.local().delete_resource("lock", "now").await.expect("lifted");
    }
    assert!(refused >= 6, "the lock fell at {refused} places only");
}
