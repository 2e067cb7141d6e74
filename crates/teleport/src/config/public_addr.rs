//! `host:port` as people and kubectl dial it. Checked when the file is read: a typo would else show only on laptops.

use std::fmt;

use anyhow::{Result, bail};

use super::with_port;

/// The port that is meant when the address has none.
const HTTPS: u16 = 443;

/// A public address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicAddr {
    host: String,
    port: u16,
}

impl PublicAddr {
    /// Reads `host`, `host:port` or `https://host:port`.
    ///
    /// # Errors
    /// When the host is no name or address, or the port no number up to 65535.
    pub fn parse(text: &str) -> Result<Self> {
        let full = with_port(text, HTTPS);
        let Some((host, port)) = full.rsplit_once(':') else { bail!("{text:?} is not an address; write HOST:PORT") };
        let Ok(port) = port.parse() else {
            bail!("{text:?} has no port from 1 to 65535; write HOST:PORT");
        };
        let is_v6 = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .is_some_and(|ip| ip.parse::<std::net::Ipv6Addr>().is_ok());
        let is_name = !host.is_empty()
            && host.len() <= 253
            && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
        if !is_v6 && !is_name {
            bail!("{text:?} is not an address that can be dialled; write HOST:PORT");
        }
        Ok(Self { host: host.to_owned(), port })
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for PublicAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_is_found_before_people_dial_it() {
        for (text, want) in [
            ("teleport.example.com", "teleport.example.com:443"),
            ("teleport.example.com:3080", "teleport.example.com:3080"),
            ("https://teleport.example.com/", "teleport.example.com:443"),
            ("::1", "[::1]:443"),
            ("10.0.0.1:0", "10.0.0.1:0"),
        ] {
            assert_eq!(PublicAddr::parse(text).expect(text).to_string(), want);
        }
        for text in ["", ":443", "a:99999", "a b:443", "http://a:443", "a:b:443", "user@a:443"] {
            PublicAddr::parse(text).expect_err(text);
        }
    }
}
