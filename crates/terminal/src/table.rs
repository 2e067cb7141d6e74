//! Tables for people: a heading, a rule, rows; as wide as the terminal, unlimited elsewhere.

use std::collections::BTreeMap;

use comfy_table::{ColumnConstraint, ContentArrangement, ContentLineStyle, LineStyle, Table, TableStyle};

use crate::escape;

/// Lays rows out below a heading. Cells are escaped here.
pub fn render<const N: usize>(heading: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    text_of(fill(heading, rows))
}

/// The same; where the terminal is too narrow only the last column, which holds the most, is wrapped.
pub fn render_wrapping_last<const N: usize>(heading: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = fill(heading, rows);
    let widths = table.column_max_content_widths();
    let fixed: u16 = widths.iter().take(N.saturating_sub(1)).map(|width| width + 1).sum();
    if table.width().is_none_or(|width| fixed + LEAST < width) {
        for column in table.column_iter_mut().take(N.saturating_sub(1)) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    text_of(table)
}

/// What the last column must have, in characters, for the others to stay whole.
const LEAST: u16 = 16;

/// Returns how many columns the terminal has; `None` when stdout is none.
pub fn width() -> Option<u16> {
    Table::new().width()
}

fn fill<const N: usize>(heading: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> Table {
    let mut table = Table::new();
    let gap = ContentLineStyle::none().junction(' ');
    let rule = LineStyle::none().fill('-').junction(' ');
    table.load_style(TableStyle::new().header_lines(gap).header_separator(rule).content_lines(gap));
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(heading);
    for row in rows {
        table.add_row(row.iter().map(|cell| escape(cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 0));
    }
    table
}

fn text_of(table: Table) -> String {
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    format!("{}\n", lines.join("\n"))
}

/// Joins labels as `env=prod,team=a`.
pub fn labels(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_aligned_and_escaped() {
        let rows = [["main".to_owned(), "online".to_owned()], ["a\u{1b}[31m".to_owned(), String::new()]];
        let want = "Cluster Name Status\n------------ ------\nmain         online\na\\u{1b}[31m\n";
        assert_eq!(render(["Cluster Name", "Status"], rows), want);
    }
}
