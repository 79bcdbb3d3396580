//! The whole service, as a person starts, uses, loses and stops it.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use countersign::{address::Address, health};
use rustix::process::{Pid, Signal, kill_process};

/// For a debug build on a busy machine.
const SOON: Duration = Duration::from_mins(1);

/// A running `countersign`; its children end with it, however the test ends.
struct Service {
    parent: Child,
    server: Address,
    signer: Address,
    lines: Vec<String>,
    log: JoinHandle<String>,
}

impl Service {
    /// Starts it in `data` on ports that were free a moment ago, and waits for the lines to paste.
    fn start(data: &Path) -> Self {
        Self::try_start(data).unwrap_or_else(|(_, log)| panic!("it did not start:\n{log}"))
    }

    fn try_start(data: &Path) -> Result<Self, (ExitStatus, String)> {
        Self::start_on(data, free_address(), free_address())
    }

    fn start_on(
        data: &Path,
        server: Address,
        signer: Address,
    ) -> Result<Self, (ExitStatus, String)> {
        let mut parent = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args(["up", "--listen", &server.to_string()])
            .args(["--signer-listen", &signer.to_string()])
            .arg("--data")
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = parent.stderr.take().unwrap();
        // Read to its end, so that the process never waits for a full pipe.
        let log = std::thread::spawn(move || {
            let mut text = Vec::new();
            log.read_to_end(&mut text).unwrap();
            String::from_utf8_lossy(&text).into_owned()
        });
        let stdout = BufReader::new(parent.stdout.take().unwrap());
        let lines: Vec<String> = stdout.lines().take(3).map(Result::unwrap).collect();
        if lines.len() == 3 {
            Ok(Self {
                parent,
                server,
                signer,
                lines,
                log,
            })
        } else {
            Err((parent.wait().unwrap(), log.join().unwrap()))
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(pid(self.parent.id()), signal).unwrap();
    }

    /// Waits for its end, and answers how it ended and what it said.
    fn end(mut self) -> (ExitStatus, String) {
        let status = self.parent.wait().unwrap();
        let log = std::mem::replace(&mut self.log, std::thread::spawn(String::new));
        (status, log.join().unwrap())
    }

    /// The process id of one of its children, `server` or `signer`.
    fn child(&self, name: &str) -> Option<u32> {
        let entries = fs::read_dir("/proc").unwrap().flatten();
        entries
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .find(|id: &u32| is_child(*id, self.parent.id(), name))
    }

    fn is_down(&self) -> bool {
        is_free(&self.server) && is_free(&self.signer)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.parent.kill();
        let _ = self.parent.wait();
    }
}

fn is_free(address: &Address) -> bool {
    TcpListener::bind((address.host.as_str(), address.port)).is_ok()
}

fn free_address() -> Address {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string().parse().unwrap()
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).unwrap()).unwrap()
}

fn is_child(id: u32, parent: u32, name: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let command = fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default();
    status
        .lines()
        .any(|line| line.split_whitespace().eq(["PPid:", &parent.to_string()]))
        && command.contains(&format!("\0child\0{name}\0"))
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < SOON, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn ask<F: Future>(question: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(question)
}

#[test]
fn one_command_runs_both_programs_and_ctrl_c_stops_both() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path());

    assert_eq!(service.lines[0], "export DOCKER_CONTENT_TRUST=1");
    let url = format!("https://localhost:{}", service.server.port);
    assert_eq!(
        service.lines[1],
        format!("export DOCKER_CONTENT_TRUST_SERVER={url}")
    );
    assert!(service.lines[2].starts_with("mkdir -p ~/.docker/tls/localhost:"));
    assert_eq!(ask(health::server(&service.server, folder.path())), Ok(()));
    assert_eq!(ask(health::signer(&service.signer, folder.path())), Ok(()));

    let (server, signer) = (service.server.clone(), service.signer.clone());
    service.signal(Signal::INT);
    let (status, log) = service.end();
    assert!(status.success(), "{status}: {log}");
    assert!(is_free(&server) && is_free(&signer));
}

#[test]
fn a_signal_that_comes_twice_at_once_still_lets_both_finish() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path());
    service.signal(Signal::INT);
    service.signal(Signal::TERM);
    let (status, log) = service.end();
    assert!(status.success(), "{status}: {log}");
    assert!(!log.contains("stopping at once"), "{log}");
}

#[test]
fn started_again_it_is_the_same_service() {
    let folder = tempfile::tempdir().unwrap();
    let files = [
        "ca.crt",
        "server.crt",
        "server.json",
        "signer.json",
        "passphrases/development",
    ];
    let read = || files.map(|name| fs::read(folder.path().join(name)).unwrap());
    let first = Service::start(folder.path());
    let before = read();
    first.signal(Signal::TERM);
    assert!(first.end().0.success());

    let second = Service::start(folder.path());

    assert_eq!(read(), before);
    assert_eq!(ask(health::server(&second.server, folder.path())), Ok(()));
}

