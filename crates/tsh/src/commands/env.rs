//! `tsh env`: the current login as environment variables, for scripts and for programs that ask for them.

use std::collections::BTreeMap;

use super::{App, kube};
use crate::{
    cli::{EnvArgs, Format, display_paths},
    error::Error,
    output::Printed,
};
use teleport_terminal::shell_quote;

const NAMES: [&str; 4] = ["TELEPORT_PROXY", "TELEPORT_CLUSTER", "TELEPORT_KUBE_CLUSTER", "KUBECONFIG"];

pub(super) fn run(app: &App, args: &EnvArgs) -> Result<Printed, Error> {
    if args.unset {
        return Ok(Printed::text(NAMES.iter().map(|name| format!("unset {name}\n")).collect::<String>()));
    }
    let profile = app.profile()?;
    let kubeconfig = app.env.kubeconfig();
    let current = kubeconfig.current()?.filter(|current| kube::belongs_to(current, &profile));
    let values = [
        profile.web_proxy_addr.to_string(),
        profile.cluster.to_string(),
        current.map(|current| current.kube_cluster).unwrap_or_default(),
        display_paths(kubeconfig.paths()),
    ];
    let variables: BTreeMap<&str, String> =
        NAMES.into_iter().zip(values).filter(|(_, value)| !value.is_empty()).collect();
    Ok(match args.output.format {
        Format::Text => {
            let line = |name: &&str| Some(format!("export {name}={}\n", shell_quote(variables.get(name)?)));
            Printed::text(NAMES.iter().filter_map(line).collect::<String>())
        }
        format => Printed::value(format, &variables),
    })
}
