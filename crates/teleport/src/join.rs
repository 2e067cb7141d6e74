//! How the proxy and kubernetes services of this process come by their identity: kept from last time, else joined anew.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use teleport_api::{
    Client, Security,
    messages::{
        CaBundle,
        service::{IssuedService, JoinRequest, RenewRequest},
    },
};
use teleport_net::Dialer;
use teleport_pki::{KeyPair, Pin, ServerName, SharedTrust, TrustedCas, pem, tls};
use teleport_runtime::{Clock, Stop, atomic_file};
use teleport_types::{
    ClusterName, ServiceId, ServiceKind,
    sni::{ALPN_AUTH, InternalName},
};

/// How to reach auth and what to show it.
pub struct Joining {
    /// The way to auth.
    pub dialer: Arc<dyn Dialer>,
    /// Which host CA to trust at the first contact.
    pub anchor: Anchor,
    /// The join token, when there is one.
    pub token: Option<String>,
    /// What this process will act as.
    pub kinds: Vec<ServiceKind>,
    /// The host's name, for people.
    pub node_name: String,
    /// Where the identity is kept.
    pub data_dir: PathBuf,
    /// The clock.
    pub clock: Clock,
}

/// Why a host CA is trusted at the first contact.
pub enum Anchor {
    /// Auth runs in this process and says so itself.
    Known(CaBundle),
    /// Pins from the configuration.
    Pins(Vec<String>),
}

/// A service identity that holds, and the client that shows it.
pub struct Joined {
    /// Speaks to auth as this service.
    pub client: Client,
    /// The service's id.
    pub id: ServiceId,
    /// The cluster.
    pub cluster: ClusterName,
    kept: Kept,
    file: PathBuf,
    clock: Clock,
}

/// What is written to disk.
#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    key: String,
    certificate: String,
    id: ServiceId,
    kinds: Vec<ServiceKind>,
    expires: Timestamp,
    issued: Timestamp,
    cas: CaBundle,
}

/// Returns this process's identity, joining when there is none that holds.
///
/// # Errors
/// Says what is missing or who refused.
pub async fn join(joining: Joining) -> Result<Joined> {
    let file = joining.data_dir.join("identity.json");
    let kept = match read_kept(&file, &joining)? {
        Some(kept) => kept,
        None => {
            let kept = join_anew(&joining).await?;
            write_kept(&file, &kept)?;
            kept
        }
    };
    let security = security(&kept, &joining.clock)?;
    Ok(Joined {
        client: Client::new(Arc::clone(&joining.dialer), security),
        id: kept.id.clone(),
        cluster: kept.cas.cluster_name.clone(),
        kept,
        file,
        clock: joining.clock,
    })
}

impl Joined {
    /// Renews the identity at half of its life until told to stop.
    pub async fn keep_fresh(mut self, stop: Stop) {
        const RETRY: Duration = Duration::from_secs(60);
        loop {
            let life = self.kept.expires.duration_since(self.kept.issued);
            let half = Duration::try_from(life / 2).unwrap_or_default();
            let due = self.kept.issued.saturating_add(half).unwrap_or(self.kept.expires);
            tokio::select! {
                () = stop.requested() => return,
                () = self.clock.sleep_until(due) => {}
            }
            if let Err(error) = self.renew().await {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "the service's certificate could not be renewed, trying again"
                );
                tokio::select! {
                    () = stop.requested() => return,
                    () = self.clock.sleep(RETRY) => {}
                }
            }
        }
    }

    async fn renew(&mut self) -> Result<()> {
        let key = KeyPair::generate();
        let issued = self.client.renew_service(&RenewRequest { public_key: key.public().to_pem() }).await?;
        let kept = Kept::new(&key, issued, &self.clock);
        write_kept(&self.file, &kept)?;
        self.client.replace_security(security(&kept, &self.clock)?).await;
        self.kept = kept;
        Ok(())
    }
}

impl Kept {
    fn new(key: &KeyPair, issued: IssuedService, clock: &Clock) -> Self {
        Self {
            key: key.to_pem().to_string(),
            certificate: issued.certificate,
            id: issued.id,
            kinds: issued.kinds,
            expires: issued.expires,
            issued: clock.now(),
            cas: issued.cas,
        }
    }
}