#[test]
fn no_orphan_is_left_when_it_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path());
    assert!(!service.is_down());
    service.signal(Signal::KILL);
    eventually("both programs end", || service.is_down());
}

#[test]
fn killed_and_started_again_at_once_it_finds_its_ports() {
    let folder = tempfile::tempdir().unwrap();
    let first = Service::start(folder.path());
    first.signal(Signal::KILL);
    let (server, signer) = (first.server.clone(), first.signer.clone());
    drop(first);
    let second = Service::start_on(folder.path(), server, signer);
    let second = second.unwrap_or_else(|(_, log)| panic!("it did not start:\n{log}"));
    assert_eq!(ask(health::server(&second.server, folder.path())), Ok(()));
}

#[test]
fn a_killed_signer_or_server_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path());
    for name in ["signer", "server"] {
        let old = service.child(name).unwrap();
        kill_process(pid(old), Signal::KILL).unwrap();
        eventually("a new one runs", || {
            service.child(name).is_some_and(|new| new != old)
        });
    }
    eventually("the signer signs", || {
        ask(health::signer(&service.signer, folder.path())).is_ok()
    });
    eventually("the server serves", || {
        ask(health::server(&service.server, folder.path())).is_ok()
    });
}

#[test]
fn a_database_that_is_damaged_inside_ends_it_with_the_program_and_the_file() {
    for name in ["signer", "server"] {
        let folder = tempfile::tempdir().unwrap();
        let service = Service::start(folder.path());
        service.signal(Signal::TERM);
        assert!(service.end().0.success());
        let path = folder.path().join(format!("{name}.db"));
        for suffix in ["-wal", "-shm"] {
            let _ = fs::remove_file(folder.path().join(format!("{name}.db{suffix}")));
        }
        let mut bytes = fs::read(&path).unwrap();
        bytes[16..].fill(0xa5);
        fs::write(&path, bytes).unwrap();

        let (status, log) = Service::try_start(folder.path())
            .err()
            .expect("it cannot start");

        assert_eq!(status.code(), Some(1));
        let last = log.lines().last().unwrap_or_default();
        assert!(
            last.starts_with(&format!("countersign: the {name} did not start: ")),
            "{log}"
        );
        assert!(last.contains(&format!("{name}.db")), "{last}");
        assert!(last.contains("backup"), "{last}");
    }
}

#[test]
fn the_health_of_a_service_is_asked_for_by_a_command_and_nothing_of_it_is_dumped() {
    let folder = tempfile::tempdir().unwrap();
    let asked = || {
        let output = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args(["health", "--data"])
            .arg(folder.path())
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    };
    let service = Service::start(folder.path());
    let (well, line) = asked();
    assert!(well && line.starts_with("healthy: "), "{line}");
    let children = ["server", "signer"].map(|name| service.child(name).unwrap());
    for id in [&[service.parent.id()], &children[..]].concat() {
        let limits = fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
        let core = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"));
        let words: Vec<_> = core.unwrap().split_whitespace().collect();
        assert_eq!(words[4..6], ["0", "0"], "{limits}");
    }
    service.signal(Signal::TERM);
    service.end();
    let (well, line) = asked();
    assert!(!well && line.starts_with("unhealthy: "), "{line}");
}

#[test]
fn a_server_that_others_reach_does_not_start_without_authentication() {
    let folder = tempfile::tempdir().unwrap();
    let (server, signer) = (free_address(), free_address());
    let server: Address = format!("0.0.0.0:{}", server.port).parse().unwrap();
    let (status, log) = Service::start_on(folder.path(), server.clone(), signer.clone())
        .err()
        .expect("everybody could publish");
    assert_eq!(status.code(), Some(1));
    let last = log.lines().last().unwrap_or_default();
    assert!(
        last.contains("0.0.0.0 is reachable from other machines"),
        "{last}"
    );
    assert!(last.contains("NOTARY_AUTH"), "{last}");

    let path = folder.path().join("server.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        text.replacen('{', r#"{"auth": {"type": "none"},"#, 1),
    )
    .unwrap();
    Service::start_on(folder.path(), server, signer).expect("it was said that this is meant");
}

#[test]
fn a_stopped_service_leaves_databases_of_one_file_and_misses_one_that_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path());
    service.signal(Signal::TERM);
    assert!(service.end().0.success());
    for name in ["server.db", "signer.db"] {
        assert!(folder.path().join(name).exists(), "{name}");
        for suffix in ["-wal", "-shm"] {
            let beside = folder.path().join(format!("{name}{suffix}"));
            assert!(!beside.exists(), "{}", beside.display());
        }
    }
    fs::remove_file(folder.path().join("signer.db")).unwrap();
    let (status, log) = Service::try_start(folder.path())
        .err()
        .expect("it cannot start");
    assert_eq!(status.code(), Some(1));
    assert!(log.contains("signer.db is missing"), "{log}");
}
