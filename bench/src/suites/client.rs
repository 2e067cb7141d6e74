//! What a person waits for: `tsh kube credentials`, which kubectl runs each time, and kubectl itself through us.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::Bench;
use crate::{
    histogram::Histogram,
    peers::{Options, Ours},
    results::{Figure, Row, Section},
    system,
    upstream::POD,
};

const RUNS: usize = 60;
const KUBECTL_RUNS: usize = 20;
const PARALLEL: usize = 40;

pub(super) async fn run(bench: &Bench) -> Result<Vec<Section>> {
    let ours = Ours::start(&bench.place, &bench.upstream, "client", Options { roles: 1, held: 1 })?;
    let args = ours.login()?;
    let credentials = || {
        let mut command = ours.tsh_command();
        command.args(&args);
        command
    };
    let version = || {
        let mut command = ours.tsh_command();
        command.arg("--version");
        command
    };
    let kubectl = |kubeconfig: &Path| {
        let mut command = Command::new(&bench.place.kubectl);
        command.arg("--kubeconfig").arg(kubeconfig).args(["get", "--raw", POD]);
        command.env("TELEPORT_HOME", ours.dir().join("tsh"));
        command
    };
    let (direct, through) = (bench.upstream.kubeconfig.clone(), ours.login_kubeconfig());
    let mut rows = Vec::new();
    let [warm, floor] = in_turns(RUNS, [&credentials, &version])?;
    rows.push(Row::new("tsh kube credentials, warm", "teleport", walls(&warm)));
    rows.push(Row::new("tsh --version: the process alone", "teleport", walls(&floor)));
    rows.push(parallel(&credentials)?);
    let [plain, ours] = in_turns(KUBECTL_RUNS, [&|| kubectl(&direct), &|| kubectl(&through)])?;
    rows.push(Row::new("kubectl get --raw", "direct", walls(&plain)));
    rows.push(Row::new("kubectl get --raw", "teleport", walls(&ours)));
    let note = format!("wall time of {RUNS} runs each ({KUBECTL_RUNS} of kubectl), process start included, in turns");
    Ok(vec![Section { id: "client", title: "On the laptop", note, rows }])
}

/// Runs two commands in turns, so that both meet the same machine.
fn in_turns(runs: usize, commands: [&dyn Fn() -> Command; 2]) -> Result<[Histogram; 2]> {
    let mut walls = [Histogram::new(), Histogram::new()];
    for _ in 0..runs {
        for (command, walls) in commands.iter().zip(&mut walls) {
            let begun = Instant::now();
            system::run(&mut command())?;
            walls.record(begun.elapsed());
        }
    }
    Ok(walls)
}

fn walls(of: &Histogram) -> Vec<Figure> {
    let millis = |share| of.quantile(share).as_secs_f64() * 1e3;
    vec![
        Figure::new("fastest", millis(0.0), "ms"),
        Figure::new("p50", millis(0.5), "ms"),
        Figure::new("p90", millis(0.9), "ms"),
    ]
}

/// Starts many at once: each must print a credential, and all the same one.
fn parallel(command: &dyn Fn() -> Command) -> Result<Row> {
    let begun = Instant::now();
    let start = |_| command().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let running: Vec<_> = (0..PARALLEL).map(start).collect::<std::io::Result<_>>()?;
    let mut certificates = Vec::new();
    for child in running {
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "one of {PARALLEL}: {}", String::from_utf8_lossy(&output.stderr));
        let credential: Value = serde_json::from_slice(&output.stdout)?;
        let certificate = credential.pointer("/status/clientCertificateData").and_then(Value::as_str);
        certificates.push(certificate.context("a credential holds a certificate")?.to_owned());
    }
    let took: Duration = begun.elapsed();
    certificates.dedup();
    ensure!(certificates.len() == 1, "{PARALLEL} at once got {} different certificates", certificates.len());
    let figures = vec![
        Figure::new("all", took.as_secs_f64() * 1e3, "ms"),
        Figure::new("each", took.as_secs_f64() * 1e3 / PARALLEL as f64, "ms"),
    ];
    Ok(Row::new("tsh kube credentials, 40 at once", "teleport", figures))
}
