//! Which files make up the kubeconfig, as kubectl finds them: `KUBECONFIG`, else `~/.kube/config`.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

/// The files that kubectl merges, in its order; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeconfigPaths {
    first: PathBuf,
    all: Vec<PathBuf>,
}

impl KubeconfigPaths {
    /// Reads the value of `KUBECONFIG` (paths joined by `:`, empty ones and repetitions skipped); when it names no file,
    /// takes the default below the home folder.
    pub fn from_env(kubeconfig: Option<&OsStr>, home: &Path) -> Self {
        let mut all: Vec<PathBuf> = Vec::new();
        for path in kubeconfig.iter().flat_map(std::env::split_paths) {
            if !path.as_os_str().is_empty() && !all.contains(&path) {
                all.push(path);
            }
        }
        let first = all.first().cloned().unwrap_or_else(|| home.join(".kube/config"));
        if all.is_empty() {
            all.push(first.clone());
        }
        Self { first, all }
    }

    /// Returns the file that new entries go to.
    pub(super) fn first(&self) -> &Path {
        &self.first
    }

    /// Returns all files, the first included.
    pub fn all(&self) -> &[PathBuf] {
        &self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_read_as_kubectl_reads_it() {
        let home = Path::new("/home/alice");
        for (value, want) in [
            (None, vec!["/home/alice/.kube/config"]),
            (Some(""), vec!["/home/alice/.kube/config"]),
            (Some(":"), vec!["/home/alice/.kube/config"]),
            (Some("/a"), vec!["/a"]),
            (Some(":/a::/b:/a"), vec!["/a", "/b"]),
        ] {
            let paths = KubeconfigPaths::from_env(value.map(OsStr::new), home);
            let want: Vec<PathBuf> = want.into_iter().map(PathBuf::from).collect();
            assert_eq!(paths.all(), want, "{value:?}");
            assert_eq!(paths.first(), want[0]);
        }
    }
}
