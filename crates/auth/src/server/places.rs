//! Bounds the connections at a time, so that nobody can take all memory and descriptors by opening some and saying nothing.
//!
//! A connection takes a guest's place when it is accepted, before its TLS handshake, and changes it for that of what its
//! certificate proves. Guests are few, for each network too; users have more; services have places that neither can take.
//! Connections inside this process are not counted. Addresses of proxies, which relay others' connections, have no bound
//! of their own: those bound their clients themselves.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::throttle::Network;

/// How many connections are taken at a time, and how long those may stay that prove nothing.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections that have not proved anything, or never will: logins, joins, handshakes under way.
    pub guests: usize,
    /// The same from one network, an IPv4 address or an IPv6 /64.
    pub guests_of_a_network: usize,
    /// Connections of users.
    pub users: usize,
    /// The same from one network.
    pub users_of_a_network: usize,
    /// Connections of services in other processes.
    pub services: usize,
    /// How long a connection may last that proves nothing.
    pub guest_stay: Duration,
    /// How long a connection may last that asks for a Kubernetes cluster which nobody serves: clients keep what they have,
    /// and only a new connection can find out that somebody serves it now.
    pub answer_stay: Duration,
    /// How long any connection may wait with its first request.
    pub first_request: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            guests: 2048,
            guests_of_a_network: 256,
            users: 4096,
            users_of_a_network: 1024,
            services: 12_000,
            guest_stay: Duration::from_secs(120),
            answer_stay: Duration::from_secs(2),
            first_request: Duration::from_secs(30),
        }
    }
}

/// What a connection has proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Class {
    /// Nothing.
    Guest,
    /// To be a user whose certificate holds.
    User,
    /// To be a service.
    Service,
}

/// Where a connection comes from, as far as places are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    /// This process.
    Here,
    /// A proxy of the cluster, for whomever it relays.
    Relay,
    /// Somewhere else.
    Network(Network),
}

/// Counts connections. Clones share the counts.
#[derive(Clone, Debug)]
pub(super) struct Places {
    limits: Limits,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    of_class: HashMap<Class, usize>,
    of_network: HashMap<(Class, Network), usize>,
}

/// The place of one connection; dropping it gives it back.
#[derive(Debug)]
#[must_use]
pub(crate) struct Place {
    places: Places,
    class: Class,
    origin: Origin,
}

impl Places {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, taken: Arc::default() }
    }

    /// Takes a place; `None` when there is none left.
    pub(super) fn enter(&self, class: Class, origin: Origin) -> Option<Place> {
        let (most, most_of_network) = match class {
            Class::Guest => (self.limits.guests, self.limits.guests_of_a_network),
            Class::User => (self.limits.users, self.limits.users_of_a_network),
            Class::Service => (self.limits.services, usize::MAX),
        };
        let mut taken = self.lock();
        if origin != Origin::Here && taken.of_class.get(&class).is_some_and(|taken| *taken >= most) {
            return None;
        }
        if let Origin::Network(network) = origin {
            let of_network = taken.of_network.entry((class, network)).or_default();
            if *of_network >= most_of_network {
                return None;
            }
            *of_network += 1;
        }
        if origin != Origin::Here {
            *taken.of_class.entry(class).or_default() += 1;
        }
        drop(taken);
        Some(Place { places: self.clone(), class, origin })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Changes the place for one of another class; `None` when there is none left, and this one is given back too.
    pub(super) fn change(self, class: Class) -> Option<Self> {
        if class == self.class { Some(self) } else { self.places.enter(class, self.origin) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        if self.origin != Origin::Here
            && let Some(of_class) = taken.of_class.get_mut(&self.class)
        {
            *of_class = of_class.saturating_sub(1);
        }
        if let Origin::Network(network) = self.origin {
            let name = (self.class, network);
            let left = taken.of_network.get(&name).copied().unwrap_or_default().saturating_sub(1);
            if left == 0 {
                taken.of_network.remove(&name);
            } else {
                taken.of_network.insert(name, left);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Origin {
        Origin::Network(Network::of(Some(text.parse().expect("an address"))))
    }

    fn places() -> Places {
        Places::new(Limits { guests: 5, guests_of_a_network: 2, users: 1, services: 1, ..Limits::default() })
    }

    #[test]
    fn one_network_leaves_places_for_others_and_gets_its_own_back() {
        let places = places();
        let first = places.enter(Class::Guest, network("192.0.2.1")).expect("the first");
        let second = places.enter(Class::Guest, network("::ffff:192.0.2.1")).expect("the second");
        assert!(places.enter(Class::Guest, network("192.0.2.1")).is_none());
        let other = places.enter(Class::Guest, network("192.0.2.2")).expect("another network");
        drop(first);
        let again = places.enter(Class::Guest, network("192.0.2.1")).expect("a place was given back");
        drop((second, other, again));
        assert!(places.lock().of_network.is_empty(), "nothing is kept of who has gone");
    }

    #[test]
    fn guests_cannot_take_the_places_of_users_and_services_nor_those_of_this_process() {
        let places = places();
        let guests: Vec<_> = (0..9).map_while(|_| places.enter(Class::Guest, Origin::Relay)).collect();
        assert_eq!(guests.len(), 5, "a relay is bound by all guests together");
        for class in [Class::User, Class::Service] {
            let place = places.enter(class, network("192.0.2.1")).expect("its own");
            assert!(places.enter(class, network("192.0.2.2")).is_none());
            drop(place);
        }
        assert!((0..9).all(|_| places.enter(Class::Guest, Origin::Here).is_some()));
    }

    #[test]
    fn whoever_proves_more_leaves_the_guests() {
        let places = places();
        let user = places.enter(Class::Guest, network("192.0.2.1")).and_then(|place| place.change(Class::User));
        assert_eq!(places.lock().of_class.get(&Class::Guest), Some(&0));
        let late = places.enter(Class::Guest, network("192.0.2.1")).and_then(|place| place.change(Class::User));
        assert!(late.is_none() && user.is_some());
        assert_eq!(places.lock().of_class.get(&Class::Guest), Some(&0), "whoever is refused leaves too");
    }
}
