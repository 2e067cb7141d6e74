//! The command line: a whole run, the upstream that a run starts, and a load to look at with a profiler.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Parser, Subcommand};

use crate::{
    certificates::Certificates,
    load::Plan,
    measure::measure,
    peers::{Options, Ours, Peer, Place, Upstream},
    report,
    results::Results,
    soak::{self, Soak, UpstreamArgs},
    suites::{self, Bench},
    system::{self, Machine},
    upstream::{self, LIST, POD},
};

/// Measures this proxy beside nginx, kubectl proxy and the direct way.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure everything, print the tables, and write the page, the plots and the JSON.
    Run(Run),
    /// Send one load through our proxy, for a profiler; prints the proxy's process id first.
    Load(LoadArgs),
    /// Hold thousands of watches while everything around them breaks, and see whether anything is lost or stays.
    Soak(Soak),
    /// Serve the static upstream; a run starts it itself.
    #[command(hide = true)]
    Upstream {
        /// Folder with its certificates.
        #[arg(long)]
        dir: PathBuf,
    },
    /// Serve the soak's upstream; a soak starts it itself.
    #[command(hide = true)]
    SoakUpstream(UpstreamArgs),
}

#[derive(Debug, Args)]
struct Programs {
    /// Folder with teleport and tsh.
    #[arg(long, default_value = "target/release")]
    bin: PathBuf,
    /// kubectl.
    #[arg(long, default_value = "kubectl")]
    kubectl: PathBuf,
    /// nginx.
    #[arg(long, default_value = "/usr/sbin/nginx")]
    nginx: PathBuf,
    /// Core of the proxies; this program belongs on another.
    #[arg(long, default_value_t = 1)]
    core: usize,
}

#[derive(Debug, Args)]
struct Run {
    #[command(flatten)]
    programs: Programs,
    /// Folder for the page, the plots and the JSON.
    #[arg(long, default_value = "docs")]
    out: PathBuf,
    /// Only these parts, comma separated: start,http,scale,watches,exec,client. The page is not written then.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Seconds of one run.
    #[arg(long, default_value_t = 1.5)]
    seconds: f64,
    /// Runs of each case, of which the best is kept.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// The command that leads here, for the page.
    #[arg(long, default_value = "make bench")]
    command: String,
}

#[derive(Debug, Args)]
struct LoadArgs {
    #[command(flatten)]
    programs: Programs,
    /// What to ask for.
    #[arg(long, value_enum, default_value_t)]
    what: What,
    /// Connections.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Speak HTTP/2, with so many requests under way on each connection.
    #[arg(long)]
    http2: Option<usize>,
    /// How long.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Through nginx instead.
    #[arg(long)]
    via_nginx: bool,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum What {
    #[default]
    Pod,
    List,
}

/// Runs what the command line asks for.
pub(crate) fn main() -> Result<()> {
    // One thread: it shares its core with the upstream.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match Cli::parse().command {
        Command::Run(args) => runtime.block_on(run(&args)),
        Command::Load(args) => runtime.block_on(load(&args)),
        Command::Soak(args) => runtime.block_on(soak::run(&args)),
        Command::SoakUpstream(args) => runtime.block_on(soak::serve_upstream(args)),
        Command::Upstream { dir } => runtime.block_on(upstream::serve(&Certificates::at(&dir))),
    }
}

async fn run(args: &Run) -> Result<()> {
    if let Some(unknown) = args.only.iter().find(|name| !suites::SUITES.contains(&name.as_str())) {
        bail!("there is no part {unknown:?}; there are {}", suites::SUITES.join(", "));
    }
    let dir = tempfile::tempdir()?;
    let (begun, load_at_start) = (Instant::now(), system::load());
    let place = args.programs.place(dir.path())?;
    let machine = Machine::look(&place.nginx, &place.kubectl, &place.teleport);
    let upstream = Upstream::start(&place)?;
    let bench = Bench { place, upstream, lasts: Duration::from_secs_f64(args.seconds), rounds: args.rounds };
    let sections = suites::run(&bench, &args.only).await?;
    let took_s = begun.elapsed().as_secs_f64();
    let results = Results { machine, command: args.command.clone(), load_at_start, took_s, sections };
    print!("{}", report::table::render(&results));
    if args.only.is_empty() {
        report::write(&results, &args.out)?;
        println!("written: {}/performance.md", args.out.display());
    }
    Ok(())
}

async fn load(args: &LoadArgs) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let place = args.programs.place(dir.path())?;
    let upstream = Upstream::start(&place)?;
    let ours = Ours::start(&place, &upstream, "load", Options { roles: 1, held: 1 })?;
    let peer =
        if args.via_nginx { Peer::nginx(&place, &upstream)? } else { Peer::of_ours(&ours, &ours.kubeconfig()?)? };
    println!("{}", peer.pid.context("a proxy has a process")?);
    let path = if matches!(args.what, What::Pod) { POD } else { LIST };
    let plan = Plan::closed(path, args.connections, Duration::from_secs_f64(args.seconds));
    let plan = if let Some(streams) = args.http2 { plan.over_http2(streams) } else { plan };
    let sample = measure(&peer, plan, upstream.pid).await?;
    for figure in sample.figures() {
        println!("{}: {:.1} {}", figure.name, figure.value, figure.unit);
    }
    Ok(())
}

impl Programs {
    fn place(&self, dir: &Path) -> Result<Place> {
        let found = |name: &str| {
            let path = self.bin.join(name);
            path.canonicalize().with_context(|| format!("no {}; build it first", path.display()))
        };
        Ok(Place {
            dir: dir.to_owned(),
            teleport: found("teleport")?,
            tsh: found("tsh")?,
            kubectl: self.kubectl.clone(),
            nginx: self.nginx.clone(),
            certificates: Certificates::make(dir)?,
            core: self.core,
        })
    }
}
