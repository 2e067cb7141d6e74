//! `tsh version`: ours, and the proxy's when one is known and answers.

use serde::Serialize;

use super::App;
use crate::{
    cli::{Format, VersionArgs},
    connect::{self, web::WebTrust},
    error::Error,
    output::Printed,
    proxy_addr::ProxyTarget,
};
use teleport_terminal::escape;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Versions {
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy_public_address: Option<String>,
}

pub(super) fn run(app: &App, args: &VersionArgs) -> Result<Printed, Error> {
    let mut versions = Versions { version: env!("CARGO_PKG_VERSION"), proxy_version: None, proxy_public_address: None };
    let target = match app.target()? {
        Some(target) => Some(target),
        None => app.store.current_profile()?.map(|profile| ProxyTarget::Exact(profile.web_proxy_addr)),
    };
    let mut failure = None;
    if let Some(target) = target.filter(|_| !args.client) {
        match ask(app, &target) {
            Ok((version, proxy)) => {
                versions.proxy_version = Some(version);
                versions.proxy_public_address = Some(proxy);
            }
            Err(error) => failure = Some(error),
        }
    }
    let printed = match args.output.format {
        Format::Text => Printed::text(text(&versions)),
        format => Printed::value(format, &versions),
    };
    Ok(Printed { failure, ..printed })
}

fn text(versions: &Versions) -> String {
    let mut text = format!("tsh {}\n", versions.version);
    if let (Some(version), Some(proxy)) = (&versions.proxy_version, &versions.proxy_public_address) {
        text.push_str(&format!("proxy {} at {proxy}\n", escape(version)));
    }
    text
}

/// A version is no secret and nothing follows from it, so an unverified certificate does no harm here.
fn ask(app: &App, target: &ProxyTarget) -> Result<(String, String), Error> {
    let connector = app.connector()?;
    let web = connect::run(connector.find(target, &WebTrust::Pinned))?;
    Ok((web.ping.server_version, web.proxy.to_string()))
}
