//! Where `tctl` sends its requests: the local socket, or with an identity file an auth service elsewhere.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use teleport_api::{Client, Security};
use teleport_net::{TcpDialer, UnixDialer};
use teleport_pki::{ServerName, SharedTrust, TrustedCas, tls};
use teleport_runtime::Clock;
use teleport_types::sni::{ALPN_AUTH, InternalName};

use super::{IdentityFile, Place};
use crate::config;

/// The auth service's local socket, inside the data directory.
pub const SOCKET_NAME: &str = "local/tctl.sock";

const DIAL: Duration = Duration::from_secs(10);

pub(super) fn client(place: &Place) -> Result<Client> {
    match (&place.identity, &place.auth_server) {
        (Some(identity), Some(addr)) => remote(identity, addr),
        _ => local(place),
    }
}

fn local(place: &Place) -> Result<Client> {
    let data_dir = data_dir(place)?;
    let socket = data_dir.join(SOCKET_NAME);
    match std::fs::metadata(&socket) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => bail!(
            "only root and the user that teleport runs as may use {}; use sudo, or --identity and --auth-server",
            data_dir.display()
        ),
        Err(_) => bail!(
            "no auth service runs here with the data directory {}; start it, name its file with -c, or use --identity and --auth-server",
            data_dir.display()
        ),
    }
    Ok(Client::new(Arc::new(UnixDialer::new(socket, DIAL)), Security::Local))
}

fn data_dir(place: &Place) -> Result<PathBuf> {
    if let Some(dir) = &place.data_dir {
        return Ok(dir.clone());
    }
    let default = Path::new(config::DEFAULT_FILE);
    let config = match &place.config {
        Some(file) => config::load(file)?,
        None if default.exists() => config::load(default)?,
        None => config::built_in()?,
    };
    Ok(config.data_dir)
}

fn remote(identity: &Path, addr: &str) -> Result<Client> {
    let file = IdentityFile::read(identity)?;
    let cluster = teleport_pki::own_identity(&file.certificate)
        .with_context(|| format!("the certificate in {} is not from a Teleport cluster", identity.display()))?
        .cluster()
        .clone();
    let name = ServerName::try_from(InternalName::Auth(cluster.clone()).host()).context("the cluster's name")?;
    let trust = SharedTrust::new(TrustedCas::new(cluster, Vec::new(), file.host_cas)?);
    let certified = file.key.certified(vec![file.certificate])?;
    let config = tls::internal_client(&trust, Some(certified), &[ALPN_AUTH], &Clock::system());
    let dialer = TcpDialer::new(addr.trim_start_matches("https://"), DIAL);
    Ok(Client::new(Arc::new(dialer), Security::Tls { config, name }))
}
