//! What a run leaves behind: tables in the terminal, the page with its plots, and the figures as JSON.

pub(crate) mod page;
mod plots;
mod svg;
pub(crate) mod table;

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::{gates, results::Results};

/// Writes `performance.md`, and `performance/` with the plots and `results.json`.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn write(results: &Results, out: &Path) -> Result<()> {
    let folder = out.join("performance");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let plots = plots::all(results);
    for plot in &plots {
        fs::write(folder.join(plot.file), &plot.svg)?;
    }
    let document = json!({"results": results, "budgets": gates::budgets(results)});
    fs::write(folder.join("results.json"), format!("{document:#}\n"))?;
    fs::write(out.join("performance.md"), page::render(results, &plots))?;
    Ok(())
}

/// Writes a figure with as many digits as mean something.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => thousands(value.round()),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) && !text.ends_with('-') {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_have_as_many_digits_as_mean_something() {
        for (value, text) in [(0.0, "0.00"), (7.126, "7.13"), (24.06, "24.1"), (512.4, "512"), (1234567.0, "1 234 567")]
        {
            assert_eq!(super::number(value), text);
        }
    }
}
