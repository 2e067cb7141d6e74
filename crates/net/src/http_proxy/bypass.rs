//! `NO_PROXY`: which hosts are dialled directly.

use std::net::IpAddr;

/// A parsed `NO_PROXY`. Loopback is always covered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bypass(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    Everything,
    /// A host name and the names below it, or only the latter; with a port, for that port only.
    Name {
        name: String,
        below_only: bool,
        port: Option<u16>,
    },
    Range {
        network: IpAddr,
        bits: u8,
        port: Option<u16>,
    },
}

impl Bypass {
    pub(super) fn parse(text: &str) -> Self {
        Self(text.split(',').filter_map(|entry| Entry::parse(entry.trim())).collect())
    }

    pub(super) fn covers(&self, host: &str, port: Option<u16>) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address: Option<IpAddr> = host.parse().ok();
        if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
            return true;
        }
        self.0.iter().any(|entry| entry.covers(&host, address, port))
    }
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        if text == "*" {
            return Some(Self::Everything);
        }
        if let Some((network, bits)) = text.split_once('/') {
            return Some(Self::Range { network: network.parse().ok()?, bits: bits.parse().ok()?, port: None });
        }
        let (host, port) = super::split_port(text);
        if let Ok(network) = host.parse::<IpAddr>() {
            let bits = if network.is_ipv4() { 32 } else { 128 };
            return Some(Self::Range { network, bits, port });
        }
        let host = host.trim_start_matches('*').to_ascii_lowercase();
        let (name, below_only) = match host.strip_prefix('.') {
            Some(name) => (name.to_owned(), true),
            None => (host, false),
        };
        Some(Self::Name { name, below_only, port })
    }

    fn covers(&self, host: &str, address: Option<IpAddr>, port: Option<u16>) -> bool {
        match self {
            Self::Everything => true,
            Self::Name { name, below_only, port: only } => {
                let below = host.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.'));
                (below || (!below_only && host == name)) && port_matches(*only, port)
            }
            Self::Range { network, bits, port: only } => {
                address.is_some_and(|address| in_range(address, *network, *bits)) && port_matches(*only, port)
            }
        }
    }
}

fn port_matches(only: Option<u16>, port: Option<u16>) -> bool {
    only.is_none() || only == port
}

fn in_range(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let (address, network, width) = match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            (u128::from(address.to_bits()), u128::from(network.to_bits()), 32)
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => (address.to_bits(), network.to_bits(), 128),
        _ => return false,
    };
    let ignored = width - u32::from(bits).min(width);
    address.checked_shr(ignored).unwrap_or(0) == network.checked_shr(ignored).unwrap_or(0)
}
