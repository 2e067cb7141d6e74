//! Where the programs under test and their real peers are.

use std::path::{Path, PathBuf};

/// Returns the path of one of the project's own binaries, as cargo built it beside the running test.
///
/// # Panics
/// When it has not been built; `cargo test --workspace` builds all of them.
pub fn ours(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test knows its own path");
    let folder = test.ancestors().find(|folder| folder.ends_with("debug") || folder.ends_with("release"));
    let path = folder.expect("tests run from a cargo profile folder").join(name);
    assert!(path.exists(), "{} is missing; build it with: cargo build --workspace --bins", path.display());
    path
}

/// Returns a kubectl of one minor version, when `scripts/install-test-tools` could get it.
pub fn kubectl(version: &str) -> Option<PathBuf> {
    let path = root().join(".tools/kubectl").join(version).join("kubectl");
    path.exists().then_some(path)
}

/// Returns every kubectl there is, the oldest first, with its version.
pub fn kubectls() -> Vec<(&'static str, PathBuf)> {
    ["1.27", "1.30", "1.31", "1.33", "1.37"].into_iter().filter_map(|v| kubectl(v).map(|path| (v, path))).collect()
}

/// Returns the folder of a real kube-apiserver and etcd, found the envtest way.
pub fn kubernetes() -> Option<PathBuf> {
    let folder =
        std::env::var_os("KUBEBUILDER_ASSETS").map_or_else(|| "/usr/local/kubebuilder/bin".into(), PathBuf::from);
    ["kube-apiserver", "etcd"].iter().all(|name| folder.join(name).exists()).then_some(folder)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate lies two folders below the root")
}
