//! Tests whose part cannot be had say so: a line on stderr, and one in the list that `make test` prints.

use std::io::Write as _;

/// Reports that a test did not run, and why.
pub fn skip(name: &str, reason: &str) {
    let line = format!("SKIPPED: {name}: {reason}\n");
    eprint!("{line}");
    if let Some(list) = std::env::var_os("TELEPORT_TEST_SKIPS") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(list);
        if let Err(error) = file.and_then(|mut file| file.write_all(line.as_bytes())) {
            eprintln!("the skip of {name} could not be noted: {error}");
        }
    }
}
