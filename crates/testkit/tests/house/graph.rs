//! The import rules over cargo's own view of the workspace; `main.rs` runs them.

use std::{collections::BTreeSet, path::Path, process::Command};

use serde_json::Value;

/// Our packages and what each depends on.
#[derive(Debug)]
pub(crate) struct Graph {
    pub(crate) packages: Vec<Package>,
}

#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
}

#[derive(Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Needed to run or to build.
    Normal,
    /// Needed by tests only.
    Dev,
}

/// Which of our crates a crate may import. A crate without a row may not exist.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("teleport-runtime", &[]),
    ("teleport-terminal", &[]),
    ("teleport-types", &[]),
    ("teleport-pki", &["types", "runtime"]),
    ("teleport-audit", &["types", "runtime"]),
    ("teleport-net", &["types", "pki", "runtime"]),
    ("teleport-api", &["types", "audit", "net", "runtime"]),
    ("teleport-backend", &["runtime"]),
    ("teleport-auth", &["types", "pki", "audit", "net", "api", "backend", "runtime"]),
    ("teleport-proxy", &["types", "pki", "audit", "net", "api", "runtime"]),
    ("teleport-kube", &["types", "pki", "audit", "net", "api", "runtime"]),
    ("teleport-ssh", &["types", "pki", "audit", "net", "api", "runtime"]),
    (
        "teleport",
        &["types", "pki", "audit", "net", "api", "backend", "auth", "proxy", "kube", "ssh", "runtime", "terminal"],
    ),
    ("tsh", &["types", "pki", "audit", "net", "api", "runtime", "terminal"]),
];

/// The crate of fakes and whole clusters: it may import everything, and only tests may import it.
const TESTKIT: &str = "teleport-testkit";

/// The benchmark: it may import everything, and nothing may import it.
const BENCH: &str = "teleport-bench";

/// Libraries that few crates may use, with the reason.
const KEPT_FOR: &[(&str, &[&str], &str)] = &[
    ("argon2", &["teleport-auth"], "passwords are known to auth alone"),
    ("rusqlite", &["teleport-backend"], "state is reached through the Backend trait alone"),
    ("clap", BINARIES, "flags belong to programs; libraries take structs"),
    ("clap_complete", BINARIES, "flags belong to programs; libraries take structs"),
    ("anyhow", BINARIES, "libraries say by whose fault: one error enum per crate"),
    ("comfy-table", &["teleport-terminal"], "tables look the same in both programs"),
    ("rpassword", BINARIES, "only programs ask a person"),
    ("tracing-subscriber", BINARIES, "a library that configures logging takes it from the program"),
    (
        "tempfile",
        &[TESTKIT, BENCH],
        "files that must survive are written by runtime::atomic_file; temporary ones are for tests",
    ),
];

const BINARIES: &[&str] = &["teleport", "tsh", TESTKIT, BENCH];

/// Crates that must not be built into anything of ours, with the reason.
const BANNED: &[(&str, &str)] = &[
    ("ring", "a second rustls provider makes rustls panic at first use; aws-lc-rs is ours"),
    ("openssl", "a second TLS stack"),
    ("openssl-sys", "a second TLS stack"),
    ("native-tls", "a second TLS stack"),
    ("libz-sys", "flate2 takes a C zlib silently where it sees one; zlib-rs is ours"),
    ("serde_yaml", "unmaintained, and writes YAML that kubectl reads otherwise; use serde-saphyr"),
    ("serde_yml", "unsound and archived; use serde-saphyr"),
];

impl Graph {
    /// Reads the manifests of the workspace.
    pub(crate) fn of_manifests(root: &Path) -> Self {
        let text = cargo(root, &["metadata", "--format-version", "1", "--no-deps", "--offline"]);
        let metadata: Value = serde_json::from_str(&text).expect("cargo metadata prints JSON");
        let packages = metadata.get("packages").and_then(Value::as_array).expect("cargo metadata lists packages");
        Self { packages: packages.iter().map(Package::from_metadata).collect() }
    }
}

impl Package {
    fn from_metadata(package: &Value) -> Self {
        let dependencies = package["dependencies"].as_array().expect("a package lists its dependencies");
        Self {
            name: string(&package["name"]),
            dependencies: dependencies.iter().map(Dependency::from_metadata).collect(),
        }
    }
}

impl Dependency {
    fn from_metadata(dependency: &Value) -> Self {
        let kind = if dependency["kind"] == "dev" { Kind::Dev } else { Kind::Normal };
        Self { name: string(&dependency["name"]), kind }
    }
}

/// Names every dependency that the tables above do not allow.
pub(crate) fn import_violations(graph: &Graph) -> Vec<String> {
    let mut violations = Vec::new();
    for package in &graph.packages {
        if package.name == TESTKIT || package.name == BENCH {
            continue;
        }
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == package.name) else {
            violations.push(format!(
                "{} has no row in MAY_IMPORT: a crate needs one reason to change and a place in the graph (ARCHITECTURE.md)",
                package.name
            ));
            continue;
        };
        violations.extend(package.dependencies.iter().filter_map(|dependency| refusal(package, allowed, dependency)));
    }
    violations
}

fn refusal(package: &Package, allowed: &[&str], dependency: &Dependency) -> Option<String> {
    let (name, by) = (&package.name, &dependency.name);
    if is_ours(by) {
        let short = by.strip_prefix("teleport-").unwrap_or(by);
        // A crate names itself to turn on a feature for its own tests.
        let for_tests = dependency.kind == Kind::Dev && (by == TESTKIT || by == name);
        return (!for_tests && !allowed.contains(&short)).then(|| {
            format!("{name} may not import {by}: it may import {allowed:?}; services meet only through api (ARCHITECTURE.md)")
        });
    }
    if dependency.kind == Kind::Dev {
        return None;
    }
    let (_, users, reason) = KEPT_FOR.iter().find(|(library, _, _)| library == by)?;
    (!users.contains(&name.as_str())).then(|| format!("{name} may not use {by}, only {users:?} may: {reason}"))
}

fn is_ours(name: &str) -> bool {
    name == TESTKIT || name == BENCH || MAY_IMPORT.iter().any(|(ours, _)| *ours == name)
}

/// Returns the names of all crates that are built for Linux, with the features that are really on.
pub(crate) fn built_crates(root: &Path) -> BTreeSet<String> {
    let target = "x86_64-unknown-linux-gnu";
    let arguments = ["tree", "--workspace", "--offline", "--target", target, "--prefix", "none", "--format", "{p}"];
    let text = cargo(root, &arguments);
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// Names every banned crate among the built ones.
pub(crate) fn ban_violations(built: &BTreeSet<String>) -> Vec<String> {
    let banned = BANNED.iter().filter(|(name, _)| built.contains(*name));
    banned
        .map(|(name, reason)| format!("{name} is built: {reason} (cargo tree -i {name} shows who asks for it)"))
        .collect()
}

fn cargo(root: &Path, arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(arguments).current_dir(root).output().expect("cargo runs");
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

fn string(value: &Value) -> String {
    value.as_str().expect("a name is a string").to_owned()
}
