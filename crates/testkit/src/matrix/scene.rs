//! The scene of a run: Teleport in front of the cluster, namespaces, rights, fixtures, and who acts in them.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Mutex,
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{
    case::{ClientKind, Person, Place},
    client::Client,
    normal::Names,
    side::{Side, Way},
    target::{Target, acting_as, run_kubectl, server_of},
};
use crate::{Laptop, System};

/// What the shared namespace holds.
const SHARED: &str = include_str!("fixtures/shared.yaml");
/// Rights in Kubernetes, for a group of the run.
const RIGHTS: &str = include_str!("fixtures/rights.yaml");
/// Rights of the owner of one namespace.
const OWNER: &str = include_str!("fixtures/owner.yaml");
/// Teleport roles.
const ROLES: &str = include_str!("fixtures/roles.yaml");

/// Everything that all clients share.
pub(super) struct Scene<'a> {
    target: &'a Target,
    kubectl: Client,
    system: System,
    dir: tempfile::TempDir,
    /// The administrator's kubeconfig, as a document and as a file.
    admin: Value,
    admin_file: PathBuf,
    /// Prefix of every name of the run.
    run: String,
    port: u16,
    laptops: Mutex<HashMap<String, Laptop>>,
}

/// One client's part of the scene.
pub(super) struct Stand<'a> {
    scene: &'a Scene<'a>,
    client: Client,
    owner: String,
}

impl<'a> Scene<'a> {
    /// Sets everything up.
    pub(super) fn set(target: &'a Target, kubectl: Client) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let admin = target.admin(&kubectl, dir.path())?;
        let admin_file = dir.path().join("admin");
        std::fs::write(&admin_file, admin.to_string())?;
        let system = System::start(&target.proxy_kubeconfig()?);
        let unique = std::process::id() % 10_000;
        let run = format!("mx-{unique:04}");
        let port = 18_000 + u16::try_from(unique % 1_000).unwrap_or_default();
        let laptops = Mutex::default();
        let scene = Self { target, kubectl, system, dir, admin, admin_file, run, port, laptops };
        scene.system.create(&scene.fill(ROLES));
        for (user, role) in [("alice", "matrix-developer"), ("rita", "matrix-reader")] {
            scene.system.add_user(user, role);
        }
        if target.is_real() {
            scene.admin(&["apply", "-f", "-"], &scene.fill(RIGHTS))?;
        }
        scene.fill_shared_namespace()?;
        Ok(scene)
    }

