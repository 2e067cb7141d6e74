//! Changes the text of a kubeconfig so that comments, order, quoting and layout of everything else stay.
//!
//! It works on lines and knows only the layout that people and kubectl write: block style at the top. It may guess wrong,
//! so the caller reads the result again and compares; what does not say exactly what it should is never written.

use std::ops::Range;

use serde_json::Value;

use super::document::{SECTIONS, to_yaml};

/// Returns `text` changed from saying `before` to saying `now`, or `None` where the layout is not understood.
pub(super) fn splice(text: &str, before: &Value, now: &Value) -> Option<String> {
    let now = now.as_object()?;
    let nothing = serde_json::Map::new();
    let before = before.as_object().unwrap_or(&nothing);
    if before.keys().any(|key| !now.contains_key(key)) {
        return None;
    }
    let mut lines = Lines::of(text);
    for (key, value) in now {
        match before.get(key) {
            Some(old) if old == value => {}
            Some(old) if SECTIONS.contains(&key.as_str()) => lines.section(key, old, value)?,
            Some(_) => lines.scalar(key, value)?,
            None => lines.append(key, value),
        }
    }
    Some(lines.into_text())
}

/// Lines without their ends, and the end they share.
struct Lines {
    lines: Vec<String>,
    end: &'static str,
}

impl Lines {
    fn of(text: &str) -> Self {
        let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
        Self { lines: text.lines().map(str::to_owned).collect(), end }
    }

    fn into_text(self) -> String {
        self.lines.into_iter().flat_map(|line| [line, self.end.to_owned()]).collect()
    }

    /// Finds a top-level key: its line, and the line after the last that belongs to its value.
    fn find(&self, key: &str) -> Option<Range<usize>> {
        let start = self.lines.iter().position(|line| key_of(line) == Some(key))?;
        let rest = self.lines.get(start + 1..)?;
        let next = rest.iter().position(|line| is_top_level(line)).map_or(self.lines.len(), |n| start + 1 + n);
        Some(start..self.content_end(start..next, 0))
    }

    /// Cuts blank lines and comments not deeper than `indent` off the end of a range: they belong to what follows.
    fn content_end(&self, range: Range<usize>, indent: usize) -> usize {
        let is_trailing = |line: &&String| {
            let body = line.trim_start();
            body.is_empty() || (body.starts_with('#') && line.len() - body.len() <= indent)
        };
        let trailing = self.lines.get(range.clone()).unwrap_or_default().iter().rev().take_while(is_trailing).count();
        range.end - trailing
    }

    fn append(&mut self, key: &str, value: &Value) {
        let mut entry = serde_json::Map::new();
        entry.insert(key.to_owned(), value.clone());
        self.lines.extend(to_yaml(&Value::Object(entry)).lines().map(str::to_owned));
    }

    /// Replaces the value of a key whose value stands on the key's line, quoted as it was.
    fn scalar(&mut self, key: &str, value: &Value) -> Option<()> {
        let range = self.find(key)?;
        let line = self.lines.get_mut(range.start)?;
        let at = value_span(line)?;
        let rendered = match (line.get(at.clone())?.trim_start().chars().next(), value) {
            (Some('"'), Value::String(_)) => value.to_string(),
            (Some('\''), Value::String(text)) => format!("'{}'", text.replace('\'', "''")),
            _ => to_yaml(value).trim_end().to_owned(),
        };
        line.replace_range(at, &format!(" {rendered}"));
        Some(())
    }

