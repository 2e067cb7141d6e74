//! Parts that several tests share.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]
#![allow(clippy::indexing_slicing, reason = "a test that cannot go on should say so at once")]

pub mod fake_cluster;
pub mod kube;
pub mod laptop;
pub mod random_kubeconfig;

use std::path::PathBuf;

/// Finds a kubectl on `PATH`.
pub fn kubectl() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("kubectl")).find(|file| file.is_file())
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
