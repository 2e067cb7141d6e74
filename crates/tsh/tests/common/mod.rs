//! Parts that several tests share.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]
#![allow(clippy::indexing_slicing, reason = "a test that cannot go on should say so at once")]

pub mod fake_cluster;
pub mod kube;
pub mod laptop;
pub mod random_kubeconfig;

use std::path::PathBuf;

/// Finds every kubectl: on `PATH`, and those that `scripts/install-test-tools` got.
pub fn kubectls() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("kubectl")).find(|file| file.is_file());
    let tools = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.tools/kubectl"));
    let tools = tools.into_iter().flatten().map(|version| version.expect("entry").path().join("kubectl"));
    on_path.into_iter().chain(tools.filter(|file| file.is_file())).collect()
}

/// Compares with a golden file below `tests/`; `BLESS=1` writes it instead.
pub fn assert_golden(file: &str, actual: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(file);
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().expect("parent")).expect("mkdir");
        std::fs::write(&path, actual).expect("write");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(actual, golden, "differs from {file}; if that is meant, run again with BLESS=1");
}
