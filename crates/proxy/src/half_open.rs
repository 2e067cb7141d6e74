//! Bounds the connections of one address that have not said yet what they want, so that one address cannot take all.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

/// Counts half-open connections by address; IPv6 by /64, which one host has for itself.
#[derive(Clone, Debug)]
pub struct HalfOpen {
    most: usize,
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A place among the half-open connections of an address; dropping it gives it back.
#[derive(Debug)]
#[must_use]
pub struct Place {
    of: Option<(HalfOpen, IpAddr)>,
}

impl HalfOpen {
    /// Allows `most` for each address.
    pub fn new(most: usize) -> Self {
        Self { most, counts: Arc::default() }
    }

    /// Takes a place; `None` when the address has none left. Connections inside the process have no address and no bound.
    pub fn enter(&self, address: Option<IpAddr>) -> Option<Place> {
        let Some(address) = address.map(network) else {
            return Some(Place { of: None });
        };
        let mut counts = self.lock();
        let count = counts.entry(address).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place { of: Some((self.clone(), address)) })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((half_open, address)) = &self.of else {
            return;
        };
        let mut counts = half_open.lock();
        if let Some(count) = counts.get_mut(address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(address);
            }
        }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            const UPPER_HALF: u128 = !0 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & UPPER_HALF))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_places_and_gets_them_back() {
        let half_open = HalfOpen::new(2);
        let enter = |text: &str| half_open.enter(Some(text.parse().expect("an address")));
        let (first, _second) = (enter("192.0.2.1").expect("a place"), enter("::ffff:192.0.2.1").expect("a place"));
        assert!(enter("192.0.2.1").is_none());
        let _other = enter("192.0.2.2").expect("another address");
        drop(first);
        let _again = enter("192.0.2.1").expect("given back");
        let _six = [enter("2001:db8::1").expect("a place"), enter("2001:db8::2").expect("a place")];
        assert!(enter("2001:db8::3").is_none(), "one /64 counts as one address");
        let _neighbour = enter("2001:db8:0:1::1").expect("another network");
    }

    #[test]
    fn nothing_is_kept_of_addresses_that_left() {
        let half_open = HalfOpen::new(2);
        drop(half_open.enter(Some("192.0.2.1".parse().expect("an address"))));
        assert!(half_open.lock().is_empty());
        assert!((0..10).all(|_| half_open.enter(None).is_some()));
    }
}
