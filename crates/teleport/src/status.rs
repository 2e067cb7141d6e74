//! `teleport status`: does the auth service of this host run.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Result, bail};
use serde::Serialize;
use teleport_api::{Client, Security};
use teleport_net::UnixDialer;

use crate::{
    cli::{Format, StatusArgs},
    config::{self, AuthPlace},
    ctl::SOCKET_NAME,
    output::print,
};

#[derive(Serialize)]
struct Status {
    data_dir: String,
    auth: String,
    cluster: Option<String>,
    version: Option<String>,
}

impl Status {
    fn text(&self) -> String {
        let mut text = format!("Data directory  {}\nAuth service    {}\n", self.data_dir, self.auth);
        if let (Some(cluster), Some(version)) = (&self.cluster, &self.version) {
            text += &format!("Cluster         {cluster}\nVersion         {version}\n");
        }
        text
    }
}

/// Asks and prints; an error when auth should run here and does not answer.
///
/// # Errors
/// When the configuration is wrong or a service does not answer.
pub async fn run(args: &StatusArgs) -> Result<()> {
    let default = Path::new(config::DEFAULT_FILE);
    let config = match &args.config {
        Some(file) => config::load(file)?,
        None if default.exists() => config::load(default)?,
        None => config::built_in()?,
    };
    let mut status = Status {
        data_dir: config.data_dir.display().to_string(),
        auth: "elsewhere".to_owned(),
        cluster: None,
        version: None,
    };
    let mut failed = None;
    if matches!(config.auth, AuthPlace::Here(_)) {
        let dialer = UnixDialer::new(config.data_dir.join(SOCKET_NAME), Duration::from_secs(5));
        match Client::new(Arc::new(dialer), Security::Local).ping().await {
            Ok(ping) => {
                status.auth = "running".to_owned();
                status.cluster = Some(ping.cluster_name.to_string());
                status.version = Some(ping.server_version);
            }
            Err(error) => {
                status.auth = "not running".to_owned();
                failed = Some(error);
            }
        }
    }
    print(&match args.format {
        Format::Json => serde_json::to_string_pretty(&status)? + "\n",
        Format::Yaml => serde_saphyr::to_string(&status)?,
        Format::Text => status.text(),
    })?;
    match failed {
        Some(error) => bail!("the auth service does not answer: {error}; start it with: teleport start"),
        None => Ok(()),
    }
}
