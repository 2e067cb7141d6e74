//! The clients: every version that `scripts/test-matrix` could get, each in a folder of its own below `.tools`.

use std::path::{Path, PathBuf};

use super::case::ClientKind;

/// Minor versions of kubectl, the oldest first.
const KUBECTLS: &[&str] = &["1.20", "1.24", "1.27", "1.30", "1.31", "1.33", "1.35", "1.37"];
/// Minor versions of helm, the oldest first.
const HELMS: &[&str] = &["3.12", "3.17", "4.1"];

/// One version of a client.
#[derive(Clone, Debug)]
pub struct Client {
    /// What it is.
    pub kind: ClientKind,
    /// Minor version; the whole version of a library.
    pub version: String,
    /// The folder that holds it.
    pub folder: PathBuf,
}

impl Client {
    /// Returns every client there could be, whether it is here or not.
    pub fn all() -> Vec<Self> {
        let tools = tools();
        let programs = |kind, name: &str, versions: &[&str]| {
            let folder = tools.join(name);
            let of = |version: &&str| Self { kind, version: (*version).to_owned(), folder: folder.join(version) };
            versions.iter().map(of).collect::<Vec<_>>()
        };
        let mut all = programs(ClientKind::Kubectl, "kubectl", KUBECTLS);
        all.extend(programs(ClientKind::Helm, "helm", HELMS));
        for (kind, folder) in [(ClientKind::Python, "python"), (ClientKind::Node, "node")] {
            let folder = tools.join("matrix").join(folder);
            // The script that installs a library notes which version it got.
            let version = std::fs::read_to_string(folder.join("version")).unwrap_or_default();
            all.push(Self { kind, version: version.trim().to_owned(), folder });
        }
        all
    }

    /// Returns the newest kubectl that is here.
    pub fn newest_kubectl() -> Option<Self> {
        Self::all().into_iter().rfind(|client| client.kind == ClientKind::Kubectl && client.is_here())
    }

    /// Tells whether it can be run.
    pub fn is_here(&self) -> bool {
        match self.kind {
            ClientKind::Kubectl => self.folder.join("kubectl").exists(),
            ClientKind::Helm => self.folder.join("helm").exists(),
            ClientKind::Python | ClientKind::Node => self.folder.join("version").exists(),
        }
    }

    /// Returns the name for people.
    pub fn label(&self) -> String {
        let version = &self.version;
        match self.kind {
            ClientKind::Kubectl => format!("kubectl {version}"),
            ClientKind::Helm => format!("helm {version}"),
            ClientKind::Python => format!("Python kubernetes {version}"),
            ClientKind::Node => format!("Node @kubernetes/client-node {version}"),
        }
    }

    /// Returns the minor version of a kubectl.
    pub(super) fn kubectl_minor(&self) -> Option<u32> {
        let minor = self.version.strip_prefix("1.").filter(|_| self.kind == ClientKind::Kubectl)?;
        minor.parse().ok()
    }

    /// Returns a short name that fits into those of Kubernetes objects.
    pub(super) fn slug(&self) -> String {
        let letter = match self.kind {
            ClientKind::Kubectl => 'k',
            ClientKind::Helm => 'h',
            ClientKind::Python => 'p',
            ClientKind::Node => 'n',
        };
        let digits = self.version.chars().filter(char::is_ascii_alphanumeric);
        std::iter::once(letter).chain(digits).collect()
    }
}

fn tools() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.expect("the crate lies two folders below the root").join(".tools")
}
