//! What `tctl` prints: tables that fit, documents, the status page.

use std::io::IsTerminal as _;

use anyhow::Result;
use comfy_table::{ContentArrangement, presets};
use serde::Serialize;
use serde_json::Value;
use teleport_api::Client;

use crate::cli::Format;

/// A table in the width of the terminal; without a terminal lines are never folded.
pub(super) struct Table(comfy_table::Table);

impl Table {
    pub(super) fn new(header: &[&str]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING);
        if std::io::stdout().is_terminal() {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        }
        table.set_header(header);
        table.add_row(header.iter().map(|title| "-".repeat(title.chars().count())));
        Self(table)
    }

    pub(super) fn row(&mut self, cells: &[&str]) {
        self.0.add_row(cells.iter().map(|cell| printable(cell)));
    }

    pub(super) fn print(&self) {
        for line in self.0.lines() {
            println!("{}", line.trim_end());
        }
    }
}

/// Returns the text with everything a terminal could obey written out.
pub(super) fn printable(text: &str) -> String {
    let invisible = |c: char| {
        c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.chars().any(invisible) {
        return text.to_owned();
    }
    text.chars().map(|c| if invisible(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}

/// Prints documents: YAML parted by `---`, a JSON list, or names.
pub(super) fn print_documents(documents: &[Value], format: Format) -> Result<()> {
    match format {
        Format::Json => println!("{}", serde_json::to_string_pretty(documents)?),
        Format::Yaml => {
            for (number, document) in documents.iter().enumerate() {
                if number > 0 {
                    println!("---");
                }
                print!("{}", serde_saphyr::to_string(document)?);
            }
        }
        Format::Text => {
            let mut table = Table::new(&["Kind", "Name", "Labels"]);
            for document in documents {
                let text = |path: &str| document.pointer(path).and_then(Value::as_str).unwrap_or_default();
                let labels = document.pointer("/metadata/labels").and_then(Value::as_object);
                let labels: Vec<_> = labels
                    .into_iter()
                    .flatten()
                    .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
                    .collect();
                table.row(&[text("/kind"), text("/metadata/name"), &labels.join(",")]);
            }
            table.print();
        }
    }
    Ok(())
}

/// Prints one value as JSON or YAML.
pub(super) fn print_value(value: &impl Serialize, format: Format) -> Result<()> {
    if format == Format::Yaml {
        print!("{}", serde_saphyr::to_string(value)?);
    } else {
        println!("{}", serde_json::to_string_pretty(value)?);
    }
    Ok(())
}

pub(super) async fn status(client: &Client, format: Format) -> Result<()> {
    let status = client.status().await?;
    if format != Format::Text {
        return print_value(&status, format);
    }
    println!("Cluster              {}", status.cluster_name);
    println!("Version              {}", status.version);
    println!("Users                {}", status.users);
    println!("Roles                {}", status.roles);
    let names: Vec<_> = status.kube_clusters.iter().map(|name| printable(name.as_str())).collect();
    println!("Kubernetes clusters  {}", if names.is_empty() { "none".to_owned() } else { names.join(", ") });
    for pin in &status.ca_pins {
        println!("CA pin               {pin}");
    }
    println!();
    let mut table = Table::new(&["Authority", "Algorithm", "Valid until"]);
    for row in &status.authorities {
        table.row(&[&row.kind, &row.algorithm, &row.expires.to_string()]);
    }
    table.print();
    Ok(())
}
