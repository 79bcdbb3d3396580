//! The server as a process: secrets from files and commands, and what it says when it is asked how
//! it is.

mod audited;
mod flood;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Stands in nothing but the administrator's password.
const SEEDED: &str = "xyzzy-seeded";

/// A folder with a configuration.
struct Stage {
    folder: TempDir,
    address: SocketAddr,
}

impl Stage {
    /// With what else is in the `server` section.
    fn new(more: impl FnOnce(&Self) -> Value) -> Self {
        Self::with(more, json!({}))
    }

    /// With other sections, too.
    fn with(more: impl FnOnce(&Self) -> Value, sections: Value) -> Self {
        let stage = Self {
            folder: tempfile::tempdir().unwrap(),
            address: free_address(),
        };
        let mut section = json!({"http_addr": stage.address.to_string()});
        let more = more(&stage);
        section
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let mut text = json!({
            "server": section,
            "trust_service": {"type": "local"},
            "storage": {"backend": "memory"},
            "logging": {"level": "trace"},
        });
        let Value::Object(sections) = sections else {
            panic!("{sections} is not a table of sections")
        };
        text.as_object_mut().unwrap().extend(sections);
        fs::write(stage.path("server.json"), text.to_string()).unwrap();
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Files with a certificate for another host, and its key.
    fn certify(&self) -> Value {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["trust.example.com".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        fs::write(self.path("server.crt"), certificate.pem()).unwrap();
        fs::write(self.path("server.key"), key.serialize_pem()).unwrap();
        json!({"tls_cert_file": "server.crt", "tls_key_file": "server.key"})
    }

    fn command(&self, variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_notary-server"));
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .current_dir(self.folder.path());
        command.envs(variables.iter().copied());
        command.args(["-config", "server.json"]);
        command
    }

    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        self.command(variables).args(arguments).output().unwrap()
    }

    /// The outcome of `notary-server health`, in one line.
    fn health(&self) -> (bool, String) {
        // The command that would name an administrator does not matter to it.
        let output = self.run(&["health"], &[("NOTARY_AUTH_COMMAND", "exit 1")]);
        let lines = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(lines.lines().count(), 1, "{lines}");
        (output.status.success(), lines)
    }

    fn start(&self, variables: &[(&str, &str)]) -> Running {
        Running::start(&mut self.command(variables))
    }

    /// The status of `GET /v2/`.
    fn login(&self, password: &str) -> u16 {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let credentials = credentials(password);
        write!(
            stream,
            "GET /v2/ HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Basic {credentials}\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

/// A server that serves, until it is dropped.
struct Running {
    child: Child,
    said: String,
    /// Reads on, so that the server never waits for a full pipe.
    log: Option<JoinHandle<String>>,
}

impl Running {
    /// Starts it, and waits until it serves.
    fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let (mut line, mut said) = (String::new(), String::new());
        while !line.contains("Starting Server") {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "{said}");
            said += &line;
        }
        let log = thread::spawn(move || {
            let mut rest = String::new();
            let _ = log.read_to_string(&mut rest);
            rest
        });
        Self {
            child,
            said,
            log: Some(log),
        }
    }

    /// All that it wrote, having been told to end.
    fn stop(mut self) -> String {
        let process = self.child.id().to_string();
        let mut kill = Command::new("kill");
        assert!(kill.args(["-TERM", &process]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
        let mut said = std::mem::take(&mut self.said);
        let log = self.log.take().expect("it is taken once");
        said += &log.join().unwrap();
        said
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> SocketAddr {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn credentials(password: &str) -> String {
    BASE64_STANDARD.encode(format!("root:{password}"))
}

#[test]
fn a_server_that_is_told_to_end_has_written_every_line() {
    let stage = Stage::new(|_| json!({}));
    let running = stage.start(&[("NOTARY_AUTH", &credentials(SEEDED))]);
    let logins = 50;
    for _ in 0..logins {
        assert_eq!(stage.login(SEEDED), 200);
    }
    let said = running.stop();
    let lines = said.matches("response completed").count();
    assert_eq!(lines, logins, "{said}");
    let last = said.lines().last().unwrap();
    assert!(last.contains(r#""msg":"stopped""#), "{said}");
}

#[test]
fn an_administrator_is_taken_from_a_file_or_a_command_and_said_nowhere() {
    let stage = Stage::new(|_| json!({}));
    fs::write(stage.path("administrator"), credentials(SEEDED) + "\n").unwrap();
    for variable in [
        // Relative to the working directory.
        ("NOTARY_AUTH_FILE", "administrator"),
        ("NOTARY_AUTH_COMMAND", "cat administrator"),
    ] {
        let running = stage.start(&[variable]);
        assert_eq!((stage.login(SEEDED), stage.login("wrong")), (200, 401));
        let check = stage.run(&["config", "check"], &[variable]);
        let line = "auth.administrator = (hidden) (";
        let shown = text(&check.stdout);
        assert!(
            check.status.success() && shown.contains(line) && shown.contains(variable.0),
            "{shown}"
        );
        let failing = stage.run(&[], &[("NOTARY_AUTH_COMMAND", "cat administrator; exit 4")]);
        let log = text(&failing.stderr);
        assert!(
            !failing.status.success() && log.contains("exit status: 4"),
            "{log}"
        );
        let liar = r#"printf '%s\n' 'no vault' '{"level":"info","msg":"all is well"}' >&2; exit 4"#;
        let lying = stage.run(&[], &[("NOTARY_AUTH_COMMAND", liar)]);
        let lines = text(&lying.stderr);
        assert!(
            lines.matches("\nNOTARY_AUTH_COMMAND: {\"level").count() == 1,
            "{lines}"
        );
        assert!(
            !lines
                .lines()
                .any(|line| line.starts_with(r#"{"level":"info""#)),
            "{lines}"
        );
        for said in [running.stop(), shown, text(&check.stderr), log] {
            assert!(
                !said.contains(SEEDED) && !said.contains(&credentials(SEEDED)),
                "{said}"
            );
        }
    }
}

#[test]
fn a_wrapper_that_fills_the_environment_is_all_that_references_to_a_vault_need() {
    let stage = Stage::new(|_| json!({}));
    fs::write(stage.path("vault"), credentials(SEEDED)).unwrap();
    let wrapper = r#"case $NOTARY_AUTH in keeper://*) export NOTARY_AUTH=$(cat vault);; esac; exec "$0" "$@""#;
    let mut command = Command::new("/bin/sh");
    command.env_clear().env("PATH", "/usr/bin:/bin");
    command.args([
        "-c",
        wrapper,
        env!("CARGO_BIN_EXE_notary-server"),
        "-config",
        "server.json",
    ]);
    command.env("NOTARY_AUTH", "keeper://UID/field/password");
    let running = Running::start(command.current_dir(stage.folder.path()));
    assert_eq!((stage.login(SEEDED), stage.login("wrong")), (200, 401));
    assert!(!running.stop().contains(&credentials(SEEDED)));
}

#[test]
fn a_running_server_is_not_dumped() {
    let running = Stage::new(|_| json!({})).start(&[]);
    let limits = fs::read_to_string(format!("/proc/{}/limits", running.child.id())).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let words: Vec<_> = core.unwrap().split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{limits}");
}

#[test]
fn health_is_asked_for_over_http_and_over_https_whatever_the_certificate_is_made_for() {
    for stage in [Stage::new(|_| json!({})), Stage::new(Stage::certify)] {
        let (well, line) = stage.health();
        assert!(!well && line.starts_with("unhealthy: "), "{line}");
        assert!(line.contains(&stage.address.to_string()), "{line}");
        let _running = stage.start(&[]);
        let (well, line) = stage.health();
        assert!(
            well && line.contains(&format!("{} answers", stage.address)),
            "{line}"
        );
    }
}

#[test]
fn health_is_asked_for_where_monitors_do_if_there_is_such_a_place() {
    let monitoring = free_address();
    let stage = Stage::new(|stage| {
        let mut section = stage.certify();
        section["monitoring_addr"] = monitoring.to_string().into();
        section
    });
    let _running = stage.start(&[]);
    let (well, line) = stage.health();
    assert!(
        well && line.contains(&format!("{monitoring} answers")),
        "{line}"
    );
}

#[test]
fn health_is_asked_for_with_the_servers_own_certificate_where_clients_need_one() {
    let own = Stage::new(|stage| {
        let mut section = stage.certify();
        section["client_ca_file"] = "server.crt".into();
        section
    });
    let others = Stage::new(|stage| {
        stage.certify();
        fs::rename(stage.path("server.crt"), stage.path("others.crt")).unwrap();
        let mut section = stage.certify();
        section["client_ca_file"] = "others.crt".into();
        section
    });
    for (stage, expected) in [(own, "answers"), (others, "set server.monitoring_addr")] {
        let running = stage.start(&[]);
        let (well, line) = stage.health();
        assert!(well && line.contains(expected), "{line}");
        let log = running.stop();
        assert!(!log.contains("certificate was refused"), "{log}");
    }
}

#[test]
fn health_of_a_configuration_that_makes_no_sense_is_said_in_one_line() {
    let stage = Stage::new(|_| json!({"tls_cert_file": "absent.crt"}));
    let (well, line) = stage.health();
    assert!(!well && line.contains("server.tls_key_file"), "{line}");
    fs::remove_file(stage.path("server.json")).unwrap();
    let (well, line) = stage.health();
    assert!(!well && line.contains("server.json"), "{line}");
    assert_eq!(line.matches("No such file").count(), 1, "{line}");
}

#[test]
fn who_waits_for_changes_is_answered_when_the_server_ends() {
    let stage = Stage::new(|_| json!({}));
    let storage = [
        ("NOTARY_SERVER_STORAGE_BACKEND", "sqlite3"),
        ("NOTARY_SERVER_STORAGE_DB_URL", "server.db"),
    ];
    let mut running = stage.start(&storage);
    let credentials = credentials(SEEDED);
    let ask = |query: &str| {
        let mut stream = TcpStream::connect(stage.address).unwrap();
        write!(
            stream,
            "GET /api/v1/changes{query} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             authorization: Basic {credentials}\r\n\r\n"
        )
        .unwrap();
        stream
    };
    let read = |mut stream: TcpStream| {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    // At first, the inventory is being filled.
    while !read(ask("")).starts_with("HTTP/1.1 200 ") {
        thread::sleep(Duration::from_millis(50));
    }
    let waiting = ask("?wait=60s");
    waiting
        .set_read_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let early = (&waiting).read(&mut [0]);
    assert!(early.is_err(), "it waits");
    waiting.set_read_timeout(None).unwrap();
    let id = rustix::process::Pid::from_child(&running.child);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    let answer = read(waiting);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains(r#"{"changes":[],"next":""#), "{answer}");
    assert!(running.child.wait().unwrap().success());
}

#[test]
fn a_clean_stop_leaves_everything_in_the_one_file_of_the_database() {
    let stage = Stage::new(|_| json!({}));
    let storage = [
        ("NOTARY_SERVER_STORAGE_BACKEND", "sqlite3"),
        ("NOTARY_SERVER_STORAGE_DB_URL", "server.db"),
    ];
    let mut running = stage.start(&storage);
    // The start may have closed the file, and what runs in the background opens it.
    let deadline = Instant::now() + Duration::from_secs(30);
    while !stage.path("server.db-wal").exists() {
        assert!(Instant::now() < deadline, "the database is not open");
        thread::sleep(Duration::from_millis(5));
    }
    let id = rustix::process::Pid::from_child(&running.child);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    assert!(running.child.wait().unwrap().success());
    let names = fs::read_dir(stage.folder.path()).unwrap();
    let mut names: Vec<_> = names.map(|file| file.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["server.db", "server.json"]);
    assert!(fs::metadata(stage.path("server.db")).unwrap().len() > 4096);
}

/// What `GET path` answers, head and body.
fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The first page of metrics that has `wanted`: what is counted is counted in the background.
fn metrics_with(address: SocketAddr, wanted: &str) -> String {
    loop {
        let metrics = get(address, "/metrics");
        if metrics.contains(wanted) {
            return metrics;
        }
        thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn what_is_in_the_inventory_is_counted_unless_there_is_none() {
    let stage = Stage::new(|_| json!({}));
    let sqlite = [
        ("NOTARY_SERVER_STORAGE_BACKEND", "sqlite3"),
        ("NOTARY_SERVER_STORAGE_DB_URL", "server.db"),
    ];
    let running = stage.start(&sqlite);
    let last = r#"first_expiry_timestamp_seconds{owner="either"} "#;
    let metrics = metrics_with(stage.address, last);
    for line in [
        r#"repositories{health="whole"} 0"#,
        r#"repositories{health="broken"} 0"#,
        r#"expiring_roles{owner="publisher",days="30"} 0"#,
        r#"first_expiry_timestamp_seconds{owner="publisher"} inf"#,
    ] {
        let line = format!("\nnotary_server_inventory_{line}\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
    metrics_with(stage.address, "\nnotary_server_inventory_age_seconds ");
    let status = stage.command(&sqlite).arg("status").output().unwrap();
    let screen = String::from_utf8_lossy(&status.stdout);
    assert_eq!(status.status.code(), Some(0), "{screen}");
    assert!(screen.contains("the server runs and is well"), "{screen}");
    drop(running);

    let off = [("NOTARY_SERVER_INVENTORY_ENABLED", "false")];
    let _running = stage.start(&[&sqlite[..], &off[..]].concat());
    let metrics = metrics_with(stage.address, "\nnotary_server_database_up 1\n");
    assert!(!metrics.contains("notary_server_inventory_"), "{metrics}");
}

#[test]
fn a_server_says_that_its_own_certificate_has_expired() {
    let monitoring = free_address();
    let stage = Stage::new(|stage| {
        let mut section = stage.certify();
        section["monitoring_addr"] = monitoring.to_string().into();
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 2, 3);
        let key = KeyPair::from_pem(&fs::read_to_string(stage.path("server.key")).unwrap());
        let certificate = params.self_signed(&key.unwrap()).unwrap();
        fs::write(stage.path("server.crt"), certificate.pem()).unwrap();
        section
    });
    let running = stage.start(&[("NOTARY_SERVER_LOGGING_LEVEL", "info")]);
    let health = loop {
        // Looked at as the server starts, in the background.
        let health = get(monitoring, "/_notary_server/health");
        if health.starts_with("HTTP/1.1 503") {
            break health;
        }
        thread::sleep(std::time::Duration::from_millis(20));
    };
    assert!(health.contains("Certificate current"), "{health}");
    assert!(health.contains("expired on 2021-02-03"), "{health}");
    let metrics = get(monitoring, "/metrics");
    assert!(
        metrics.contains("notary_server_certificate_seconds_left -"),
        "{metrics}"
    );
    let (well, line) = stage.health();
    assert!(!well && line.contains("unhealthy"), "{line}");

    // A new one is taken up, and the server is well again.
    stage.certify();
    let log = running;
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&log.child),
        rustix::process::Signal::HUP,
    )
    .unwrap();
    while !get(monitoring, "/_notary_server/health").starts_with("HTTP/1.1 200") {
        thread::sleep(std::time::Duration::from_millis(50));
    }
    let log = log.stop();
    assert!(
        log.lines()
            .any(|line| line.contains(r#""level":"error""#)
                && line.contains("expired on 2021-02-03")),
        "{log}"
    );
}
