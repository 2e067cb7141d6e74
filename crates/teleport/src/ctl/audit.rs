//! `tctl audit`: what happened, and whether the record of it is whole.

use std::io::Write as _;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::Value;
use teleport_api::{Client, messages::audit::EventQuery};
use teleport_types::duration::Span;

use teleport_terminal::{escape, table};

use super::output::{print_documents, print_value};
use crate::{
    cli::Format,
    output::{line, print},
};

const LS_EXAMPLES: &str = "\
Examples:
  tctl audit ls --last=1h
  tctl audit ls --user=alice --type=kube.request,exec
  tctl audit ls --from=2026-01-31T08:00:00Z --to=2026-01-31T09:00:00Z --limit=1000
  tctl audit ls --format=json | jq -r '.[] | select(.success == false) | .error'";

const EXPORT_EXAMPLES: &str = "\
Examples:
  tctl audit export > audit.ndjson
  tctl audit export | jq -c 'select(.event == \"user.login\")'";

/// Commands of `tctl audit`.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// List events, the newest last
    #[command(after_help = LS_EXAMPLES)]
    Ls(List),
    /// Print every event as one JSON object a line, the oldest first
    #[command(after_help = EXPORT_EXAMPLES)]
    Export,
    /// Check that no record is missing, changed or out of order
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
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Timestamp>,
    /// Before this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<Timestamp>,
    /// Only these types, joined by commas, as kube.request,user.login.
    #[arg(long = "type", value_name = "TYPES")]
    types: Option<String>,
    /// Only this user's.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    limit: usize,
    /// Form of the answer.
    #[arg(short, long, value_enum, default_value_t)]
    format: Format,
}

fn time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| format!("{text:?} is no point in time; write it like 2026-01-31T08:00:00Z"))
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
    let narrow = table::width().is_some_and(|width| width < WIDE);
    print(&lay_out(&events, narrow))
}

/// Lays events out. On a narrow terminal the date stays without its year, and the code, which the event implies, goes.
fn lay_out(events: &[Value], narrow: bool) -> String {
    let rows = events.iter().map(|event| {
        let time = text(event, "time");
        let time = time.get(..19).unwrap_or(&time).replace('T', " ");
        [time, text(event, "code"), text(event, "event"), actor(event), summary(event)]
    });
    if narrow {
        let rows =
            rows.map(|[time, _, event, actor, what]| [time.get(5..).unwrap_or(&time).to_owned(), event, actor, what]);
        return table::render_wrapping_last(["Time (UTC)", "Event", "User", "What"], rows);
    }
    table::render_wrapping_last(["Time (UTC)", "Code", "Event", "User", "What"], rows)
}

/// Below so many columns the table leaves things out.
const WIDE: u16 = 110;

fn text(event: &Value, name: &str) -> String {
    event.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Says who did it: the user, the service by the first part of its id, or a local administrator.
fn actor(event: &Value) -> String {
    let kind = text(event, "user_kind");
    match (event.get("user").and_then(Value::as_str), event.get("local_uid").and_then(Value::as_u64)) {
        (Some(id), _) if kind == "service" => format!("service {}", id.split('-').next().unwrap_or(id)),
        (Some(user), _) => user.to_owned(),
        (None, Some(uid)) => format!("local uid {uid}"),
        (None, None) => String::new(),
    }
}

/// Says in a few words what an event is about.
fn summary(event: &Value) -> String {
    let text = |name: &str| text(event, name);
    let code = || event.get("response_code").map(|code| format!(" → {code}")).unwrap_or_default();
    let whose = |path: &str| event.pointer(path).and_then(Value::as_str).unwrap_or_default();
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
        "cert.create" if text("cert_type") == "host" => {
            let id = whose("/identity/user");
            format!("for service {}", id.split('-').next().unwrap_or(id))
        }
        "cert.create" => format!("for {}", whose("/identity/user")),
        "instance.join" => format!("{} with {}", text("node_name"), text("token_name")),
        "user.login" => format!("from {}", text("addr.remote")),
        _ => [text("name"), text("method"), text("message")]
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
    while let Some(mut event) = lines.next().await? {
        event.extend_from_slice(b"\n");
        match out.write_all(&event) {
            // The reader has seen enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            written => written.context("cannot write to stdout")?,
        }
    }
    out.flush().context("cannot write to stdout")
}

async fn verify(client: &Client, format: Format) -> Result<()> {
    let report = client.verify_audit().await?;
    if format == Format::Text {
        for fault in &report.faults {
            line(&escape(&fault.to_string()))?;
        }
        if report.ok {
            let writers = if report.writers == 1 { "writer" } else { "writers" };
            line(&format!("the audit log is whole: {} records of {} {writers}", report.records, report.writers))?;
        }
    } else {
        print_value(&report, format)?;
    }
    if !report.ok {
        bail!("the audit log is not whole; keep a copy of the data directory and find out who could write to it");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_says_when_who_and_what() {
        let events = [
            json!({"event": "user.login", "code": "T1000W", "time": "2026-01-31T12:00:00.123Z", "user": "bob",
                "addr.remote": "192.0.2.1:4711", "error": "wrong user name or password"}),
            json!({"event": "kube.request", "code": "T3009I", "time": "2026-01-31T12:00:01.000Z", "user": "alice",
                "kubernetes_cluster": "staging", "verb": "GET", "request_path": "/api/v1/pods", "response_code": 200}),
            json!({"event": "cert.create", "code": "TC000I", "time": "2026-01-31T12:00:02.000Z", "local_uid": 0,
                "cert_type": "user", "identity": {"user": "ci"}}),
            json!({"event": "kube.create", "code": "T3010I", "time": "2026-01-31T12:00:03.000Z", "name": "staging",
                "user": "23b6f2af-6795-4b0c-a969-d479e10f4f80", "user_kind": "service"}),
        ];
        let wide = "\
Time (UTC)          Code   Event        User             What
------------------- ------ ------------ ---------------- -------------------------------------------------
2026-01-31 12:00:00 T1000W user.login   bob              from 192.0.2.1:4711 (wrong user name or password)
2026-01-31 12:00:01 T3009I kube.request alice            staging: GET /api/v1/pods → 200
2026-01-31 12:00:02 TC000I cert.create  local uid 0      for ci
2026-01-31 12:00:03 T3010I kube.create  service 23b6f2af staging
";
        assert_eq!(lay_out(&events, false), wide);
        assert!(lay_out(&events, true).contains("01-31 12:00:01 kube.request alice            staging: GET"));
    }
}
