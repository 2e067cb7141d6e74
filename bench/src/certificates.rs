//! A throw-away authority with the certificates of the static upstream and of nginx, and the kubeconfigs that use them.
//!
//! Made with `openssl` once for each run; what our own proxy needs it makes itself.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;
use data_encoding::BASE64;
use serde_json::json;

use crate::system;

/// Files of the authority and of what it signed.
pub(crate) struct Certificates {
    dir: PathBuf,
}

impl Certificates {
    /// Makes new ones in `dir`.
    ///
    /// # Errors
    /// When `openssl` is missing or fails.
    pub(crate) fn make(dir: &Path) -> Result<Self> {
        let made = Self { dir: dir.to_owned() };
        let ca =
            ["-subj", "/CN=bench", "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign"];
        made.openssl("ca", &ca)?;
        let signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "basicConstraints=CA:FALSE"];
        let names = ["-subj", "/CN=server", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"];
        made.openssl("server", &[&signed[..], &names, &["-addext", "extendedKeyUsage=serverAuth"]].concat())?;
        let names = ["-subj", "/O=devs/CN=alice", "-addext", "extendedKeyUsage=clientAuth"];
        made.openssl("client", &[&signed[..], &names].concat())?;
        Ok(made)
    }

    /// Uses those made before.
    pub(crate) fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    fn openssl(&self, name: &str, more: &[&str]) -> Result<()> {
        let (key, out) = (format!("{name}.key"), format!("{name}.pem"));
        let key_kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
        let mut command = Command::new("openssl");
        command.current_dir(&self.dir).args(["req", "-x509", "-days", "2"]).args(key_kind);
        system::run(command.args(["-keyout", &key, "-out", &out]).args(more)).map(drop)
    }

    /// Returns the path of a file: `ca.pem`, `server.pem`, `server.key`, `client.pem`, `client.key`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Writes a kubeconfig for `https://address` with the client certificate, and returns its path.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub(crate) fn kubeconfig(&self, name: &str, address: &str) -> Result<PathBuf> {
        let data = |file: &str| Ok::<_, anyhow::Error>(BASE64.encode(&std::fs::read(self.file(file))?));
        let document = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": name,
            "clusters": [{"name": name, "cluster": {
                "server": format!("https://{address}"), "certificate-authority-data": data("ca.pem")?,
            }}],
            "users": [{"name": name, "user": {
                "client-certificate-data": data("client.pem")?, "client-key-data": data("client.key")?,
            }}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        });
        let path = self.file(&format!("{name}.kubeconfig"));
        std::fs::write(&path, format!("{document:#}\n"))?;
        Ok(path)
    }
}
