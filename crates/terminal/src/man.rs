//! Man pages as the generator leaves them, made readable: the examples get their own heading and keep their lines.

use std::{fs, io, path::Path};

const BEFORE: &str = ".SH EXTRA\nExamples:\n";

/// Gives every page of a program in a folder its examples section.
///
/// # Errors
/// Any error of the file system.
pub fn finish(folder: &Path, program: &str) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with(program) && name.ends_with(".1")) {
            fs::write(entry.path(), with_examples(&fs::read_to_string(entry.path())?))?;
        }
    }
    Ok(())
}

fn with_examples(page: &str) -> String {
    let Some((head, tail)) = page.split_once(BEFORE) else { return page.to_owned() };
    let (examples, rest) = match tail.find(".SH ") {
        Some(at) => tail.split_at(at),
        None => (tail, ""),
    };
    // `.nf`: lines are not filled, so that they stay one command each.
    format!("{head}.SH EXAMPLES\n.nf\n{examples}.fi\n{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_keep_their_lines() {
        let page = ".SH NAME\nx\n.SH EXTRA\nExamples:\n  a   does a\n  b\n.SH VERSION\nv1\n";
        let want = ".SH NAME\nx\n.SH EXAMPLES\n.nf\n  a   does a\n  b\n.fi\n.SH VERSION\nv1\n";
        assert_eq!(with_examples(page), want);
        assert_eq!(with_examples(".SH NAME\n"), ".SH NAME\n");
    }
}
