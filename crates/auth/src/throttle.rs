//! Budgets of failed logins, so that passwords cannot be guessed at speed and nobody can lock somebody else out.
//!
//! Three leaky counters: a user from one network, the user from anywhere, one network for anybody. A network is an IPv4
//! address or an IPv6 /64 (what one customer of a provider has; a wider IPv4 prefix would punish neighbours, and a guesser
//! who owns many addresses meets the user's own counter). Once a user's counter is full, only networks that failed for
//! that user before are refused: the user's own network, without failures, still gets its try. Certificates and their
//! renewal never come here.
//!
//! A proxy in another process relays bytes, so its clients all come from its address. Such addresses are known by the
//! proxy's own certificate, and count neither as one network nor against the user's own: there the user's counter alone
//! decides.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use teleport_api::{ApiError, ErrorKind};
use teleport_runtime::Clock;
use teleport_types::UserName;

/// A user from one network: five failures, all forgotten after half an hour.
const PAIR: Budget = Budget { most: 5.0, forgets_one_in: Duration::from_secs(360) };
/// A user from anywhere: thirty failures, one forgotten a minute.
const USER: Budget = Budget { most: 30.0, forgets_one_in: Duration::from_secs(60) };
/// One network for anybody: forty failures, twenty forgotten a minute.
const NETWORK: Budget = Budget { most: 40.0, forgets_one_in: Duration::from_secs(3) };
/// Most counters kept; beyond it the lowest one makes room.
const COUNTERS: usize = 50_000;
/// How long an address counts as a proxy's after the proxy was last heard from there.
const RELAYS: Duration = Duration::from_secs(3600);
/// Most proxies remembered.
const MOST_RELAYS: usize = 1024;

#[derive(Clone, Copy)]
struct Budget {
    most: f64,
    forgets_one_in: Duration,
}

/// An address as far as budgets tell addresses apart; `None` is this process itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Network(Option<IpAddr>);

impl Network {
    pub(crate) fn of(address: Option<IpAddr>) -> Self {
        Self(address.map(|address| match address.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
            v4 => v4,
        }))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Name {
    Pair(UserName, Network),
    User(UserName),
    Network(Network),
}

impl Name {
    fn budget(&self) -> Budget {
        match self {
            Self::Pair(..) => PAIR,
            Self::User(_) => USER,
            Self::Network(_) => NETWORK,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Counter {
    failures: f64,
    at: Timestamp,
}

/// All counters. They live in memory: a restart forgets them.
#[derive(Debug)]
pub(crate) struct Throttle {
    clock: Clock,
    counters: Mutex<HashMap<Name, Counter>>,
    relays: Mutex<HashMap<IpAddr, Timestamp>>,
}

/// One try that was let through and counts as failed until [`Attempt::forgive`].
#[derive(Debug)]
#[must_use = "an attempt that is dropped counts as failed"]
pub(crate) struct Attempt<'a> {
    throttle: &'a Throttle,
    names: Vec<Name>,
    pair: Option<Name>,
}

impl Throttle {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, counters: Mutex::default(), relays: Mutex::default() }
    }

    /// Notes that a proxy of the cluster, proved by its certificate, connects from an address.
    pub(crate) fn relay_at(&self, address: IpAddr) {
        let mut relays = self.relays.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        if relays.len() >= MOST_RELAYS {
            relays.retain(|_, heard| is_recent(*heard, now));
        }
        if relays.len() < MOST_RELAYS {
            relays.insert(address.to_canonical(), now);
        }
    }

    /// Tells whether a proxy of the cluster connected from an address of late.
    pub(crate) fn is_relay(&self, address: Option<IpAddr>) -> bool {
        let relays = self.relays.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = address.and_then(|address| relays.get(&address.to_canonical()));
        heard.is_some_and(|heard| is_recent(*heard, self.clock.now()))
    }

    /// Lets a login of a user try its password, or says how long to wait.
    pub(crate) fn login(&self, user: &UserName, address: Option<IpAddr>) -> Result<Attempt<'_>, ApiError> {
        let (network, relayed) = (Network::of(address), self.is_relay(address));
        let (pair, all) = (Name::Pair(user.clone(), network), Name::User(user.clone()));
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        if !relayed {
            room(&counters, &Name::Network(network), now, "too many failed logins from this network")?;
            room(&counters, &pair, now, "too many failed logins for this user from this network")?;
        }
        if relayed || failures(&counters, &pair, now) > 0.0 {
            room(&counters, &all, now, "too many failed logins for this user")?;
        }
        let names = if relayed { vec![all] } else { vec![Name::Network(network), pair.clone(), all] };
        names.iter().for_each(|name| charge(&mut counters, name, now, 1.0));
        Ok(Attempt { throttle: self, names, pair: (!relayed).then_some(pair) })
    }

