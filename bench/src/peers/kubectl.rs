//! `kubectl proxy`: the peer that everyone has. Nothing is verified in front of it, and no identity is added.

use anyhow::{Context as _, Result};

use super::{Child, Place, Upstream};
use crate::target::Target;

/// Starts it on a free port.
pub(super) fn start(place: &Place, upstream: &Upstream) -> Result<(Child, Target)> {
    let mut command = place.pinned(&place.kubectl);
    // The filter would refuse exec.
    command.arg("--kubeconfig").arg(&upstream.kubeconfig).args(["proxy", "--port=0", "--disable-filter=true"]);
    let child = Child::start(&mut command, &place.dir.join("kubectl.log"))?;
    let line = child.wait_for_line("Starting to serve on ")?;
    let address = line.rsplit(' ').next().context("the line ends in the address")?;
    Ok((child, Target::plain(address)))
}
