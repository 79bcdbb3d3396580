//! The command, as docker-compose.yml and people type it.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Lines},
    path::Path,
    process::{Child, ChildStderr, Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use rustls_pki_types::ServerName;
use time::{Duration, OffsetDateTime};

use super::{made, make, names, preparation};
use crate::certificates::{der, parsed};

fn prepare(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(["prepare", "--folder"]).arg(folder);
    command.args(arguments);
    for variable in [
        "COUNTERSIGN_FOLDER",
        "COUNTERSIGN_NAMES",
        "COUNTERSIGN_DATABASE",
    ] {
        command.env_remove(variable);
    }
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    prepare(folder, arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// One that runs, and what it says; it ends with this.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
}

impl Running {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut child = prepare(folder, arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Everything up to the line that begins with `start`.
    fn until(&mut self, start: &str) -> Vec<String> {
        let mut said = Vec::new();
        for line in &mut self.lines {
            said.push(line.unwrap());
            if said.last().unwrap().starts_with(start) {
                return said;
            }
        }
        panic!("never {start:?}: {said:?}");
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn succeeds(&mut self) -> bool {
        self.child.wait().unwrap().success()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What was made so long ago that its certificates are about to be renewed.
fn made_two_months_ago() -> (tempfile::TempDir, OffsetDateTime) {
    let then = daemon::clock::now() - Duration::days(61);
    let folder = tempfile::tempdir().unwrap();
    let mut preparation = preparation(folder.path());
    preparation.names = ["localhost", "127.0.0.1", "::1"]
        .map(|it| it.parse().unwrap())
        .into();
    make(&preparation, then).unwrap();
    (folder, then)
}

#[test]
fn the_command_makes_everything_and_the_check_says_whether_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let checked = run(folder.path(), &["--check"]);
    assert!(!checked.status.success());
    assert!(said(&checked).contains("is missing"));

    let made = run(
        folder.path(),
        &["--host", "one.example.com,two.example.com"],
    );
    assert!(made.status.success());
    assert!(run(folder.path(), &["--check"]).status.success());
    let server = der(folder.path(), "server/server.crt");
    assert!(names(&parsed(&server)).contains("two.example.com"));
}

#[test]
fn a_container_is_told_everything_by_variables() {
    let folder = tempfile::tempdir().unwrap();
    let run = |database: &str, arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_countersign"))
            .arg("prepare")
            .args(arguments)
            .env("COUNTERSIGN_FOLDER", folder.path())
            .env("COUNTERSIGN_NAMES", "one.example.com,two.example.com")
            .env("COUNTERSIGN_DATABASE", database)
            .output()
            .unwrap()
    };
    assert!(run("", &[]).status.success());
    assert!(!folder.path().join("authority/database").exists());
    assert!(run("postgres", &[]).status.success());
    let server = der(folder.path(), "server/server.crt");
    assert!(names(&parsed(&server)).contains("two.example.com"));

    for arguments in [&["--check"][..], &["--watch"], &[]] {
        let refused = run("mysql", arguments);
        assert_eq!(refused.status.code(), Some(1));
        assert!(
            said(&refused).contains("The data is still there, in PostgreSQL"),
            "{}",
            said(&refused)
        );
    }
    assert!(run("postgres", &["--check"]).status.success());
    assert!(run("mysql", &["--change-database"]).status.success());
    assert!(run("mysql", &["--check"]).status.success());
    assert_eq!(run("mongo", &[]).status.code(), Some(2));
}

#[test]
fn a_name_that_is_none_is_refused_and_nothing_is_made() {
    for name in [
        "https://trust.example.com",
        "host:8443",
        "a b",
        "10.0.0.0/8",
        "",
        "bücher.example",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let refused = run(folder.path(), &["--host", &format!("localhost,{name}")]);
        assert_eq!(refused.status.code(), Some(2), "{name}");
        let text = said(&refused);
        assert!(
            text.contains(&format!("{name:?} is not what a client can call a server")),
            "{text}"
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_wildcard_is_good_for_the_names_below_it() {
    let folder = tempfile::tempdir().unwrap();
    assert!(
        run(folder.path(), &["--host", "*.example.com,[::1]"])
            .status
            .success()
    );
    let server = der(folder.path(), "server/server.crt");
    let server = webpki::EndEntityCert::try_from(&server).unwrap();
    for (name, is_good) in [
        ("trust.example.com", true),
        ("::1", true),
        ("example.com", false),
        ("a.trust.example.com", false),
    ] {
        let verdict = server.verify_is_valid_for_subject_name(&ServerName::try_from(name).unwrap());
        assert_eq!(verdict.is_ok(), is_good, "{name}");
    }
}

#[test]
fn what_is_permitted_once_cannot_be_permitted_for_ever() {
    for flag in ["--new-authority", "--new-passphrase", "--change-database"] {
        for task in ["--watch", "--check"] {
            let folder = tempfile::tempdir().unwrap();
            let refused = run(folder.path(), &["--database=mysql", task, flag]);
            assert_eq!(refused.status.code(), Some(2), "{task} {flag}");
        }
    }
}

#[test]
fn a_watching_one_ends_at_once_when_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let mut watching = Running::start(folder.path(), &["--watch"]);
    watching.until("everything is in place");

    fs::remove_file(folder.path().join("signer/signer.crt")).unwrap();
    watching.signal(Signal::HUP);
    assert_eq!(watching.until("made").len(), 1);

    watching.signal(Signal::TERM);
    assert!(watching.succeeds());
}

#[test]
fn a_renewal_that_fails_in_time_is_no_reason_to_end_and_is_tried_again() {
    let (folder, _) = made_two_months_ago();
    let hindrance = folder.path().join("server/server.crt.new");
    fs::create_dir_all(hindrance.join("full")).unwrap();
    let mut watching = Running::start(folder.path(), &["--watch"]);
    let said = watching.until("everything is in place");
    assert_eq!(said.len(), 5, "{said:?}");
    assert!(
        said[3].starts_with("this failed, and is tried again every hour: "),
        "{said:?}"
    );
    assert!(
        said[3].contains("server/server.crt cannot be written"),
        "{said:?}"
    );
    watching.signal(Signal::HUP);
    watching.until("this failed");

    fs::remove_dir_all(hindrance).unwrap();
    watching.signal(Signal::HUP);
    assert_eq!(watching.until("renewed server.crt").len(), 1);
    watching.signal(Signal::TERM);
    assert!(watching.succeeds());
}

#[test]
fn a_watching_one_says_until_when_clients_need_the_authority_s_new_certificate() {
    let folder = made(daemon::clock::now() - Duration::days(3650 - 300));
    let mut watching = Running::start(folder.path(), &["--watch"]);
    watching.until("everything is in place");
    let reminder = "the CA's certificate was renewed: clients that still have the former one stop";
    assert_eq!(watching.until(reminder).len(), 1);
    watching.signal(Signal::HUP);
    assert_eq!(watching.until(reminder).len(), 1);
}

#[test]
fn what_is_not_valid_any_more_and_cannot_be_renewed_is_a_reason_to_end() {
    let folder = made(daemon::clock::now() - Duration::days(91));
    fs::create_dir_all(folder.path().join("server/server.crt.new/full")).unwrap();
    let ended = run(folder.path(), &["--watch"]);
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        said(&ended).ends_with("(`prepare`: --folder).\n"),
        "{}",
        said(&ended)
    );
    assert!(said(&ended).contains("server/server.crt cannot be written"));
}

#[test]
fn two_at_once_wait_for_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let all: Vec<_> = (0..4).map(|_| Running::start(folder.path(), &[])).collect();
    for mut one in all {
        assert!(one.succeeds());
    }
    assert!(run(folder.path(), &["--check"]).status.success());
}

#[test]
fn a_run_that_waits_says_so_and_ends_when_told_to_and_a_check_does_not_wait() {
    let folder = tempfile::tempdir().unwrap();
    assert!(run(folder.path(), &[]).status.success());
    let held = File::open(folder.path().join("authority")).unwrap();
    held.lock().unwrap();

    let mut waiting = Running::start(folder.path(), &[]);
    let mut watching = Running::start(folder.path(), &["--watch"]);
    let mut ending = Running::start(folder.path(), &["--watch"]);
    for one in [&mut waiting, &mut watching, &mut ending] {
        let line = one.until("waiting for another `countersign prepare`");
        assert_eq!(line.len(), 1);
    }
    assert!(run(folder.path(), &["--check"]).status.success());
    ending.signal(Signal::TERM);
    assert!(ending.succeeds());

    drop(held);
    assert!(waiting.succeeds());
    watching.until("everything is in place");
    watching.signal(Signal::TERM);
    assert!(watching.succeeds());
}
