//! The auth service, reached through the proxy and recognised by the cluster's pinned host authority.

use std::{sync::Arc, time::Duration};

use teleport_api::{
    ErrorKind,
    client::{Client, ClientError, Security},
};
use teleport_pki::{ServerName, tls};
use teleport_types::{ClusterName, sni, sni::InternalName};

use super::{Connector, refused_certificate, refused_us, unreachable};
use crate::{
    error::Error,
    proxy_addr::ProxyAddr,
    store::{Authorities, Login, Profile, Store},
};

/// How long a question may take.
pub const ANSWER: Duration = Duration::from_secs(10);

/// A connection to the auth service of one cluster.
#[derive(Clone)]
pub struct AuthClient {
    client: Client,
    proxy: ProxyAddr,
    cluster: ClusterName,
}

impl Connector {
    /// Makes a client of the auth service behind a proxy; as nobody when there is no login. Nothing is dialled yet.
    ///
    /// # Errors
    /// When the key of the login cannot be used.
    pub fn auth(
        &self,
        proxy: &ProxyAddr,
        authorities: &Authorities,
        login: Option<&Login>,
    ) -> Result<AuthClient, Error> {
        let certificate = login.map(Login::certified).transpose().map_err(|error| Error::File {
            what: format!("the key of your login to {proxy} cannot be used"),
            hint: format!("run: tsh login --proxy={proxy}"),
            source: Some(error.into()),
        })?;
        let cluster = authorities.cluster().clone();
        let config = tls::internal_client(&authorities.trust(), certificate, &[sni::ALPN_AUTH], self.clock());
        let name =
            ServerName::try_from(InternalName::Auth(cluster.clone()).host()).expect("internal names are DNS names");
        let client = Client::new(Arc::new(self.dialer(proxy)), Security::Tls { config, name });
        Ok(AuthClient { client, proxy: proxy.clone(), cluster })
    }

    /// Makes a client for a profile that is logged in.
    ///
    /// # Errors
    /// When it is not, or no longer.
    pub fn auth_of(&self, store: &Store, profile: &Profile) -> Result<AuthClient, Error> {
        let login = valid_login(store, profile, self.clock().now())?;
        let authorities = authorities_of(store, profile)?;
        self.auth(&profile.web_proxy_addr, &authorities, Some(&login))
    }
}

/// Returns the login of a profile while it holds.
///
/// # Errors
/// When there is none, or it is over.
pub fn valid_login(store: &Store, profile: &Profile, now: jiff::Timestamp) -> Result<Login, Error> {
    let proxy = profile.web_proxy_addr.to_string();
    let login = store.login(profile)?.ok_or_else(|| Error::LoggedOut { proxy: proxy.clone() })?;
    if login.holds_at(now) { Ok(login) } else { Err(Error::Expired { proxy, at: login.expires }) }
}

/// Returns the pinned authorities of a profile's cluster.
///
/// # Errors
/// When there are none.
pub fn authorities_of(store: &Store, profile: &Profile) -> Result<Authorities, Error> {
    let authorities = store.authorities(profile.host(), &profile.cluster)?;
    authorities.ok_or_else(|| Error::LoggedOut { proxy: profile.web_proxy_addr.to_string() })
}

impl AuthClient {
    /// Asks one question, within [`ANSWER`].
    ///
    /// # Errors
    /// What stands in the way, in words for the user.
    pub async fn ask<'c, T, F>(&'c self, question: impl FnOnce(&'c Client) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, ClientError>> + 'c,
    {
        self.ask_within(ANSWER, question).await
    }

    /// Asks one question, within `limit`.
    ///
    /// # Errors
    /// What stands in the way, in words for the user.
    pub async fn ask_within<'c, T, F>(
        &'c self,
        limit: Duration,
        question: impl FnOnce(&'c Client) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, ClientError>> + 'c,
    {
        match tokio::time::timeout(limit, question(&self.client)).await {
            Ok(answer) => answer.map_err(|error| self.explain(error)),
            Err(_) => Err(self.silent()),
        }
    }

    fn explain(&self, error: ClientError) -> Error {
        match error {
            ClientError::Api(error) if error.kind == ErrorKind::Unauthenticated && error.hint.is_empty() => {
                Error::Refused(error.hint(format!("run: tsh login --proxy={}", self.proxy)))
            }
            ClientError::Api(error) => Error::Refused(error),
            ClientError::Unreachable { source, .. } => match refused_certificate(&source) {
                Some(_) => self.untrusted(source.into()),
                None if refused_us(&source) => Error::Refused(
                    teleport_api::ApiError::unauthenticated(format!(
                        "{} does not accept your login any more",
                        self.cluster
                    ))
                    .hint(format!("run: tsh login --proxy={}", self.proxy)),
                ),
                None => unreachable(&self.proxy, source),
            },
            ClientError::Deadline => self.silent(),
            ClientError::Broken(source) => Error::Unreachable {
                what: format!("the connection to the auth service of {} broke", self.cluster),
                hint: "try again; tsh -d shows why".into(),
                source: Some(source),
            },
        }
    }

    fn silent(&self) -> Error {
        Error::Unreachable {
            what: format!("the auth service of {} does not answer in time", self.cluster),
            hint: format!("is the proxy at {} connected to it?", self.proxy),
            source: None,
        }
    }

    fn untrusted(&self, source: Box<dyn std::error::Error + Send + Sync>) -> Error {
        Error::Untrusted {
            what: format!(
                "what answers behind {} cannot prove to be the auth service of {} as this machine knows it",
                self.proxy, self.cluster
            ),
            hint: "somebody may be in between; if the cluster was set up anew, log in with --ca-pin=PIN, which tctl \
                   status shows"
                .into(),
            source: Some(source),
        }
    }
}
