//! The tables of a run, in plain columns for a terminal.

use std::fmt::Write as _;

use super::number;
use crate::{
    gates::{self, Verdict},
    results::{Results, Section},
};

/// Renders all sections and the budgets.
pub(crate) fn render(results: &Results) -> String {
    let mut text = String::new();
    for section in &results.sections {
        let _ = write!(text, "\n{} ({})\n{}", section.title, section.note, aligned(&cells(section)));
    }
    let mut budgets = vec![["budget", "here", "gate", "aim", ""].map(str::to_owned).to_vec()];
    for budget in gates::budgets(results).iter().filter(|budget| budget.verdict() != Verdict::Unknown) {
        let amount =
            |value: Option<f64>| value.map_or("?".to_owned(), |value| format!("{} {}", number(value), budget.unit));
        let verdict = budget.verdict().text().trim_matches('*').to_owned();
        budgets.push(vec![
            budget.what.to_owned(),
            amount(budget.value),
            amount(budget.gate),
            amount(budget.aim),
            verdict,
        ]);
    }
    let _ = write!(text, "\nBudgets\n{}", aligned(&budgets));
    text
}

/// Returns the header and the rows of a section; a figure that a row lacks is empty.
pub(super) fn cells(section: &Section) -> Vec<Vec<String>> {
    let mut names: Vec<(&str, &str)> = Vec::new();
    for figure in section.rows.iter().flat_map(|row| &row.figures) {
        if !names.iter().any(|(name, _)| *name == figure.name) {
            names.push((figure.name, figure.unit));
        }
    }
    // The price first, where the direct way has none and so began with another.
    names.sort_by_key(|(name, _)| !name.starts_with("CPU per"));
    let title =
        |(name, unit): &(&str, &str)| if unit.is_empty() { (*name).to_owned() } else { format!("{name}, {unit}") };
    let mut lines = vec![["case", "peer"].map(str::to_owned).into_iter().chain(names.iter().map(title)).collect()];
    for row in &section.rows {
        let figures = names.iter().map(|(name, _)| row.value(name).map(number).unwrap_or_default());
        lines.push([row.case.clone(), row.peer.clone()].into_iter().chain(figures).collect());
    }
    lines
}

fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell: &String| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for line in lines {
        let cells = line.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if column < 2 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        let _ = writeln!(text, "  {}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    text
}
