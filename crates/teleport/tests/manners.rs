//! How `teleport` and `tctl` speak on the command line: help as reviewed, mistakes as one line with what to do, exit code 1.

#![allow(clippy::panic, reason = "a test that cannot go on should say so at once")]

use std::{
    fs,
    io::Read as _,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

#[test]
fn help_is_as_reviewed_and_has_examples() {
    let host = Host::new();
    let commands = ["teleport", "teleport start", "teleport configure", "teleport status", "teleport completion"];
    let admin = [
        "tctl",
        "tctl users",
        "tctl users add",
        "tctl users update",
        "tctl create",
        "tctl get",
        "tctl rm",
        "tctl auth sign",
        "tctl auth export",
        "tctl audit ls",
        "tctl audit export",
        "tctl completion",
    ];
    for command in commands.iter().chain(&admin) {
        let (program, args) = command.split_once(' ').unwrap_or((command, ""));
        let args: Vec<&str> = args.split_whitespace().chain(["--help"]).collect();
        let help = host.run(program, &args).ok();
        assert!(help.contains("Examples:\n") || *command == "tctl users", "{command}");
        assert_golden(&format!("{}.golden.txt", command.replace(' ', "-")), &help);
    }
}

#[test]
fn a_mistake_is_one_line_with_what_to_do() {
    let host = Host::new();
    let broken = host.file("broken.yaml", "version: v3\nauth_service: [1\n");
    let list = host.file("list.yaml", "- version: v3\n");
    let ssh = host.file("ssh.yaml", "version: v3\nauth_service: {}\nssh_service: {enabled: yes}\n");
    let port = host.file("port.yaml", "version: v3\nauth_service: {}\nproxy_service: {public_addr: 'a:99999'}\n");
    let file = host.file("file", "");
    let cases: &[(&str, &[&str], &str)] = &[
        ("teleport", &["strat"], "unrecognized subcommand 'strat'; some similar subcommands exist: 'status', 'start'"),
        ("teleport", &["start", "--confg", "x"], "unexpected argument '--confg' found; a similar argument exists"),
        (
            "teleport",
            &["start", "-c", "/nope.yaml"],
            "cannot read /nope.yaml: no such file or directory; check the path",
        ),
        ("teleport", &["start", "--data-dir", &file], "cannot make the data directory"),
        ("teleport", &["configure", "--test", "/"], "cannot read /: is a directory; check the path"),
        ("teleport", &["configure", "--test", &broken], "line 2: fields are expected here, written `name: value`"),
        ("teleport", &["configure", "--test", &list], "line 1: fields are expected here"),
        ("teleport", &["configure", "--test", &ssh], "ssh_service is not supported by this version; set its `enabled"),
        ("teleport", &["configure", "--test", &port], "\"a:99999\" has no port from 1 to 65535; write HOST:PORT"),
        ("teleport", &["configure", "--public-addr=a b"], "is not an address that can be dialled; write HOST:PORT"),
        ("teleport", &["configure", "--cluster-name=A_B"], "is not a cluster name: it must be a DNS name"),
        ("teleport", &["configure", "--cert-file=x"], "--key-file <FILE>; teleport configure --help shows what"),
        ("teleport", &["status"], "the auth service does not answer"),
        ("teleport", &["man", "/proc/no/such"], "cannot write man pages into /proc/no/such"),
        ("tctl", &["usres", "ls"], "unrecognized subcommand 'usres'; a similar subcommand exists: 'users'"),
        ("tctl", &["users", "add"], "--roles <NAMES> <NAME>; tctl users add --help shows what there is"),
        ("tctl", &["status"], "no auth service runs here with the data directory"),
        ("tctl", &["audit", "ls", "--from=yesterday"], "is no point in time; write it like 2026-01-31T08:00:00Z"),
        ("tctl", &["audit", "ls", "--last=1x"], "is not a span of time; write it like 12h"),
        ("tctl", &["--identity=/nope", "status"], "--auth-server <ADDR>; tctl --help shows what there is"),
        ("tctl", &["-i/nope", "--auth-server=127.0.0.1:1", "status"], "cannot read /nope: no such file or directory"),
        ("tctl", &["-i", &file, "--auth-server=127.0.0.1:1", "status"], "is not an identity file; make one with tctl"),
    ];
    for (program, args, part) in cases {
        let line = host.run(program, args).refused();
        assert!(line.contains(part), "{program} {args:?}: {line}");
        assert!(!line.contains("os error"), "{line}");
    }
}

#[test]
fn without_a_command_there_is_help_and_a_failure() {
    let host = Host::new();
    for program in ["teleport", "tctl"] {
        // A file that is named counts as an argument.
        let ended = Ended(host.command(program, &[]).env_remove("TELEPORT_CONFIG_FILE").output().expect("it runs"));
        assert!(String::from_utf8_lossy(&ended.0.stdout).contains("Examples:\n"), "{program}");
        assert!(ended.refused().contains("there is no command; choose one of the above"));
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let host = Host::new();
    for (program, args) in [("teleport", &["configure"][..]), ("tctl", &["completion", "bash"]), ("tctl", &["--help"])]
    {
        let mut child =
            host.command(program, args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().expect("stderr").read_to_string(&mut said).expect("read");
        assert!(child.wait().expect("it ends").success(), "{program} {args:?}");
        assert_eq!(said, "");
    }
}

#[test]
fn a_full_disk_behind_stdout_is_said() {
    let host = Host::new();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("there is /dev/full");
    let output = host.command("teleport", &["configure"]).stdout(full).output().expect("it runs");
    assert!(Ended(output).refused().contains("cannot write to stdout"));
}

#[test]
fn the_printed_file_listens_where_people_dial_and_knows_the_clusters() {
    let host = Host::new();
    let kubeconfig = host.file("kubeconfig", "apiVersion: v1\nkind: Config\n");
    let args = [
        "configure",
        "--cluster-name=example.com",
        "--public-addr=teleport.example.com:443",
        &format!("--kubeconfig={kubeconfig}"),
    ];
    let text = host.run("teleport", &args).ok();
    for part in
        ["cluster_name: example.com\n", "web_listen_addr: 0.0.0.0:443\n", "kubernetes_service:\n  enabled: yes\n"]
    {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
    let file = host.file("teleport.yaml", &text);
    assert_eq!(host.run("teleport", &["configure", "--test", &file]).ok(), format!("OK {file}\n"));
}

#[test]
fn man_pages_are_written_for_both_names_of_the_program() {
    let host = Host::new();
    let folder = host.home.path().join("man");
    host.run("teleport", &["man", &folder.display().to_string()]).ok();
    let page = |name: &str| fs::read_to_string(folder.join(name));
    assert!(page("teleport-start.1").expect("a page").contains("until stopped"));
    assert!(page("tctl-users-add.1").expect("a page").contains(".SH EXAMPLES\n.nf\n"));
    page("teleport-ctl.1").expect_err("the pages of tctl are enough");
}

/// A home folder with the program under both its names.
struct Host {
    home: TempDir,
}

/// What a program left.
struct Ended(Output);

impl Host {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("temp dir");
        for name in ["teleport", "tctl"] {
            symlink(env!("CARGO_BIN_EXE_teleport"), home.path().join(name)).expect("symlink");
        }
        // Its folder for state is this home's, for root too.
        let text =
            format!("version: v3\nteleport: {{data_dir: {}}}\nauth_service: {{}}\n", home.path().join("d").display());
        fs::write(home.path().join("default.yaml"), text).expect("write");
        Self { home }
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.home.path().join(name);
        fs::write(&path, text).expect("write");
        path.display().to_string()
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(self.home.path().join(program));
        command
            .args(args)
            .env_clear()
            .env("HOME", self.home.path())
            .env("TELEPORT_CONFIG_FILE", self.home.path().join("default.yaml"))
            .stdin(Stdio::null());
        command
    }

    fn run(&self, program: &str, args: &[&str]) -> Ended {
        Ended(self.command(program, args).output().expect("it runs"))
    }
}

impl Ended {
    /// Insists on success; returns stdout.
    #[track_caller]
    fn ok(self) -> String {
        assert_eq!(self.0.status.code(), Some(0), "{}", String::from_utf8_lossy(&self.0.stderr));
        String::from_utf8(self.0.stdout).expect("text")
    }

    /// Insists on exit code 1 and one `ERROR:` line; returns it.
    #[track_caller]
    fn refused(self) -> String {
        let said = String::from_utf8(self.0.stderr).expect("text");
        assert_eq!(self.0.status.code(), Some(1), "{said}");
        let lines: Vec<&str> = said.lines().collect();
        match lines[..] {
            [line] if line.starts_with("ERROR: ") => line.to_owned(),
            _ => panic!("not one line: {said}"),
        }
    }
}

/// Compares with a golden file below `tests/help/`; `BLESS=1` writes it instead.
fn assert_golden(file: &str, actual: &str) {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/help").join(file);
    if std::env::var_os("BLESS").is_some() {
        fs::create_dir_all(path.parent().expect("parent")).expect("mkdir");
        fs::write(&path, actual).expect("write");
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(actual, golden, "differs from {file}; if that is meant, run again with BLESS=1");
}
