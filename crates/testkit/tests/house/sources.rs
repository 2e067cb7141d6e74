//! The rules that a look at the text of a source file can hold; `main.rs` runs them.

use std::{fs, path::Path};

/// A Rust file: its path from the root of the repository, and its text.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

const MAX_LINES: usize = 500;

/// What marks work that was left for later.
const UNFINISHED: &[&str] = &["TODO", "FIXME", "XXX"];

/// Reads every Rust file of our crates, tests included.
pub(crate) fn all(root: &Path) -> Vec<Source> {
    let mut sources = Vec::new();
    collect(&root.join("crates"), &mut |path| {
        if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(Source { path: relative(root, path), text: read(path) });
        }
    });
    sources
}

/// Reads the manifest of every crate, as path and text.
pub(crate) fn manifests(root: &Path) -> Vec<(String, String)> {
    let mut manifests = Vec::new();
    collect(&root.join("crates"), &mut |path| {
        if path.file_name().is_some_and(|name| name == "Cargo.toml") {
            manifests.push((relative(root, path), read(path)));
        }
    });
    manifests
}

/// Names every rule that the file breaks.
pub(crate) fn violations(source: &Source) -> Vec<String> {
    let mut violations = Vec::new();
    let mut refuse = |why: &str| violations.push(format!("{}: {why}", source.path));

    let lines = source.text.lines().count();
    if lines > MAX_LINES {
        refuse(&format!("{lines} lines; a file holds one noun or one step, {MAX_LINES} lines at most"));
    }
    if !source.text.starts_with("//!") {
        refuse("opens without `//!`: say what it is for and who calls it");
    }
    // This file has to name the words it looks for.
    if !source.path.ends_with("house/sources.rs") {
        for word in UNFINISHED.iter().filter(|word| source.text.contains(**word)) {
            refuse(&format!("{word}: work is finished or left out, never marked for later"));
        }
    }

    let code = product_code(source);
    if !is_in(source, "net") && !is_in(source, "testkit") && names_sockets(&code) {
        refuse("only crates/net touches sockets, so that memory or a simulation can take their place");
    }
    if !is_in(source, "runtime") && !is_in(source, "testkit") && code.contains("tokio::spawn(") {
        refuse("every task has an owner that stops and awaits it: use runtime::TaskGroup");
    }
    if !["pki", "auth", "testkit"].iter().any(|folder| is_in(source, folder)) && code.contains("CaSigner") {
        refuse("only crates/auth signs with the keys of authorities; ask it through api");
    }
    violations
}

fn is_in(source: &Source, folder: &str) -> bool {
    source.path.starts_with(&format!("crates/{folder}/"))
}

/// The code that ships, without comments, white space and the unit tests, which stand last in a file.
fn product_code(source: &Source) -> String {
    if source.path.contains("/tests/") || source.path.ends_with("/tests.rs") {
        return String::new();
    }
    let shipped = source.text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = shipped.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
    lines.flat_map(|line| line.chars().filter(|char| !char.is_whitespace())).collect()
}

/// Tells whether the code imports or names a socket module, alone or in a group of imports.
fn names_sockets(code: &str) -> bool {
    const SOCKETS: &[&str] = &["tokio::net::", "std::net::TcpStream", "std::net::TcpListener", "std::net::UdpSocket"];
    const GROUPED: &[(&str, &[&str])] = &[
        ("tokio::{", &["net::"]),
        ("std::net::{", &["TcpStream", "TcpListener", "UdpSocket"]),
        ("std::{", &["os::unix::net::", "net::TcpStream", "net::TcpListener", "net::UdpSocket"]),
    ];
    SOCKETS.iter().any(|socket| code.contains(socket))
        || code.contains("os::unix::net::")
        || GROUPED.iter().any(|(opening, members)| {
            code.split(opening).skip(1).any(|rest| {
                let group = rest.split(';').next().unwrap_or_default();
                members.iter().any(|member| group.starts_with(member) || group.contains(&format!(",{member}")))
            })
        })
}

fn collect(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    let entries = fs::read_dir(folder).expect("a folder of crates is readable");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a folder entry is readable").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, visit);
        } else {
            visit(&path);
        }
    }
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("a source file is UTF-8")
}