    /// Lets a join try its token, or says how long to wait.
    pub(crate) fn join(&self, address: Option<IpAddr>) -> Result<Attempt<'_>, ApiError> {
        let name = Name::Network(Network::of(address));
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        room(&counters, &name, now, "too many failed logins or joins from this network")?;
        charge(&mut counters, &name, now, 1.0);
        Ok(Attempt { throttle: self, names: vec![name], pair: None })
    }
}

impl Attempt<'_> {
    /// Takes the charge back: the password or token was right, or we ourselves failed.
    pub(crate) fn forgive(self) {
        let mut counters = self.throttle.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.throttle.clock.now();
        self.names.iter().for_each(|name| charge(&mut counters, name, now, -1.0));
    }

    /// As [`Attempt::forgive`], and forgets what this user mistyped from this network before.
    pub(crate) fn succeed(mut self) {
        if let Some(pair) = self.pair.take() {
            self.throttle.counters.lock().unwrap_or_else(PoisonError::into_inner).remove(&pair);
            self.names.retain(|name| *name != pair);
        }
        self.forgive();
    }
}

fn is_recent(heard: Timestamp, now: Timestamp) -> bool {
    Duration::try_from(now.duration_since(heard)).is_ok_and(|passed| passed < RELAYS)
}

/// Returns what is left of a counter. A clock that was set back forgets nothing and adds nothing.
fn failures(counters: &HashMap<Name, Counter>, name: &Name, now: Timestamp) -> f64 {
    counters.get(name).map_or(0.0, |counter| left(name, *counter, now))
}

fn left(name: &Name, counter: Counter, now: Timestamp) -> f64 {
    let passed = Duration::try_from(now.duration_since(counter.at)).unwrap_or_default();
    (counter.failures - passed.as_secs_f64() / name.budget().forgets_one_in.as_secs_f64()).max(0.0)
}

fn room(counters: &HashMap<Name, Counter>, name: &Name, now: Timestamp, what: &str) -> Result<(), ApiError> {
    let budget = name.budget();
    let over = failures(counters, name, now) + 1.0 - budget.most;
    // A count of failures a moment ago must not lose to rounding.
    if over <= 1e-9 {
        return Ok(());
    }
    let wait = budget.forgets_one_in.mul_f64(over).as_secs().saturating_add(1);
    Err(ApiError::new(ErrorKind::Throttled, what)
        .hint(format!("try again in {wait} s; existing logins and certificates are not affected")))
}

fn charge(counters: &mut HashMap<Name, Counter>, name: &Name, now: Timestamp, failures: f64) {
    if counters.len() >= COUNTERS && !counters.contains_key(name) {
        make_room(counters, now);
    }
    let counter = counters.entry(name.clone()).or_insert(Counter { failures: 0.0, at: now });
    counter.failures = (left(name, *counter, now) + failures).max(0.0);
    counter.at = counter.at.max(now);
    if counter.failures <= 0.0 {
        counters.remove(name);
    }
}

