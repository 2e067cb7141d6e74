//! The last step of a login: kubectl works afterwards, without a further command where there is no choice to make.

use std::time::Duration;

use teleport_api::messages::user::KubeClusterRow;
use teleport_types::{ClusterName, KubeClusterName};

use super::super::{App, kube};
use crate::{
    connect,
    error::Error,
    kubeconfig::{Selection, context_name},
    store::{Authorities, Login, Profile},
};
use teleport_terminal::{escape, shell_quote};

const PATIENCE: Duration = Duration::from_secs(5);

/// What there is to select.
#[derive(Debug, PartialEq, Eq)]
enum Choice<'r> {
    /// This one: asked for, or the only one, or the one that bears the cluster's name.
    One(&'r KubeClusterName),
    /// The user's earlier choice stands.
    Kept(&'r KubeClusterName),
    /// Several, and nothing says which.
    Several(Vec<&'r KubeClusterName>),
    /// None at all.
    Nothing,
}

/// Writes the kubeconfig; returns what to tell the user.
pub(super) fn set_up(
    app: &App,
    profile: &Profile,
    login: &Login,
    authorities: &Authorities,
    asked: Option<&KubeClusterName>,
) -> Result<String, Error> {
    let current = app.env.kubeconfig().current()?.filter(|current| kube::belongs_to(current, profile));
    let connector = app.connector()?;
    let client = connector.auth(&profile.web_proxy_addr, authorities, Some(login))?;
    let rows = connect::run(client.ask_within(PATIENCE, |api| api.kube_clusters()))?.items;
    let current = current.as_ref().map(|current| current.kube_cluster.as_str());
    let choice = choose(&rows, &profile.cluster, asked, current)?;
    let selection = match &choice {
        Choice::One(name) => Selection::Select(name),
        _ => Selection::Refresh,
    };
    kube::select(app, profile, authorities, selection)?;
    Ok(describe(&choice, &profile.cluster))
}

fn choose<'r>(
    rows: &'r [KubeClusterRow],
    cluster: &ClusterName,
    asked: Option<&KubeClusterName>,
    current: Option<&str>,
) -> Result<Choice<'r>, Error> {
    let named = |name: &str| rows.iter().map(|row| &row.name).find(|row| row.as_str() == name);
    if let Some(asked) = asked {
        return named(asked.as_str()).map(Choice::One).ok_or_else(|| kube::not_visible(asked, rows));
    }
    if let Some(current) = current.and_then(named) {
        return Ok(Choice::Kept(current));
    }
    Ok(match rows {
        [] => Choice::Nothing,
        [only] => Choice::One(&only.name),
        several => match named(cluster.as_str()) {
            Some(own) => Choice::One(own),
            None => Choice::Several(several.iter().map(|row| &row.name).collect()),
        },
    })
}

fn describe(choice: &Choice<'_>, cluster: &ClusterName) -> String {
    match choice {
        Choice::One(name) | Choice::Kept(name) => {
            let context = context_name(cluster, name);
            format!("kubectl uses {} (context {}).\n", escape(name.as_str()), escape(&context))
        }
        Choice::Several(names) => {
            let list: String =
                names.iter().map(|name| format!("  tsh kube login {}\n", shell_quote(name.as_str()))).collect();
            format!("Choose a cluster for kubectl:\n{list}")
        }
        Choice::Nothing => "Your roles show you no Kubernetes cluster.\n".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(names: &[&str]) -> Vec<KubeClusterRow> {
        let name = |name: &&str| KubeClusterName::parse(name).expect("name");
        let row = |name| KubeClusterRow { name, labels: Default::default(), online: true };
        names.iter().map(|text| row(name(text))).collect()
    }

    #[test]
    fn a_cluster_is_selected_only_where_there_is_no_choice_to_make() {
        let main = ClusterName::parse("main").expect("name");
        for (names, asked, current, want) in [
            (&["a"][..], None, None, "kubectl uses a (context main-a).\n"),
            (&["a", "main"], None, None, "kubectl uses main (context main-main).\n"),
            (&["a", "main"], None, Some("a"), "kubectl uses a (context main-a).\n"),
            (&["a", "b"], None, None, "Choose a cluster for kubectl:\n  tsh kube login a\n  tsh kube login b\n"),
            (
                &["a", "b"],
                None,
                Some("gone"),
                "Choose a cluster for kubectl:\n  tsh kube login a\n  tsh kube login b\n",
            ),
            (&["a", "b"], Some("b"), Some("a"), "kubectl uses b (context main-b).\n"),
            (
                &["$(x)", "b"],
                None,
                None,
                "Choose a cluster for kubectl:\n  tsh kube login '$(x)'\n  tsh kube login b\n",
            ),
            (&[], None, None, "Your roles show you no Kubernetes cluster.\n"),
        ] {
            let rows = rows(names);
            let asked = asked.map(|name| KubeClusterName::parse(name).expect("name"));
            let choice = choose(&rows, &main, asked.as_ref(), current).expect("a choice");
            assert_eq!(describe(&choice, &main), want, "{names:?} {asked:?} {current:?}");
        }
        let nope = KubeClusterName::parse("nope").expect("name");
        choose(&rows(&["a"]), &main, Some(&nope), None).expect_err("not visible");
    }
}
