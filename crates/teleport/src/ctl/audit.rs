//! `tctl audit`: what happened, and whether the record of it is whole.

use std::io::Write as _;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::Value;
use teleport_api::{Client, messages::audit::EventQuery};
use teleport_types::duration::Span;

use teleport_terminal::table;

use super::output::{print_documents, print_value};
use crate::cli::Format;

/// Commands of `tctl audit`.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// List events, the newest last.
    Ls(List),
    /// Print every event as one JSON object a line, the oldest first.
    Export,
    /// Check that no record is missing, changed or out of order.
    Verify {
        /// Form of the answer.
        #[arg(short, long, value_enum, default_value_t)]
        format: Format,
    },
}

/// `tctl audit ls`
#[derive(Debug, Args)]
pub struct List {
    /// Only events of the last hours or minutes, as 1h or 30m.
    #[arg(long, value_name = "SPAN", conflicts_with = "from")]
    last: Option<Span>,
    /// Not before this time, as 2026-01-31T08:00:00Z.
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Before this time.
    #[arg(long, value_name = "TIME")]
    to: Option<Timestamp>,
    /// Only these types, joined by commas, as kube.request,user.login.
    #[arg(long = "type", value_name = "TYPES")]
    types: Option<String>,
    /// Only this user's.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Form of the answer.
    #[arg(short, long, value_enum, default_value_t)]
    format: Format,
}

pub(super) async fn run(client: &Client, command: Audit) -> Result<()> {
    match command {
        Audit::Ls(list) => ls(client, list).await,
        Audit::Export => export(client).await,
        Audit::Verify { format } => verify(client, format).await,
    }
}

async fn ls(client: &Client, list: List) -> Result<()> {
    let now = teleport_runtime::Clock::system().now();
    let last = list.last.map(|span| now.saturating_sub(span.get()).unwrap_or(Timestamp::MIN));
    let query = EventQuery {
        from: list.from.or(last),
        to: list.to,
        types: list.types,
        user: list.user,
        limit: Some(list.limit),
    };
    let events = client.audit_events(&query).await?.items;
    if list.format != Format::Text {
        return print_documents(&events, list.format);
    }
    let rows = events.iter().map(|event| {
        let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        [text("time"), text("code"), text("event"), actor(event), summary(event)]
    });
    print!("{}", table::render(["Time", "Code", "Event", "User", "What"], rows));
    Ok(())
}

/// Says who did it: the user, or the system account of a local administrator.
fn actor(event: &Value) -> String {
    match (event.get("user").and_then(Value::as_str), event.get("local_uid").and_then(Value::as_u64)) {
        (Some(user), _) => user.to_owned(),
        (None, Some(uid)) => format!("(local uid {uid})"),
        (None, None) => String::new(),
    }
}

/// Says in a few words what an event is about.
fn summary(event: &Value) -> String {
    let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let code = || event.get("response_code").map(|code| format!(" → {code}")).unwrap_or_default();
    let what = match text("event").as_str() {
        "kube.request" => {
            format!("{}: {} {}{}", text("kubernetes_cluster"), text("verb"), text("request_path"), code())
        }
        "exec" | "session.start" | "session.end" | "port" => format!(
            "{}: {}/{} {}",
            text("kubernetes_cluster"),
            text("kubernetes_pod_namespace"),
            text("kubernetes_pod_name"),
            text("command")
        ),
        "client.disconnect" => text("reason"),
        _ => [text("name"), text("method"), text("cert_type"), text("message")]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" "),
    };
    match text("error").as_str() {
        "" => what.trim_end().to_owned(),
        error => format!("{} ({error})", what.trim_end()),
    }
}

async fn export(client: &Client) -> Result<()> {
    let mut lines = client.export_audit().await?;
    let mut out = std::io::stdout().lock();
    while let Some(line) = lines.next().await? {
        out.write_all(&line)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

async fn verify(client: &Client, format: Format) -> Result<()> {
    let report = client.verify_audit().await?;
    if format == Format::Text {
        for fault in &report.faults {
            println!("{fault}");
        }
        if report.ok {
            println!("the audit log is whole: {} records of {} writers", report.records, report.writers);
        }
    } else {
        print_value(&report, format)?;
    }
    if !report.ok {
        bail!("the audit log is not whole; keep a copy of the data directory and find out who could write to it");
    }
    Ok(())
}
