//! The documents at the root and under `docs/` name only files that exist; `main.rs` runs it.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Names every link and every path in backticks that leads nowhere.
pub(crate) fn dead_paths(root: &Path) -> Vec<String> {
    let mut documents = Vec::new();
    for folder in ["", "docs", "docs/guides", "docs/rfd"] {
        let entries = fs::read_dir(root.join(folder)).expect("the folder of documents is readable");
        documents.extend(entries.map(|entry| entry.expect("a folder entry is readable").path()));
    }
    documents.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    assert!(documents.len() > 8, "found only {documents:?}");
    documents.iter().flat_map(|path| dead_paths_of(root, path)).collect()
}

fn dead_paths_of(root: &Path, document: &Path) -> Vec<String> {
    let text = fs::read_to_string(document).expect("a document is readable");
    let folder = document.parent().expect("a document lies in a folder");
    let linked = links(&text).map(|link| folder.join(link));
    let quoted = quoted_paths(&text).map(|path| root.join(path));
    let dead = linked.chain(quoted).filter(|path: &PathBuf| !path.exists());
    dead.map(|path| format!("{}: names {}, which does not exist", document.display(), path.display())).collect()
}

/// Returns the targets of links to files of ours, without the anchor.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let paths = targets.filter_map(|target| target.split('#').next());
    paths.filter(|path| !path.is_empty() && !path.contains("://"))
}

/// Returns what stands in backticks and begins like a path of the repository.
pub(crate) fn quoted_paths(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|quote| {
        ["crates/", "docs/", "scripts/"].iter().any(|start| quote.starts_with(start))
            && !quote.contains(['*', ' ', '\n', '{', 'N'])
    })
}
