//! Knowing the cluster: by its pinned authorities, by a pin that the user gives, or, the first time only, from the web
//! side of the proxy.

use teleport_api::messages::CaBundle;
use teleport_pki::{CertificateDer, Pin, pem};
use teleport_types::ClusterName;

use super::App;
use crate::{
    connect::web::{Web, WebTrust},
    error::Error,
    proxy_addr::ProxyTarget,
    store::Authorities,
};

pub(super) fn parse_pins(texts: &[String]) -> Result<Vec<Pin>, Error> {
    let parse = |text: &String| {
        Pin::parse(text).map_err(|error| Error::usage(format!("{text:?}: {error}"), "tctl status shows the pin"))
    };
    texts.iter().map(parse).collect()
}

/// Decides how far the web certificate is to be verified.
pub(super) fn of_web(app: &App, target: &ProxyTarget, pins: &[Pin]) -> WebTrust {
    if !pins.is_empty() {
        return WebTrust::Pinned;
    }
    if app.global.insecure {
        app.note(&format!("WARNING: the web certificate of {target} is not verified (--insecure)."));
        return WebTrust::Insecure;
    }
    WebTrust::Verified(app.store.known_certificates(target.host()))
}

/// Returns the authorities that the auth service must prove itself with.
///
/// What is pinned stands: neither `--insecure` nor a verified web certificate replaces it, only a pin from the user. Nor
/// does another cluster name from the proxy: whoever holds the proxy could make one up and be given the password.
pub(super) async fn authorities(app: &App, web: &Web<'_>, pins: &[Pin]) -> Result<Authorities, Error> {
    let known = app.store.authorities(web.proxy.host(), &web.ping.cluster_name)?;
    match known {
        Some(known) if pins.is_empty() || known.certificates().any(|ca| has_pin(ca, pins)) => Ok(known),
        None if pins.is_empty() => match app.store.known_clusters(web.proxy.host()).first() {
            Some(before) => Err(renamed(web, before)),
            None => learn(web, &web.authorities().await?, pins),
        },
        _ => learn(web, &web.authorities().await?, pins),
    }
}

fn renamed(web: &Web<'_>, before: &ClusterName) -> Error {
    Error::Untrusted {
        what: format!(
            "the proxy at {} is known for the cluster {before} and now says that it is for {}",
            web.proxy, web.ping.cluster_name
        ),
        hint: "if that is so, log in with --ca-pin=PIN, which an administrator finds in tctl status".into(),
        source: None,
    }
}

fn learn(web: &Web<'_>, answer: &CaBundle, pins: &[Pin]) -> Result<Authorities, Error> {
    let odd = |why: String| Error::Unreachable {
        what: format!("the proxy at {} does not tell the authorities of {}: {why}", web.proxy, web.ping.cluster_name),
        hint: "is it a version that this tsh understands?".into(),
        source: None,
    };
    if answer.cluster_name != web.ping.cluster_name {
        return Err(odd(format!("it names those of {}", answer.cluster_name)));
    }
    let mut host = pem::certificates(answer.host.join("\n").as_bytes()).map_err(|error| odd(error.to_string()))?;
    if !pins.is_empty() {
        host.retain(|ca| has_pin(ca, pins));
        if host.is_empty() {
            return Err(Error::Untrusted {
                what: format!("no authority of the cluster behind {} has the given pin", web.proxy),
                hint: "compare with tctl status; if the pin is right, somebody is in between".into(),
                source: None,
            });
        }
    }
    Authorities::new(answer.cluster_name.clone(), host).map_err(|error| odd(error.to_string()))
}

fn has_pin(ca: &CertificateDer<'_>, pins: &[Pin]) -> bool {
    pins.iter().any(|pin| pin.matches(ca))
}
