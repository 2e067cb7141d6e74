//! The address of a proxy as people write it.

use std::{fmt, net::Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Ports tried, in order, when the user names none.
pub const DEFAULT_PORTS: [u16; 2] = [443, 3080];

/// A proxy's host and the port of its one public listener; written `host:port`, IPv6 in brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProxyAddr {
    /// DNS name in lower case, or IP address; it is also the profile's name.
    host: ProxyHost,
    port: u16,
}

/// The host of a proxy: names the profile, so it is safe as a file name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProxyHost(Box<str>);

/// A proxy as named on the command line, where the port may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyTarget {
    /// With a port.
    Exact(ProxyAddr),
    /// Without: [`DEFAULT_PORTS`] are to be tried.
    Bare(ProxyHost),
}

impl ProxyTarget {
    /// Reads `host`, `host:port`, `https://host[:port][/]`; anything after a comma (an SSH port) is refused.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |reason: &str| {
            Error::usage(format!("{text:?} is not a proxy address: {reason}"), "write HOST or HOST:PORT")
        };
        let rest = text.trim();
        let (rest, https) = match rest.strip_prefix("https://") {
            Some(rest) => (rest.strip_suffix('/').unwrap_or(rest), true),
            None => (rest, false),
        };
        if rest.starts_with("http://") {
            return Err(wrong("a proxy is reached over https"));
        }
        let (host, port) = split_port(rest).map_err(wrong)?;
        let host = ProxyHost::parse(host).map_err(wrong)?;
        match port {
            Some(port) => Ok(Self::Exact(ProxyAddr { host, port })),
            // A browser's address without a port means 443 and nothing else.
            None if https => Ok(Self::Exact(ProxyAddr { host, port: 443 })),
            None => Ok(Self::Bare(host)),
        }
    }

    /// Returns the host.
    pub fn host(&self) -> &ProxyHost {
        match self {
            Self::Exact(addr) => &addr.host,
            Self::Bare(host) => host,
        }
    }

    /// Tells whether an address could be the one meant.
    pub fn matches(&self, addr: &ProxyAddr) -> bool {
        match self {
            Self::Exact(exact) => exact == addr,
            Self::Bare(host) => *host == addr.host,
        }
    }

    /// Returns the addresses to try, in order.
    pub fn candidates(&self) -> Vec<ProxyAddr> {
        match self {
            Self::Exact(addr) => vec![addr.clone()],
            Self::Bare(host) => {
                DEFAULT_PORTS.iter().map(|port| ProxyAddr { host: host.clone(), port: *port }).collect()
            }
        }
    }
}

impl ProxyAddr {
    /// Reads `host:port`.
    ///
    /// # Errors
    /// When it has not that form.
    pub fn parse(text: &str) -> Result<Self, Error> {
        match ProxyTarget::parse(text)? {
            ProxyTarget::Exact(addr) => Ok(addr),
            ProxyTarget::Bare(host) => {
                Err(Error::usage(format!("{host} is written without its port"), "write HOST:PORT"))
            }
        }
    }

    /// Returns the host.
    pub fn host(&self) -> &ProxyHost {
        &self.host
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl ProxyHost {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if text.parse::<Ipv6Addr>().is_ok() {
            return Ok(Self(text.to_ascii_lowercase().into()));
        }
        let text = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if text.is_empty() || text.len() > 253 {
            return Err("the host must have 1 to 253 characters");
        }
        let label = |label: &str| {
            !label.is_empty()
                && !label.starts_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if !text.split('.').all(label) {
            return Err("the host is neither a DNS name nor an IP address");
        }
        Ok(Self(text.into()))
    }

    /// Reads the name of a profile.
    pub(crate) fn from_profile_name(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }

    /// Returns the host as text, IPv6 without brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ProxyAddr {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        Self::parse(&text)
    }
}

impl From<ProxyAddr> for String {
    fn from(addr: ProxyAddr) -> String {
        addr.to_string()
    }
}

fn split_port(text: &str) -> Result<(&str, Option<u16>), &'static str> {
    let port = |text: &str| match text.parse::<u16>() {
        Ok(port) if port != 0 && text.bytes().all(|b| b.is_ascii_digit()) => Ok(Some(port)),
        _ => Err("the port must be a number from 1 to 65535"),
    };
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or("a bracket is not closed")?;
        return match after.strip_prefix(':') {
            Some(number) => Ok((host, port(number)?)),
            None if after.is_empty() => Ok((host, None)),
            None => Err("only a port may follow the bracket"),
        };
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Ok((text, None));
    }
    match text.split_once(':') {
        Some((host, number)) => Ok((host, port(number)?)),
        None => Ok((text, None)),
    }
}

impl fmt::Display for ProxyHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ProxyAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.0.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for ProxyTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(addr) => addr.fmt(f),
            Self::Bare(host) => host.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_every_form_people_write() {
        for (text, want) in [
            ("proxy.example.com", "proxy.example.com:443 proxy.example.com:3080"),
            ("Proxy.Example.com.", "proxy.example.com:443 proxy.example.com:3080"),
            ("proxy:3080", "proxy:3080"),
            ("https://proxy.example.com", "proxy.example.com:443"),
            ("https://proxy.example.com:8443/", "proxy.example.com:8443"),
            (" 127.0.0.1:3080 ", "127.0.0.1:3080"),
            ("[::1]:3080", "[::1]:3080"),
            ("::1", "[::1]:443 [::1]:3080"),
        ] {
            let target = ProxyTarget::parse(text).expect(text);
            let got: Vec<String> = target.candidates().iter().map(ProxyAddr::to_string).collect();
            assert_eq!(got.join(" "), want, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        for text in [
            "",
            "http://proxy",
            "proxy:0",
            "proxy:70000",
            "proxy:",
            "proxy:+1",
            "a b",
            "../etc",
            "a/b:1",
            "user@host",
            "[::1",
            "[::1]x",
            "proxy:443,3023",
            "-x",
            "a..b",
            "\u{1b}[2J",
        ] {
            let error = ProxyTarget::parse(text).expect_err(text).to_string();
            assert!(error.contains("not a proxy address") && !error.contains('\u{1b}'), "{error}");
        }
    }

    #[test]
    fn an_address_reads_back_as_written() {
        for text in ["proxy.example.com:443", "[fe80::1]:3080"] {
            assert_eq!(ProxyAddr::parse(text).expect(text).to_string(), text);
        }
    }
}
