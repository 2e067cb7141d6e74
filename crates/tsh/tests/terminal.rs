//! `tsh login` on a terminal: the prompt, and that the password is not shown.

#![allow(clippy::panic, reason = "a test that cannot go on should say so at once")]

mod common;

use std::{
    fs::File,
    io::{Read as _, Write as _},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use common::{
    fake_cluster::{FakeCluster, PASSWORD},
    laptop::Laptop,
};
use rustix::{
    fs::{Mode, OFlags},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, tcgetattr},
};

#[test]
fn the_password_is_asked_for_without_echo() {
    let Some(terminal) = Terminal::new("the_password_is_asked_for_without_echo") else { return };
    let (cluster, laptop) = (FakeCluster::start(&["prod"]), Laptop::new());
    let mut login = terminal.start(&laptop, &["login", &cluster.proxy(), &cluster.pin()]);
    let mut screen = Screen(terminal.master);
    assert!(screen.until("Password for alice: ").starts_with("Password for alice: "));
    screen.wait_for_silence();
    screen.0.write_all(format!("{PASSWORD}\n").as_bytes()).expect("type");
    let rest = screen.until("(context main-prod)");
    assert!(login.wait().expect("it ends").success());
    assert!(!rest.contains(PASSWORD) && rest.contains("Logged in as:       alice"), "{rest}");
}

#[test]
fn interrupting_the_prompt_ends_the_login_and_leaves_nothing() {
    let Some(terminal) = Terminal::new("interrupting_the_prompt_ends_the_login_and_leaves_nothing") else { return };
    let (cluster, laptop) = (FakeCluster::start(&["prod"]), Laptop::new());
    let mut login = terminal.start(&laptop, &["login", &cluster.proxy(), &cluster.pin()]);
    let mut screen = Screen(terminal.master);
    screen.until("Password for alice: ");
    screen.wait_for_silence();
    screen.0.write_all(b"half\x03").expect("type");
    assert_eq!(login.wait().expect("it ends").code(), Some(130));
    assert!(tcgetattr(&screen.0).expect("a terminal").local_modes.contains(LocalModes::ECHO), "typing shows again");
    assert!(!laptop.store("current-profile").exists());
}

struct Terminal {
    master: File,
    name: String,
}

impl Terminal {
    /// Makes a terminal; `setsid` is what gives it to a program.
    fn new(test: &str) -> Option<Self> {
        if Command::new("setsid").arg("--version").stdout(Stdio::null()).status().is_err() {
            println!("SKIPPED {test}: no setsid (util-linux) on PATH");
            return None;
        }
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).expect("granted");
        unlockpt(&master).expect("unlocked");
        let name = ptsname(&master, Vec::new()).expect("a name").into_string().expect("text");
        Some(Self { master: File::from(master), name })
    }

    fn start(&self, laptop: &Laptop, args: &[&str]) -> Child {
        let open = || {
            let slave = rustix::fs::open(&self.name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty());
            Stdio::from(slave.expect("it opens"))
        };
        let tsh = laptop.command(args);
        let mut command = Command::new("setsid");
        command.args(["--wait", "--ctty"]).arg(tsh.get_program()).args(tsh.get_args());
        for (name, value) in tsh.get_envs() {
            command.env(name, value.expect("set"));
        }
        command.stdin(open()).stdout(open()).stderr(open()).spawn().expect("it starts")
    }
}

struct Screen(File);

impl Screen {
    /// Waits until what is typed is not shown; the prompt is there a moment earlier.
    fn wait_for_silence(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while tcgetattr(&self.0).expect("a terminal").local_modes.contains(LocalModes::ECHO) {
            assert!(Instant::now() < deadline, "the terminal still shows what is typed");
            std::thread::yield_now();
        }
    }

    /// Reads what is shown until a text is.
    fn until(&mut self, text: &str) -> String {
        let mut shown = Vec::new();
        let mut chunk = [0; 1024];
        while !String::from_utf8_lossy(&shown).contains(text) {
            match self.0.read(&mut chunk) {
                Ok(length) if length > 0 => shown.extend(chunk.iter().take(length)),
                other => panic!("{text:?} was not shown, {other:?}: {}", String::from_utf8_lossy(&shown)),
            }
        }
        String::from_utf8_lossy(&shown).into_owned()
    }
}