/// Reads the kept identity; `None` when there is none, or it has ended, or is for other services or another cluster.
fn read_kept(file: &Path, joining: &Joining) -> Result<Option<Kept>> {
    let text = match std::fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
    };
    let kept: Kept = serde_json::from_slice(&text)
        .with_context(|| format!("{} is damaged; remove it and start again to join anew", file.display()))?;
    let same_cluster = match &joining.anchor {
        Anchor::Known(cas) => *cas == kept.cas,
        Anchor::Pins(_) => true,
    };
    let covers = joining.kinds.iter().all(|kind| kept.kinds.contains(kind));
    Ok((same_cluster && covers && joining.clock.now() < kept.expires).then_some(kept))
}

fn write_kept(file: &Path, kept: &Kept) -> Result<()> {
    let text = serde_json::to_vec_pretty(kept)?;
    atomic_file::write(file, &text, 0o600).with_context(|| format!("cannot write {}", file.display()))
}

async fn join_anew(joining: &Joining) -> Result<Kept> {
    let Some(token) = &joining.token else {
        bail!("this host has not joined yet; set teleport.auth_token to a token of the auth service");
    };
    let cas = match &joining.anchor {
        Anchor::Known(cas) => cas.clone(),
        Anchor::Pins(pins) => learn_cas(joining, pins).await?,
    };
    let trust = trust(&cas)?;
    let config = tls::internal_client(&trust, None, &[ALPN_AUTH], &joining.clock);
    let client =
        Client::new(Arc::clone(&joining.dialer), Security::Tls { config, name: auth_name(&cas.cluster_name)? });
    let key = KeyPair::generate();
    let request = JoinRequest {
        token: token.clone(),
        kinds: joining.kinds.clone(),
        node_name: joining.node_name.clone(),
        id: None,
        public_key: key.public().to_pem(),
    };
    let issued = client.join(&request).await.with_context(|| format!("cannot join at {}", joining.dialer.target()))?;
    Ok(Kept::new(&key, issued, &joining.clock))
}

/// Fetches the CAs from whoever answers and believes them only if a pin matches.
async fn learn_cas(joining: &Joining, pins: &[String]) -> Result<CaBundle> {
    if pins.is_empty() {
        bail!("this host has not joined yet; set teleport.ca_pin to a pin that `tctl status` prints");
    }
    let config = tls::unverified_pinned_client(&[ALPN_AUTH], &joining.clock);
    let name = ServerName::try_from("auth.teleport.internal").context("a constant name")?;
    let client = Client::new(Arc::clone(&joining.dialer), Security::Tls { config, name });
    let mut cas =
        client.cas().await.with_context(|| format!("cannot reach the auth service at {}", joining.dialer.target()))?;
    let pins = pins.iter().map(|pin| Pin::parse(pin)).collect::<Result<Vec<_>, _>>()?;
    cas.host.retain(|text| match pem::certificates(text.as_bytes()) {
        Ok(certificates) => certificates.iter().all(|certificate| pins.iter().any(|pin| pin.matches(certificate))),
        Err(_) => false,
    });
    if cas.host.is_empty() {
        bail!(
            "the host CA of {} does not match teleport.ca_pin; compare it with `tctl status` on the auth host, someone may be in between",
            joining.dialer.target()
        );
    }
    Ok(cas)
}

fn security(kept: &Kept, clock: &Clock) -> Result<Security> {
    let certified = KeyPair::from_pem(&kept.key)?.certified(pem::certificates(kept.certificate.as_bytes())?)?;
    let config = tls::internal_client(&trust(&kept.cas)?, Some(certified), &[ALPN_AUTH], clock);
    Ok(Security::Tls { config, name: auth_name(&kept.cas.cluster_name)? })
}

fn auth_name(cluster: &ClusterName) -> Result<ServerName<'static>> {
    ServerName::try_from(InternalName::Auth(cluster.clone()).host()).context("the cluster's name is not a host name")
}

/// Reads a bundle of CAs as the trust of this process.
///
/// # Errors
/// When a certificate in it cannot be read.
pub fn trust(cas: &CaBundle) -> Result<SharedTrust> {
    let read = |texts: &[String]| -> Result<Vec<_>> { Ok(pem::certificates(texts.concat().as_bytes())?) };
    Ok(SharedTrust::new(TrustedCas::new(cas.cluster_name.clone(), read(&cas.user)?, read(&cas.host)?)?))
}