fn make_room(counters: &mut HashMap<Name, Counter>, now: Timestamp) {
    counters.retain(|name, counter| left(name, *counter, now) > 0.0);
    if counters.len() < COUNTERS {
        return;
    }
    let lowest = counters
        .iter()
        .min_by(|(a, x), (b, y)| left(a, **x, now).total_cmp(&left(b, **y, now)))
        .map(|(name, _)| name.clone());
    if let Some(lowest) = lowest {
        counters.remove(&lowest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting() -> (Throttle, Clock) {
        let clock = Clock::manual("2026-01-01T00:00:00Z".parse().expect("a time"));
        (Throttle::new(clock.clone()), clock)
    }

    fn user(name: &str) -> UserName {
        UserName::parse(name).expect("a name")
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    /// Fails until refused; returns how often the password was tried.
    fn guess(throttle: &Throttle, name: &str, from: &str) -> usize {
        (0..1000).take_while(|_| throttle.login(&user(name), ip(from)).map(drop).is_ok()).count()
    }

    #[test]
    fn five_guesses_for_a_user_from_one_network_then_a_wait_that_ends() {
        let (throttle, clock) = setting();
        assert_eq!(guess(&throttle, "alice", "192.0.2.1"), 5);
        let refused = throttle.login(&user("alice"), ip("192.0.2.1")).expect_err("throttled");
        assert_eq!(refused.kind, ErrorKind::Throttled);
        assert!(refused.hint.contains("try again in 361 s"), "{refused}");
        clock.advance(Duration::from_secs(361));
        assert_eq!(guess(&throttle, "alice", "192.0.2.1"), 1);
        clock.advance(Duration::from_secs(1800));
        assert_eq!(guess(&throttle, "alice", "192.0.2.1"), 5);
    }

    #[test]
    fn a_botnet_cannot_lock_a_user_out_of_a_network_without_failures() {
        let (throttle, _) = setting();
        let tried: usize = (0..200).map(|n| guess(&throttle, "alice", &format!("198.51.100.{n}"))).sum();
        // Thirty from whoever failed before, and one from each new address.
        assert!(tried <= 30 + 200, "{tried}");
        assert_eq!(guess(&throttle, "alice", "198.51.100.3"), 0, "who failed before is refused");
        throttle.login(&user("alice"), ip("192.0.2.7")).expect("the user's own network gets its try").succeed();
        throttle.login(&user("alice"), ip("192.0.2.7")).expect("and the next one").succeed();
    }

    #[test]
    fn one_network_cannot_try_many_users() {
        let (throttle, _) = setting();
        let tried: usize = (0..100).map(|n| guess(&throttle, &format!("user{n}"), "192.0.2.1")).sum();
        assert_eq!(tried, 40);
        throttle.login(&user("user5"), ip("192.0.2.2")).expect("others are not affected").succeed();
    }

    #[test]
    fn an_ipv6_customer_counts_as_one_network() {
        let (throttle, _) = setting();
        let tried: usize = (0..20).map(|n| guess(&throttle, "alice", &format!("2001:db8:0:1::{n:x}"))).sum();
        assert_eq!(tried, 5);
        assert_eq!(guess(&throttle, "alice", "::ffff:192.0.2.1"), 5);
        assert_eq!(guess(&throttle, "alice", "192.0.2.1"), 0, "a mapped address is the same address");
    }

    #[test]
    fn a_right_password_forgets_mistypes_of_that_user_there_but_not_the_networks_guesses() {
        let (throttle, _) = setting();
        for _ in 0..9 {
            for _ in 0..3 {
                drop(throttle.login(&user("mallory"), ip("192.0.2.1")).expect("a try"));
            }
            throttle.login(&user("mallory"), ip("192.0.2.1")).expect("a try").succeed();
        }
        let left: usize = (0..9).map(|n| guess(&throttle, &format!("user{n}"), "192.0.2.1")).sum();
        assert_eq!(left, 40 - 27, "what mallory mistyped still counts against the network");
    }

    #[test]
    fn clients_of_a_proxy_elsewhere_are_not_punished_for_one_another() {
        let (throttle, clock) = setting();
        throttle.relay_at("192.0.2.1".parse().expect("an address"));
        let tried: usize = (0..10).map(|n| guess(&throttle, &format!("user{n}"), "192.0.2.1")).sum();
        assert_eq!(tried, 300, "each user's own counter decides");
        throttle.login(&user("alice"), ip("192.0.2.1")).expect("others get in").succeed();
        clock.advance(RELAYS);
        assert_eq!(guess(&throttle, "alice", "192.0.2.1"), 5, "once the proxy is gone it is an address like others");
    }

    #[test]
    fn tries_at_the_same_time_are_all_counted() {
        let (throttle, _) = setting();
        let tries: Vec<_> = (0..10).map_while(|_| throttle.login(&user("alice"), ip("192.0.2.1")).ok()).collect();
        assert_eq!(tries.len(), 5);
        tries.into_iter().for_each(Attempt::forgive);
        assert_eq!(guess(&throttle, "alice", "192.0.2.1"), 5);
    }

    #[test]
    fn a_clock_that_goes_back_neither_forgives_nor_locks_for_good() {
        let (throttle, clock) = setting();
        assert_eq!(guess(&throttle, "alice", "192.0.2.1"), 5);
        clock.set("2025-12-31T00:00:00Z".parse().expect("a time"));
        assert_eq!(guess(&throttle, "alice", "192.0.2.1"), 0);
        clock.set("2026-01-01T01:00:00Z".parse().expect("a time"));
        assert_eq!(guess(&throttle, "alice", "192.0.2.1"), 5);
    }
}
