//! Where a Kubernetes API is: the `server` URL of a kubeconfig, parsed once.

use std::{fmt, net::IpAddr};

use http::{
    HeaderValue, Uri,
    uri::{Authority, PathAndQuery, Scheme},
};
use rustls_pki_types::ServerName;

/// The base URL of an API.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    scheme: Scheme,
    authority: Authority,
    /// Put before every path; empty, or starting with `/` and not ending with one.
    base: String,
}

impl Endpoint {
    /// Parses `https://host[:port][/path]`; `http` is taken for loopback addresses only.
    ///
    /// # Errors
    /// Says what is wrong with the URL.
    pub fn parse(url: &str) -> Result<Self, String> {
        let uri: Uri = url.trim().parse().map_err(|_| format!("server {url:?} is not a URL"))?;
        let parts = uri.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(format!("server {url:?} is not a URL like https://host:port"));
        };
        if authority.as_str().contains('@') {
            return Err("the server URL must not hold a user name or password".to_owned());
        }
        let path = parts.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
        if path.query().is_some() {
            return Err(format!("server {url:?} must not have a query"));
        }
        let base = path.path().trim_end_matches('/').to_owned();
        let endpoint = Self { scheme, authority, base };
        if endpoint.scheme == Scheme::HTTP {
            if !endpoint.is_loopback() {
                return Err(format!("server {url:?} is not encrypted; use https (http is for loopback only)"));
            }
            return Ok(endpoint);
        }
        if endpoint.scheme != Scheme::HTTPS {
            return Err(format!("server {url:?} must begin with https://"));
        }
        ServerName::try_from(endpoint.host()).map_err(|_| format!("server {url:?} names no valid host"))?;
        Ok(endpoint)
    }

    /// Tells whether the exchange is inside TLS.
    pub fn is_encrypted(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// Returns `host:port` for dialling.
    pub fn address(&self) -> String {
        let port = self.authority.port_u16().unwrap_or(if self.is_encrypted() { 443 } else { 80 });
        format!("{}:{port}", self.authority.host())
    }

    /// Returns the host without brackets.
    pub fn host(&self) -> &str {
        let host = self.authority.host();
        host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
    }

    /// Returns the name that the server's certificate must hold for.
    pub(super) fn server_name(&self) -> ServerName<'static> {
        ServerName::try_from(self.host().to_owned()).expect("the host was checked when it was parsed")
    }

    /// Returns the `Host` header of HTTP/1.1.
    pub(super) fn host_header(&self) -> HeaderValue {
        HeaderValue::from_str(self.authority.as_str()).expect("an authority is a header value")
    }

    /// Puts the base path before a target; fails when the result is too long.
    pub(super) fn target(&self, target: &Uri) -> Result<PathAndQuery, http::uri::InvalidUri> {
        let path = target.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        if self.base.is_empty() {
            return Ok(path);
        }
        PathAndQuery::try_from(format!("{}{path}", self.base))
    }

    /// Makes the absolute URI that HTTP/2 takes its pseudo-headers from.
    pub(super) fn absolute(&self, target: PathAndQuery) -> Uri {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(target);
        Uri::from_parts(parts).expect("scheme, authority and path make a URI")
    }

    fn is_loopback(&self) -> bool {
        let host = self.host();
        host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.base)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_path_comes_before_every_target() {
        let endpoint = Endpoint::parse("https://rancher.example.com/k8s/clusters/c-1/").expect("endpoint");
        let target = endpoint.target(&Uri::from_static("/api/v1/pods?watch=1")).expect("target");
        assert_eq!(target, "/k8s/clusters/c-1/api/v1/pods?watch=1");
        assert_eq!(endpoint.address(), "rancher.example.com:443");
    }

    #[test]
    fn ipv6_hosts_are_dialled_with_brackets_and_verified_without() {
        let endpoint = Endpoint::parse("https://[fd00::1]:6443").expect("endpoint");
        assert_eq!(endpoint.address(), "[fd00::1]:6443");
        assert_eq!(endpoint.server_name(), ServerName::try_from("fd00::1").expect("address"));
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        for url in ["http://127.0.0.1:8001", "http://localhost:8001", "http://[::1]:8001"] {
            assert!(!Endpoint::parse(url).expect(url).is_encrypted());
        }
        for url in ["http://10.0.0.1:8080", "http://api.example.com", "http://localhost.example.com"] {
            let error = Endpoint::parse(url).expect_err(url);
            assert!(error.contains("not encrypted"), "{error}");
        }
    }

    #[test]
    fn urls_that_are_none_are_refused() {
        for url in ["", "host:6443", "ftp://host", "https://user:pw@host", "https://host?x=1", "https://ho st"] {
            Endpoint::parse(url).expect_err(url);
        }
    }
}
