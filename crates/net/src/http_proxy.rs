//! Dialling through the HTTP proxy of the user's network, as `HTTPS_PROXY` and `NO_PROXY` say.
//!
//! Only `tsh` uses this; services dial directly. The proxy carries bytes and sees nothing of the TLS inside.

mod bypass;

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{Conn, Dialer, NetError, TcpDialer, dial::BoxFuture};
use bypass::Bypass;

/// The largest answer to CONNECT that is read.
const MOST_ANSWER: usize = 8 * 1024;

/// Which HTTP proxy to use, and for what not.
#[derive(Clone, Debug)]
pub struct HttpProxy {
    addr: String,
    authorization: Option<String>,
    bypass: Bypass,
}

impl HttpProxy {
    /// Reads the two settings; `None` when no proxy is set.
    ///
    /// `https_proxy` is `[http://][user:password@]host[:port]`; `no_proxy` a list of host names, `.suffixes`, addresses,
    /// address ranges or `*`, separated by commas. Loopback is never dialled through a proxy.
    ///
    /// # Errors
    /// When the proxy is to be spoken to by other means than plain HTTP.
    pub fn from_settings(https_proxy: Option<&str>, no_proxy: Option<&str>) -> Result<Option<Self>, NetError> {
        let Some(text) = https_proxy.map(str::trim).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let rest = match text.split_once("://") {
            None => text,
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some(_) => return Err(NetError::Protocol("only http:// proxies can be used in HTTPS_PROXY")),
        };
        let rest = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        let (userinfo, authority) = match rest.rsplit_once('@') {
            Some((userinfo, authority)) => (Some(userinfo), authority),
            None => (None, rest),
        };
        if authority.is_empty() || authority.contains(char::is_whitespace) {
            return Err(NetError::Protocol("HTTPS_PROXY names no host"));
        }
        let addr = match split_port(authority) {
            (_, Some(_)) => authority.to_owned(),
            (_, None) => format!("{authority}:80"),
        };
        let authorization =
            userinfo.map(|userinfo| format!("Basic {}", data_encoding::BASE64.encode(&percent_decoded(userinfo))));
        Ok(Some(Self { addr, authorization, bypass: Bypass::parse(no_proxy.unwrap_or_default()) }))
    }

    /// Tells whether `host:port` is to be dialled through the proxy.
    pub fn applies_to(&self, target: &str) -> bool {
        let (host, port) = split_port(target);
        !self.bypass.covers(host, port)
    }
}

/// Dials `host:port`, through the proxy when it applies.
#[derive(Clone, Debug)]
pub struct ProxiedDialer {
    target: String,
    proxy: Option<HttpProxy>,
    deadline: Duration,
}

impl ProxiedDialer {
    /// Makes a dialer for `host:port` that gives up after `deadline`.
    pub fn new(target: impl Into<String>, proxy: Option<HttpProxy>, deadline: Duration) -> Self {
        let target = target.into();
        let proxy = proxy.filter(|proxy| proxy.applies_to(&target));
        Self { target, proxy, deadline }
    }
}

impl Dialer for ProxiedDialer {
    fn dial(&self) -> BoxFuture<'_, Result<Conn, NetError>> {
        Box::pin(async move {
            let Some(proxy) = &self.proxy else {
                return TcpDialer::new(&self.target, self.deadline).dial().await;
            };
            let through = async {
                let conn = TcpDialer::new(&proxy.addr, self.deadline).dial().await?;
                open_tunnel(conn, &self.target, proxy.authorization.as_deref()).await
            };
            let limit = self.deadline;
            tokio::time::timeout(limit, through)
                .await
                .map_err(|_| NetError::Deadline { step: "connecting through the HTTP proxy", limit })?
        })
    }

    fn target(&self) -> String {
        match &self.proxy {
            Some(proxy) => format!("{} through the HTTP proxy {}", self.target, proxy.addr),
            None => self.target.clone(),
        }
    }
}

/// Sends CONNECT (RFC 9110 section 9.3.6) and returns the tunnel, with whatever came right behind the answer.
async fn open_tunnel(mut conn: Conn, target: &str, authorization: Option<&str>) -> Result<Conn, NetError> {
    if target.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(NetError::Protocol("the address holds characters that no address has"));
    }
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some(authorization) = authorization {
        request.push_str(&format!("Proxy-Authorization: {authorization}\r\n"));
    }
    request.push_str("\r\n");
    conn.write_all(request.as_bytes()).await?;
    let mut answer = BytesMut::new();
    let end = loop {
        if let Some(at) = answer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if answer.len() > MOST_ANSWER {
            return Err(NetError::Protocol("the HTTP proxy's answer is too large"));
        }
        if conn.read_buf(&mut answer).await? == 0 {
            return Err(NetError::Protocol("the HTTP proxy closed the connection without an answer"));
        }
    };
    let head = answer.split_to(end).freeze();
    let line = head.as_ref().split(|byte| *byte == b'\r').next().unwrap_or_default();
    let status = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    match status {
        [b'2', _, _] => Ok(conn.with_ahead(answer.freeze())),
        b"407" => Err(NetError::Protocol("the HTTP proxy wants a user name and password in HTTPS_PROXY")),
        _ => Err(NetError::ProxyRefused(String::from_utf8_lossy(line).chars().take(200).collect())),
    }
}

/// Splits `host:port` and `[v6]:port`; the port is `None` when there is none.
fn split_port(authority: &str) -> (&str, Option<u16>) {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port.parse().ok()),
        _ => (authority, None),
    };
    (host.trim_start_matches('[').trim_end_matches(']'), port)
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let mut rest = bytes.clone();
        let digits = (rest.next(), rest.next());
        let value = match (byte, digits) {
            (b'%', (Some(high), Some(low))) => data_encoding::HEXLOWER_PERMISSIVE.decode(&[high, low]).ok(),
            _ => None,
        };
        match value.as_deref() {
            Some([value]) => {
                decoded.push(*value);
                bytes = rest;
            }
            _ => decoded.push(byte),
        }
    }
    decoded
}
