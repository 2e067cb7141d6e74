//! `tsh clusters`: the Teleport clusters that the login reaches.

use std::collections::BTreeMap;

use serde::Serialize;
use teleport_api::messages::user::ClusterRow;

use super::App;
use crate::{
    cli::{Format, ListArgs},
    connect,
    error::Error,
    output::Printed,
    store::Profile,
};
use teleport_terminal::{escape, table};

#[derive(Debug, Serialize)]
struct Row {
    cluster_name: String,
    status: String,
    cluster_type: String,
    labels: BTreeMap<String, String>,
    selected: bool,
}

pub(super) fn run(app: &App, args: &ListArgs) -> Result<Printed, Error> {
    let profile = app.profile()?;
    let connector = app.connector()?;
    let client = connector.auth_of(&app.store, &profile)?;
    let rows = connect::run(client.ask(|api| api.clusters()))?.items;
    Ok(show(&profile, rows, args))
}

fn show(profile: &Profile, rows: Vec<ClusterRow>, args: &ListArgs) -> Printed {
    let rows: Vec<Row> = rows
        .into_iter()
        .map(|row| Row {
            selected: row.name == profile.cluster,
            cluster_name: row.name.to_string(),
            status: row.status,
            cluster_type: row.kind,
            labels: row.labels,
        })
        .collect();
    match args.output.format {
        Format::Text if args.quiet => {
            Printed::text(rows.iter().map(|row| escape(&row.cluster_name) + "\n").collect::<String>())
        }
        Format::Text => {
            let heading = ["Cluster Name", "Status", "Cluster Type", "Labels", "Selected"];
            let mark = |selected| if selected { "*" } else { "" }.to_owned();
            let cells = |row: Row| {
                [row.cluster_name, row.status, row.cluster_type, table::labels(&row.labels), mark(row.selected)]
            };
            Printed::text(table::render(heading, rows.into_iter().map(cells)))
        }
        format => Printed::value(format, &rows),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::FormatArgs, commands::status::tests::profile};

    fn shown(format: Format, quiet: bool) -> String {
        let rows = serde_json::from_str(
            r#"[{"name":"main","status":"online","type":"root","labels":{"env":"prod","who":"\u001b[2J"}},
                {"name":"edge","status":"offline","type":"leaf"}]"#,
        );
        let args = ListArgs { output: FormatArgs { format }, quiet, verbose: false };
        show(&profile(), rows.expect("rows"), &args).text
    }

    #[test]
    fn clusters_are_listed_for_people() {
        let want = "\
Cluster Name Status  Cluster Type Labels                 Selected
------------ ------- ------------ ---------------------- --------
main         online  root         env=prod,who=\\u{1b}[2J *
edge         offline leaf
";
        assert_eq!(shown(Format::Text, false), want);
        assert_eq!(shown(Format::Text, true), "main\nedge\n");
    }

    #[test]
    fn clusters_are_listed_for_programs() {
        let rows: serde_json::Value = serde_json::from_str(&shown(Format::Json, false)).expect("JSON");
        let want = serde_json::json!([
            { "cluster_name": "main", "status": "online", "cluster_type": "root",
              "labels": { "env": "prod", "who": "\u{1b}[2J" }, "selected": true },
            { "cluster_name": "edge", "status": "offline", "cluster_type": "leaf", "labels": {}, "selected": false },
        ]);
        assert_eq!(rows, want);
        let yaml: serde_json::Value = serde_saphyr::from_str(&shown(Format::Yaml, false)).expect("YAML");
        assert_eq!(yaml, want);
    }
}
