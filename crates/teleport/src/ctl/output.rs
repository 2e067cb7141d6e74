//! What `tctl` prints: tables that fit, documents, the status page.

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;
use teleport_api::Client;
use teleport_terminal::{escape, table};

use crate::{
    cli::Format,
    output::{line, print},
};

/// Prints documents: YAML parted by `---`, a JSON list, or names.
pub(super) fn print_documents(documents: &[Value], format: Format) -> Result<()> {
    match format {
        Format::Json => line(&serde_json::to_string_pretty(documents)?),
        Format::Yaml => {
            let texts = documents.iter().map(serde_saphyr::to_string).collect::<Result<Vec<_>, _>>()?;
            print(&texts.join("---\n"))
        }
        Format::Text => print(&table::render(["Kind", "Name", "Labels"], documents.iter().map(document_row))),
    }
}

fn document_row(document: &Value) -> [String; 3] {
    let text = |path: &str| document.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let labels = document.pointer("/metadata/labels").and_then(Value::as_object);
    let labels: Vec<_> = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    [text("/kind"), text("/metadata/name"), labels.join(",")]
}

/// Prints one value as JSON or YAML.
pub(super) fn print_value(value: &impl Serialize, format: Format) -> Result<()> {
    match format {
        Format::Yaml => print(&serde_saphyr::to_string(value)?),
        Format::Text | Format::Json => line(&serde_json::to_string_pretty(value)?),
    }
}

pub(super) async fn status(client: &Client, format: Format) -> Result<()> {
    let status = client.status().await?;
    if format != Format::Text {
        return print_value(&status, format);
    }
    let names: Vec<_> = status.kube_clusters.iter().map(|name| escape(name.as_str())).collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let mut text = format!(
        "Cluster              {}\nVersion              {}\nUsers                {}\nRoles                {}\nKubernetes clusters  {names}\n",
        status.cluster_name, status.version, status.users, status.roles
    );
    for pin in &status.ca_pins {
        text += &format!("CA pin               {pin}\n");
    }
    let rows = status.authorities.into_iter().map(|row| [row.kind, row.algorithm, row.expires.to_string()]);
    text += &format!("\n{}", table::render(["Authority", "Algorithm", "Valid until"], rows));
    print(&text)
}
