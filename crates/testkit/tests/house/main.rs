//! The rules of the house: which crate may import which, what must not enter the graph, how every source file looks.
//!
//! `graph` reads the manifests through cargo, `sources` and `documents` read the files. Each rule says why it exists when it is broken,
//! and has a test here that it does notice.

mod documents;
mod graph;
mod sources;

use std::path::{Path, PathBuf};

use graph::{Dependency, Graph, Kind, Package};
use sources::Source;

#[test]
fn the_crates_import_only_what_the_design_allows() {
    let graph = Graph::of_manifests(&root());
    assert!(graph.packages.len() >= 10, "cargo metadata shows too few packages: {:?}", graph.packages);
    assert_no_violations(&graph::import_violations(&graph));
}

#[test]
fn nothing_banned_is_built_for_linux() {
    let built = graph::built_crates(&root());
    assert!(built.contains("tokio"), "cargo tree shows no tokio, so it shows nothing: {built:?}");
    assert_no_violations(&graph::ban_violations(&built));
}

#[test]
fn every_source_file_follows_the_house_style() {
    let sources = sources::all(&root());
    assert!(sources.len() > 30, "found only {} source files", sources.len());
    assert_no_violations(&sources.iter().flat_map(sources::violations).collect::<Vec<_>>());
}

#[test]
fn every_crate_inherits_the_lints_of_the_workspace() {
    let missing: Vec<String> = sources::manifests(&root())
        .into_iter()
        .filter(|(_, text)| !text.contains("[lints]\nworkspace = true"))
        .map(|(path, _)| {
            format!("{path}: without `[lints] workspace = true` the ban on unsafe code does not reach this crate")
        })
        .collect();
    assert_no_violations(&missing);
}

#[test]
fn documents_name_only_files_that_exist() {
    assert_no_violations(&documents::dead_paths(&root()));
}

#[test]
fn a_path_in_a_document_is_noticed() {
    let text = "See `crates/kube/src/handler.rs` and `kubectl get`, not `crates/*/src`.";
    assert_eq!(documents::quoted_paths(text).collect::<Vec<_>>(), ["crates/kube/src/handler.rs"]);
}

#[test]
fn a_sibling_import_is_noticed() {
    let graph = doctored(&[("teleport-kube", "teleport-auth", Kind::Normal)]);
    assert_one(&graph::import_violations(&graph), "teleport-kube may not import teleport-auth");
}

#[test]
fn an_import_for_tests_only_is_noticed_too() {
    let graph = doctored(&[("teleport-proxy", "teleport-kube", Kind::Dev)]);
    assert_one(&graph::import_violations(&graph), "teleport-proxy may not import teleport-kube");
}

#[test]
fn the_testkit_may_be_used_by_tests_and_by_nothing_else() {
    let graph = doctored(&[("teleport-kube", "teleport-testkit", Kind::Dev)]);
    assert_no_violations(&graph::import_violations(&graph));
    let graph = doctored(&[("teleport-kube", "teleport-testkit", Kind::Normal)]);
    assert_one(&graph::import_violations(&graph), "teleport-kube may not import teleport-testkit");
}

#[test]
fn a_library_kept_for_one_crate_is_noticed_elsewhere() {
    for (package, library) in [("teleport-proxy", "argon2"), ("teleport-auth", "rusqlite"), ("teleport-kube", "clap")] {
        let graph = doctored(&[(package, library, Kind::Normal)]);
        assert_one(&graph::import_violations(&graph), &format!("{package} may not use {library}"));
    }
}

#[test]
fn a_crate_without_a_place_in_the_table_is_noticed() {
    let graph = doctored(&[("teleport-misc", "tokio", Kind::Normal)]);
    assert_one(&graph::import_violations(&graph), "teleport-misc has no row");
}

#[test]
fn a_second_crypto_provider_is_noticed() {
    let built = ["tokio", "ring"].map(str::to_owned).into();
    assert_one(&graph::ban_violations(&built), "ring");
}

#[test]
fn a_socket_outside_net_is_noticed_however_it_is_imported() {
    for text in [
        "use tokio::net::TcpStream;",
        "use tokio::{io::AsyncRead, net::TcpStream};",
        "fn dial() { std::net::TcpStream::connect(to) }",
        "use std::{\n    io,\n    os::unix::net::UnixStream,\n};",
    ] {
        assert_one(&violations_in("crates/kube/src/dial.rs", text), "only crates/net touches sockets");
        assert_no_violations(&violations_in("crates/net/src/dial.rs", text));
    }
}

#[test]
fn a_task_without_an_owner_is_noticed_in_the_product_but_not_in_its_tests() {
    let product = "fn run() { tokio::spawn(work()); }";
    assert_one(&violations_in("crates/kube/src/run.rs", product), "every task has an owner");
    let test = "#[cfg(test)]\nmod tests { fn run() { tokio::spawn(work()); } }";
    assert_no_violations(&violations_in("crates/kube/src/run.rs", test));
    assert_no_violations(&violations_in("crates/kube/tests/run.rs", product));
}

#[test]
fn signing_outside_auth_is_noticed() {
    let text = "fn issue(signer: &dyn CaSigner) {}";
    assert_one(&violations_in("crates/proxy/src/cert.rs", text), "only crates/auth signs");
    assert_no_violations(&violations_in("crates/auth/src/issue.rs", text));
}

#[test]
fn a_comment_may_name_what_the_code_may_not_use() {
    assert_no_violations(&violations_in("crates/kube/src/run.rs", "// Not tokio::net: see crates/net.\nfn run() {}"));
}

#[test]
fn a_long_an_unexplained_and_an_unfinished_file_are_noticed() {
    let long = "fn f() {}\n".repeat(500);
    assert_one(&violations_in("crates/kube/src/long.rs", &long), "501 lines");

    let bare = Source { path: "crates/kube/src/bare.rs".to_owned(), text: "fn f() {}\n".to_owned() };
    assert_one(&sources::violations(&bare), "opens without `//!`");

    let marker = ["// TO", "DO: later\n"].concat();
    assert_one(&violations_in("crates/kube/src/unfinished.rs", &marker), "is finished or left out");
}

fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).expect("crates/testkit lies two folders below the root").to_owned()
}

/// A workspace of one package for each edge, each with that one dependency.
fn doctored(edges: &[(&str, &str, Kind)]) -> Graph {
    let packages = edges
        .iter()
        .map(|(name, dependency, kind)| Package {
            name: (*name).to_owned(),
            dependencies: vec![Dependency { name: (*dependency).to_owned(), kind: *kind }],
        })
        .collect();
    Graph { packages }
}

/// What the rules say of a file with this text below a proper heading.
fn violations_in(path: &str, text: &str) -> Vec<String> {
    sources::violations(&Source { path: path.to_owned(), text: format!("//! Heading.\n{text}") })
}

#[track_caller]
fn assert_no_violations(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

#[track_caller]
fn assert_one(violations: &[String], expected: &str) {
    assert!(
        matches!(violations, [only] if only.contains(expected)),
        "expected one violation with '{expected}', got {violations:?}"
    );
}