    fn fill_shared_namespace(&self) -> Result<()> {
        let shared = self.shared();
        self.admin(&["create", "namespace", &shared], "")?;
        let objects = self.target.fill(SHARED, &shared, self.port);
        self.admin(&["-n", &shared, "apply", "-f", "-"], &objects)?;
        if self.target.is_real() {
            let in_shared = |args: &[&str]| self.admin(&[&["-n", &shared], args].concat(), "");
            in_shared(&["wait", "--for=condition=Ready", "--timeout=90s", "pod/web", "pod/ticker"])?;
            in_shared(&["rollout", "status", "--timeout=90s", "deployment/app"])?;
            in_shared(&["wait", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=90s", "pod/done"])?;
        }
        Ok(())
    }

    /// Runs the newest kubectl as the administrator.
    fn admin(&self, args: &[&str], input: &str) -> Result<String> {
        run_kubectl(&self.kubectl, &self.admin_file, args, input)
    }

    /// Returns the API server's version.
    pub(super) fn server_version(&self) -> Result<String> {
        let version: Value = serde_json::from_str(&self.admin(&["version", "-o", "json"], "")?)?;
        let version = version.pointer("/serverVersion/gitVersion").and_then(Value::as_str);
        Ok(version.context("the server has a version")?.to_owned())
    }

    fn shared(&self) -> String {
        format!("{}-shared", self.run)
    }

    fn group(&self) -> String {
        format!("{}-devs", self.run)
    }

    fn fill(&self, text: &str) -> String {
        let groups = self.target.groups(&self.group()).join(", ");
        text.replace("@RUN@", &self.run).replace("@GROUPS@", &format!("['{groups}']"))
    }

    /// Makes a client's namespaces and, for the owner of one, rights that end at it.
    pub(super) fn stand(&'a self, client: &Client) -> Result<Stand<'a>> {
        let owner = format!("owner-{}", client.slug());
        let stand = Stand { scene: self, client: client.clone(), owner };
        for way in [Way::Direct, Way::Through] {
            let namespace = stand.own_namespace(way);
            self.admin(&["create", "namespace", &namespace], "")?;
            if client.kind == ClientKind::Helm {
                let text = OWNER.replace("@NAMESPACE@", &namespace).replace("@USER@", &stand.owner);
                self.admin(&["apply", "-f", "-"], text.split("# ROLE").next().unwrap_or_default())?;
                if way == Way::Through {
                    let role = text.split("# ROLE").nth(1).context("the owner has a role")?;
                    self.system.create(role);
                    self.system.add_user(&stand.owner, &stand.owner);
                }
            }
        }
        Ok(stand)
    }

    /// Logs a user in, once, and returns the kubeconfig that `tsh` wrote.
    fn login(&self, user: &str) -> PathBuf {
        let mut laptops = self.laptops.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        laptops.entry(user.to_owned()).or_insert_with(|| self.system.logged_in(user)).kubeconfig()
    }
}

impl Drop for Scene<'_> {
    fn drop(&mut self) {
        let shared = self.shared();
        let _ = self.admin(&["delete", "namespace", &shared, "--wait=false"], "");
        if self.target.is_real() {
            let _ = self.admin(&["delete", "-f", "-", "--ignore-not-found"], &self.fill(RIGHTS));
        }
    }
}

impl Stand<'_> {
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the folder of the newest kubectl, for scripts of other clients.
    pub(super) fn kubectl(&self) -> &Path {
        &self.scene.kubectl.folder
    }

    fn own_namespace(&self, way: Way) -> String {
        let letter = if way == Way::Direct { 'd' } else { 't' };
        format!("{}-{}-{letter}", self.scene.run, self.client.slug())
    }

    /// Returns a person's way to the cluster, making what it needs the first time.
    pub(super) fn side(&self, person: Person, way: Way, place: Place) -> Result<Side> {
        let (user, group) = self.identity(person);
        let namespace = if place == Place::Shared { self.scene.shared() } else { self.own_namespace(way) };
        let home = self.scene.dir.path().join(format!("{}-{user}-{way:?}-{place:?}", self.client.slug()));
        let (work, kubeconfig) = (home.join("work"), home.join("kubeconfig"));
        if !kubeconfig.exists() {
            std::fs::create_dir_all(&work)?;
            self.scene.target.write_fixtures(&work, &namespace, self.scene.port)?;
            self.write_kubeconfig(&kubeconfig, (&user, &group), way, &namespace)?;
        }
        let server = server_of(&self.scene.kubectl, &kubeconfig)?;
        let variables = vec![
            ("MATRIX_USER", user),
            ("MATRIX_GROUP", group),
            ("SHARED", self.scene.shared()),
            ("PORT", self.scene.port.to_string()),
            ("IMAGE", self.scene.target.fill("@IMAGE@", "", 0)),
        ];
        Ok(Side { way, home, kubeconfig, names: Names { namespace, server }, work, variables })
    }

    fn write_kubeconfig(&self, path: &Path, who: (&str, &str), way: Way, namespace: &str) -> Result<()> {
        let (user, group) = who;
        match way {
            Way::Direct => {
                let text = acting_as(&self.scene.admin, user, &[group.to_owned()])?;
                // As `tsh` does it; helm warns when others can read a kubeconfig.
                teleport_runtime::atomic_file::write(path, text.as_bytes(), 0o600)?;
            }
            Way::Through => {
                std::fs::copy(self.scene.login(user), path).context("copy the kubeconfig of tsh")?;
            }
        }
        let namespace = format!("--namespace={namespace}");
        run_kubectl(&self.scene.kubectl, path, &["config", "set-context", "--current", &namespace], "")?;
        Ok(())
    }

    fn identity(&self, person: Person) -> (String, String) {
        let group = self.scene.target.groups(&self.scene.group()).concat();
        match person {
            Person::Developer => ("alice".to_owned(), group),
            Person::Reader => ("rita".to_owned(), group),
            Person::Owner => (self.owner.clone(), format!("{}-group", self.owner)),
        }
    }

    /// Removes what the client made.
    pub(super) fn clear(&self) {
        for way in [Way::Direct, Way::Through] {
            let _ = self.scene.admin(&["delete", "namespace", &self.own_namespace(way), "--wait=false"], "");
        }
    }
}
