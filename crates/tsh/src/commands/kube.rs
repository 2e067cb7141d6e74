//! `tsh kube ls` and `tsh kube login`: which Kubernetes clusters there are, and pointing kubectl at one.

use std::collections::BTreeMap;

use serde::Serialize;
use teleport_api::messages::user::KubeClusterRow;
use teleport_types::KubeClusterName;

use super::{App, check_cluster};
use crate::{
    cli::{ClusterArgs, Format, Given, ListArgs},
    connect::{self, auth::authorities_of},
    error::Error,
    kubeconfig::{KubeEntry, OurContext, Selection},
    output::Printed,
    store::{Authorities, Profile},
};
use teleport_terminal::{escape, table};

#[derive(Debug, Serialize)]
struct Row {
    kube_cluster_name: String,
    labels: BTreeMap<String, String>,
    online: bool,
    selected: bool,
}

pub(super) fn ls(app: &App, list: &ListArgs, cluster: &ClusterArgs) -> Result<Printed, Error> {
    let profile = app.profile()?;
    check_cluster(&profile, cluster.cluster.as_ref().and_then(Given::value))?;
    let rows = visible(app, &profile)?;
    let selected = app.env.kubeconfig().current()?.filter(|current| belongs_to(current, &profile));
    Ok(show(rows, selected.as_ref(), list))
}

pub(super) fn login(app: &App, name: &Given<KubeClusterName>, cluster: &ClusterArgs) -> Result<Printed, Error> {
    let name = name.value().ok_or_else(|| Error::usage("no Kubernetes cluster is named", "tsh kube ls lists them"))?;
    let profile = app.profile()?;
    check_cluster(&profile, cluster.cluster.as_ref().and_then(Given::value))?;
    let rows = visible(app, &profile)?;
    if !rows.iter().any(|row| row.name == *name) {
        return Err(not_visible(name, &rows));
    }
    let authorities = authorities_of(&app.store, &profile)?;
    let context = select(app, &profile, &authorities, Selection::Select(name))?;
    Ok(Printed::text(format!("kubectl now uses {} (context {}).\n", escape(name.as_str()), escape(&context))))
}

/// Writes our entries; returns the context that was selected, empty when none was to be.
pub(super) fn select(
    app: &App,
    profile: &Profile,
    authorities: &Authorities,
    selection: Selection<'_>,
) -> Result<String, Error> {
    let entry = KubeEntry {
        cluster: profile.cluster.clone(),
        proxy: profile.kube_proxy_addr.clone(),
        host_ca: authorities.pem().to_owned(),
    };
    let offered = app.env.kubeconfig().offer(&app.env.plugin(), &entry, selection)?;
    Ok(offered.selected.unwrap_or_default())
}

/// Tells whether a context of ours is for this login.
pub(super) fn belongs_to(context: &OurContext, profile: &Profile) -> bool {
    context.cluster == profile.cluster.as_str() && context.proxy == profile.kube_proxy_addr.to_string()
}

/// Says that a cluster is not there, and which are.
pub(super) fn not_visible(name: &KubeClusterName, rows: &[KubeClusterRow]) -> Error {
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    let hint = match names.as_slice() {
        [] => "your roles show you none; ask an administrator".to_owned(),
        names => format!("there is: {}", names.join(", ")),
    };
    Error::usage(format!("you can see no Kubernetes cluster named {name}"), hint)
}

fn visible(app: &App, profile: &Profile) -> Result<Vec<KubeClusterRow>, Error> {
    let connector = app.connector()?;
    let client = connector.auth_of(&app.store, profile)?;
    Ok(connect::run(client.ask(|api| api.kube_clusters()))?.items)
}

fn show(rows: Vec<KubeClusterRow>, selected: Option<&OurContext>, args: &ListArgs) -> Printed {
    let rows: Vec<Row> = rows
        .into_iter()
        .map(|row| Row {
            selected: selected.is_some_and(|selected| selected.kube_cluster == row.name.as_str()),
            kube_cluster_name: row.name.to_string(),
            labels: row.labels,
            online: row.online,
        })
        .collect();
    let mark = |selected| if selected { "*" } else { "" }.to_owned();
    match args.output.format {
        Format::Text if args.quiet => {
            Printed::text(rows.iter().map(|row| escape(&row.kube_cluster_name) + "\n").collect::<String>())
        }
        Format::Text if args.verbose => {
            let status = |online| if online { "online" } else { "offline" }.to_owned();
            let cells =
                |row: Row| [row.kube_cluster_name, status(row.online), table::labels(&row.labels), mark(row.selected)];
            let heading = ["Kube Cluster Name", "Status", "Labels", "Selected"];
            Printed::text(table::render(heading, rows.into_iter().map(cells)))
        }
        Format::Text => {
            let cells = |row: Row| [row.kube_cluster_name, table::labels(&row.labels), mark(row.selected)];
            Printed::text(table::render(["Kube Cluster Name", "Labels", "Selected"], rows.into_iter().map(cells)))
        }
        format => Printed::value(format, &rows),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::FormatArgs;

    fn rows() -> Vec<KubeClusterRow> {
        serde_json::from_str(r#"[{"name":"prod","labels":{"env":"prod"},"online":true},{"name":"old","online":false}]"#)
            .expect("rows")
    }

    fn shown(format: Format, verbose: bool) -> String {
        let selected = OurContext {
            name: "main-prod".into(),
            proxy: "proxy:443".into(),
            cluster: "main".into(),
            kube_cluster: "prod".into(),
        };
        let args = ListArgs { output: FormatArgs { format }, quiet: false, verbose };
        show(rows(), Some(&selected), &args).text
    }

    #[test]
    fn kube_clusters_are_listed_for_people() {
        let want = "\
Kube Cluster Name Labels   Selected
----------------- -------- --------
prod              env=prod *
old
";
        assert_eq!(shown(Format::Text, false), want);
        assert!(shown(Format::Text, true).contains("old               offline"));
    }

    #[test]
    fn kube_clusters_are_listed_for_programs() {
        let got: serde_json::Value = serde_json::from_str(&shown(Format::Json, false)).expect("JSON");
        let want = serde_json::json!([
            { "kube_cluster_name": "prod", "labels": { "env": "prod" }, "online": true, "selected": true },
            { "kube_cluster_name": "old", "labels": {}, "online": false, "selected": false },
        ]);
        assert_eq!(got, want);
    }

    #[test]
    fn an_unknown_cluster_is_answered_with_those_there_are() {
        let name = KubeClusterName::parse("nope").expect("name");
        let text = not_visible(&name, &rows()).to_string();
        assert_eq!(text, "you can see no Kubernetes cluster named nope; there is: prod, old");
        assert!(not_visible(&name, &[]).to_string().contains("ask an administrator"));
    }
}
