//! What the operating system says about a process and the machine: CPU time, memory, load, versions.
//!
//! Called around each run by the suites, and once by the report.

use std::{collections::BTreeMap, ffi::OsStr, fs, path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result};
use serde::Serialize;

/// Ticks of the CPU times in `/proc`, a second: fixed by the kernel's interface to user space.
const TICKS: f64 = 100.0;

/// Returns the CPU time, in user and kernel, that a process and its children have used.
///
/// # Errors
/// When the process is gone.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration> {
    let all = tree(pid);
    anyhow::ensure!(!all.is_empty(), "process {pid} is gone");
    let ticks: u64 = all.iter().map(|stat| stat.ticks).sum();
    Ok(Duration::from_secs_f64(ticks as f64 / TICKS))
}

/// Returns the CPU time that a process has used, without its children.
///
/// # Errors
/// When the process is gone.
pub(crate) fn cpu_time_alone(pid: u32) -> Result<Duration> {
    let stat = stat(pid).with_context(|| format!("process {pid} is gone"))?;
    Ok(Duration::from_secs_f64(stat.ticks as f64 / TICKS))
}

/// Returns the resident memory of a process and its children, in KiB.
pub(crate) fn resident_kib(pid: u32) -> u64 {
    tree(pid).iter().map(|stat| status_kib(stat.pid, "VmRSS:")).sum()
}

fn status_kib(pid: u32, field: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

struct Stat {
    pid: u32,
    parent: u32,
    ticks: u64,
}

/// The process and its direct children; none of what is measured has grandchildren.
fn tree(pid: u32) -> Vec<Stat> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(stat).filter(|stat| stat.pid == pid || stat.parent == pid).collect()
}

/// Reads `/proc/<pid>/stat`, see proc(5): the fields after the name, which is in parentheses and may hold anything.
fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat { pid, parent: u32::try_from(number(1)?).ok()?, ticks: number(11)? + number(12)? })
}

/// The CPU time that the whole machine has used, all cores together.
pub(crate) fn machine_cpu_time() -> Duration {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = text.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let ticks: Vec<u64> = fields.filter_map(|field| field.parse().ok()).collect();
    // user nice system idle iowait irq softirq: all but the two in the middle.
    let busy: u64 = ticks.iter().take(3).chain(ticks.iter().skip(5).take(2)).sum();
    Duration::from_secs_f64(busy as f64 / TICKS)
}

/// Returns the load average of the last minute.
pub(crate) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

/// Tells whether we run as root.
pub(crate) fn is_root() -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|text| text.lines().any(|line| line.starts_with("Uid:\t0\t")))
}

/// The machine and the versions of what runs on it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: f64,
    pub(crate) kernel: String,
    pub(crate) system: String,
    /// Program to version.
    pub(crate) versions: BTreeMap<String, String>,
    pub(crate) date: String,
    pub(crate) commit: String,
}

impl Machine {
    /// Looks around.
    pub(crate) fn look(nginx: &Path, kubectl: &Path, teleport: &Path) -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let memory = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next());
        let os = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let os = os.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
        let versions = [
            ("nginx", first_line(nginx, &["-v"])),
            ("kubectl", first_line(kubectl, &["version", "--client"])),
            ("teleport", first_line(teleport, &["version"])),
            ("rustc", first_line("rustc", &["--version"])),
        ];
        let dirty = !first_line("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty();
        Self {
            processor: model.map_or_else(|| "unknown".to_owned(), |(_, name)| name.to_owned()),
            cores: cpuinfo.matches("processor\t").count(),
            memory_gib: memory.and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / f64::from(1 << 20),
            kernel: first_line("uname", &["-r"]),
            system: os.unwrap_or("unknown").trim_matches('"').to_owned(),
            versions: versions.into_iter().map(|(name, version)| (name.to_owned(), version)).collect(),
            date: first_line("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
            commit: first_line("git", &["rev-parse", "--short", "HEAD"]) + if dirty { " with changes" } else { "" },
        }
    }
}

/// Runs a program and returns the first line it prints, on whichever output.
fn first_line(program: impl AsRef<OsStr>, args: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(args).output() else { return "not found".to_owned() };
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned()
}

/// Runs a program to its end and returns what it printed.
///
/// # Errors
/// When it cannot be started or fails; the message holds what it said.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{command:?} failed: {said}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_cpu_time_and_memory_can_be_read() {
        let mut sum = 0_u64;
        while cpu_time(std::process::id()).unwrap() < Duration::from_millis(20) {
            (0..1_000_000_u64).for_each(|n| sum = std::hint::black_box(sum.wrapping_add(n)));
        }
        assert!(resident_kib(std::process::id()) > 500);
        assert!(machine_cpu_time() > Duration::from_millis(20));
    }

    #[test]
    fn a_process_that_is_gone_is_an_error_and_not_zero() {
        assert!(cpu_time(u32::MAX - 1).is_err());
    }
}
