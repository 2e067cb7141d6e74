//! What `tctl` prints: tables that fit, documents, the status page.

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;
use teleport_api::Client;
use teleport_terminal::{escape, table};

use crate::cli::Format;

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
            print!("{}", table::render(["Kind", "Name", "Labels"], documents.iter().map(document_row)));
        }
    }
    Ok(())
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
    let names: Vec<_> = status.kube_clusters.iter().map(|name| escape(name.as_str())).collect();
    println!("Kubernetes clusters  {}", if names.is_empty() { "none".to_owned() } else { names.join(", ") });
    for pin in &status.ca_pins {
        println!("CA pin               {pin}");
    }
    println!();
    let rows = status.authorities.into_iter().map(|row| [row.kind, row.algorithm, row.expires.to_string()]);
    print!("{}", table::render(["Authority", "Algorithm", "Valid until"], rows));
    Ok(())
}
