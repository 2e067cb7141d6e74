//! Profiles: which proxies the user logs in to, as whom, and which one is the current.

use std::{fs, path::PathBuf};

use serde::{Deserialize, Serialize};
use teleport_types::{ClusterName, UserName};

use super::{Store, damaged, read, remove, write};
use crate::{
    error::Error,
    proxy_addr::{ProxyAddr, ProxyHost},
};

const CURRENT: &str = "current-profile";

/// What is remembered of a proxy; the file is named after its host. Fields unknown here are passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The public port: web pages, API and kubectl.
    pub web_proxy_addr: ProxyAddr,
    /// The same in this version, where everything shares one port.
    pub kube_proxy_addr: ProxyAddr,
    /// Whether everything shares one port.
    #[serde(default = "yes")]
    pub tls_routing_enabled: bool,
    /// The user of the last login.
    pub user: UserName,
    /// The cluster behind the proxy.
    pub cluster: ClusterName,
    /// How the user logs in.
    #[serde(default = "local")]
    pub auth_connector: String,
}

fn yes() -> bool {
    true
}

fn local() -> String {
    "local".into()
}

impl Profile {
    /// Makes the profile of a login.
    pub fn new(proxy: ProxyAddr, user: UserName, cluster: ClusterName) -> Self {
        Self {
            web_proxy_addr: proxy.clone(),
            kube_proxy_addr: proxy,
            tls_routing_enabled: true,
            user,
            cluster,
            auth_connector: local(),
        }
    }

    /// Returns the host that names the profile.
    pub fn host(&self) -> &ProxyHost {
        self.web_proxy_addr.host()
    }
}

impl Store {
    /// Reads the profile of a proxy; `None` when there is none.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn profile(&self, proxy: &ProxyHost) -> Result<Option<Profile>, Error> {
        let path = self.profile_path(proxy);
        let Some(text) = read(&path)? else { return Ok(None) };
        let parsed = serde_saphyr::from_slice(&text).map_err(|error| {
            let text = error.without_snippet().to_string();
            damaged(
                &path,
                text.lines().next().unwrap_or_default(),
                &format!("remove it and run: tsh login --proxy={proxy}"),
            )
        })?;
        Ok(Some(parsed))
    }

    /// Returns the current profile; `None` when there is none.
    ///
    /// # Errors
    /// When a file is damaged.
    pub fn current_profile(&self) -> Result<Option<Profile>, Error> {
        match self.current_host()? {
            Some(host) => self.profile(&host),
            None => Ok(None),
        }
    }

    /// Returns every profile, in the order of their hosts.
    ///
    /// # Errors
    /// When a file is damaged.
    pub fn profiles(&self) -> Result<Vec<Profile>, Error> {
        let Ok(files) = fs::read_dir(&self.root) else { return Ok(Vec::new()) };
        let name = |file: fs::DirEntry| file.file_name().to_str()?.strip_suffix(".yaml").map(str::to_owned);
        let mut hosts: Vec<ProxyHost> =
            files.filter_map(|file| ProxyHost::from_profile_name(&name(file.ok()?)?)).collect();
        hosts.sort();
        hosts.iter().filter_map(|host| self.profile(host).transpose()).collect()
    }

    /// Writes a profile and makes it the current one.
    ///
    /// # Errors
    /// Any error of the file system.
    pub fn save_profile(&self, profile: &Profile) -> Result<(), Error> {
        let text = serde_saphyr::to_string(profile).expect("a profile has only texts");
        write(&self.profile_path(profile.host()), text.as_bytes())?;
        self.set_current(profile.host())
    }

    /// Makes a profile the current one.
    ///
    /// # Errors
    /// Any error of the file system.
    pub fn set_current(&self, host: &ProxyHost) -> Result<(), Error> {
        if self.current_host()?.as_ref() == Some(host) {
            return Ok(());
        }
        write(&self.root.join(CURRENT), format!("{host}\n").as_bytes())
    }

    /// Removes a profile; when it was the current one, there is none afterwards.
    ///
    /// # Errors
    /// Any error of the file system.
    pub fn remove_profile(&self, host: &ProxyHost) -> Result<(), Error> {
        if self.current_host()?.as_ref() == Some(host) {
            remove(&self.root.join(CURRENT))?;
        }
        remove(&self.profile_path(host))
    }

    fn current_host(&self) -> Result<Option<ProxyHost>, Error> {
        let text = read(&self.root.join(CURRENT))?.unwrap_or_default();
        Ok(ProxyHost::from_profile_name(String::from_utf8_lossy(&text).trim()))
    }

    fn profile_path(&self, proxy: &ProxyHost) -> PathBuf {
        self.root.join(format!("{proxy}.yaml"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(proxy: &str, user: &str) -> Profile {
        Profile::new(
            ProxyAddr::parse(proxy).expect("address"),
            UserName::parse(user).expect("name"),
            ClusterName::parse("main").expect("name"),
        )
    }

    #[test]
    fn profiles_read_back_whatever_the_names() {
        let dir = tempfile::tempdir().expect("temp dir");
        let store = Store::new(dir.path().join("home"));
        for (proxy, user) in [("a.example.com:443", "yes"), ("[::1]:3080", "0755"), ("127.0.0.1:1", "null")] {
            let profile = profile(proxy, user);
            store.save_profile(&profile).expect("writes");
            assert_eq!(store.current_profile().expect("reads"), Some(profile));
        }
        assert_eq!(store.profiles().expect("reads").len(), 3);
        store.remove_profile(profile("127.0.0.1:1", "x").host()).expect("removes");
        assert_eq!(store.current_profile().expect("reads"), None);
        assert_eq!(store.profiles().expect("reads").len(), 2);
    }

    #[test]
    fn a_damaged_profile_says_what_to_do() {
        let dir = tempfile::tempdir().expect("temp dir");
        let store = Store::new(dir.path().to_owned());
        fs::write(dir.path().join("proxy.yaml"), "user: [\n").expect("write");
        let host = ProxyHost::from_profile_name("proxy").expect("host");
        let error = store.profile(&host).expect_err("damaged").to_string();
        assert!(error.contains("proxy.yaml cannot be used") && error.contains("tsh login --proxy=proxy"), "{error}");
    }
}