    /// Makes a list say `new`: entries that are gone or changed are cut or replaced where they stand, new ones follow.
    fn section(&mut self, key: &str, old: &Value, new: &Value) -> Option<()> {
        let none = Vec::new();
        let (old, new) = (old.as_array().unwrap_or(&none), new.as_array()?);
        let range = self.find(key)?;
        let value_at = value_span(self.lines.get(range.start)?)?;
        let items = if old.is_empty() { Vec::new() } else { self.items(range.clone())? };
        if items.len() != old.len() {
            return None;
        }
        let indent = items.first().map_or(0, |first| self.indent(first.start));
        let kept = steps(old, new)?;
        let mut at = items.last().map_or(range.start + 1, |last| last.end);
        for item in new.get(kept.iter().flatten().count()..)?.iter() {
            at = self.insert(at, indent, item);
        }
        for (item, (old, new)) in items.iter().zip(old.iter().zip(&kept)).rev() {
            match new {
                Some(new) if new == &old => {}
                Some(new) => {
                    self.lines.drain(item.clone());
                    self.insert(item.start, indent, new);
                }
                None => drop(self.lines.drain(item.clone())),
            }
        }
        let line = self.lines.get_mut(range.start)?;
        match (old.is_empty(), new.is_empty()) {
            (true, false) => line.replace_range(value_at, ""),
            (false, true) => line.insert_str(value_at.start, " []"),
            _ => {}
        }
        Some(())
    }

    /// Returns the lines of each entry of a block list.
    fn items(&self, section: Range<usize>) -> Option<Vec<Range<usize>>> {
        let body = section.start + 1..section.end;
        let first = body.clone().find(|at| self.lines.get(*at).is_some_and(|line| is_dash(line)))?;
        let indent = self.indent(first);
        let starts: Vec<usize> = body
            .filter(|at| self.lines.get(*at).is_some_and(|line| is_dash(line)) && self.indent(*at) == indent)
            .collect();
        let ends = starts.iter().skip(1).copied().chain([section.end]);
        Some(starts.iter().zip(ends).map(|(start, end)| *start..self.content_end(*start..end, indent)).collect())
    }

    fn insert(&mut self, at: usize, indent: usize, item: &Value) -> usize {
        let rendered = to_yaml(&Value::Array(vec![item.clone()]));
        let lines: Vec<String> = rendered.lines().map(|line| format!("{:indent$}{line}", "")).collect();
        let end = at + lines.len();
        self.lines.splice(at..at, lines);
        end
    }

    fn indent(&self, at: usize) -> usize {
        self.lines.get(at).map_or(0, |line| line.len() - line.trim_start().len())
    }
}

/// Pairs each old entry with what it becomes; `None` when it goes. Entries keep their order and new ones come last, or
/// this is not a change made here.
fn steps<'v>(old: &[Value], new: &'v [Value]) -> Option<Vec<Option<&'v Value>>> {
    let mut rest = new.iter().peekable();
    let pairs: Vec<_> = old.iter().map(|old| rest.next_if(|new| new.get("name") == old.get("name"))).collect();
    let survivors = pairs.iter().flatten().count();
    let names_old = |item: &Value| old.iter().any(|old| old.get("name") == item.get("name"));
    (!new.get(survivors..)?.iter().any(names_old)).then_some(pairs)
}

fn is_dash(line: &str) -> bool {
    let body = line.trim_start();
    body == "-" || body.starts_with("- ")
}

/// Tells whether a line starts something at the top level; a list below a key may start there too and does not.
fn is_top_level(line: &str) -> bool {
    !line.is_empty() && !line.starts_with([' ', '\t', '#']) && !is_dash(line)
}

/// Returns the key of a top-level line `key: …`, without quotes.
fn key_of(line: &str) -> Option<&str> {
    let key = line.get(..colon(line)?)?.trim_end();
    Some(key.trim_matches(['"', '\'']))
}

fn colon(line: &str) -> Option<usize> {
    let at = line.find(':')?;
    let after = line.get(at + 1..)?;
    (is_top_level(line) && (after.is_empty() || after.starts_with([' ', '\t']))).then_some(at)
}

/// Returns where the value of a top-level line stands, the space before it included and a comment after it not.
fn value_span(line: &str) -> Option<Range<usize>> {
    let start = colon(line)? + 1;
    let after = line.get(start..)?;
    let value = after.trim_start();
    let lead = after.len() - value.len();
    let length = match value.chars().next() {
        None | Some('#') => return Some(start..start),
        Some(quote @ ('"' | '\'')) => value.get(1..)?.find(quote)? + 2,
        Some(_) => value.find(" #").unwrap_or(value.len()),
    };
    let value = value.get(..length)?.trim_end();
    Some(start..start + lead + value.len())
}
