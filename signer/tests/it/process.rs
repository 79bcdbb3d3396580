//! The signer as a process: what others can see of it, and what it says when it is asked how it is.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::{SocketAddr, TcpListener},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Output, Stdio},
};

use rustix::process::geteuid;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::pki::{ClientAuth, Identity, Pki, ServerAuth};

/// Stands in nothing but the passphrase.
const SEEDED: &str = "xyzzy-seeded";
/// A user without rights, should the superuser run the tests.
const NOBODY: u32 = 65_534;

/// A folder with all that a signer needs.
struct Stage {
    folder: TempDir,
    pki: Pki,
    address: SocketAddr,
}

impl Stage {
    fn new() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        Self {
            folder: tempfile::tempdir().unwrap(),
            pki: Pki::new(),
            address: free.local_addr().unwrap(),
        }
    }

    /// Writes a configuration for a signer with this certificate and what else is in `server`.
    fn configure(&self, identity: &Identity, server: &Value) {
        let mut section = json!({
            "grpc_addr": self.address.to_string(),
            "tls_cert_file": identity.cert,
            "tls_key_file": identity.key,
            "client_ca_file": self.pki.file("ca.crt", &self.pki.ca_pem),
        });
        let more = server.as_object().unwrap().clone();
        section.as_object_mut().unwrap().extend(more);
        let text = json!({
            "server": section,
            "logging": {"level": "warn"},
            "storage": {"backend": "sqlite3", "db_url": self.path("signer.db"),
                        "default_alias": "one"},
        });
        fs::write(self.path("signer.json"), text.to_string()).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/bin:/bin");
        command.arg("-config").arg(self.path("signer.json"));
        command
    }

    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = self.command(Path::new(env!("CARGO_BIN_EXE_notary-signer")));
        command.args(arguments).envs(variables.iter().copied());
        command.output().unwrap()
    }

    /// The outcome of `notary-signer health`, in one line.
    fn health(&self) -> (bool, String) {
        // The command that would have a database's URL does not matter to it.
        let url = ("NOTARY_SIGNER_STORAGE_DB_URL_COMMAND", "exit 1");
        let output = self.run(&["health"], &[url]);
        let lines = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(lines.lines().count(), 1, "{lines}");
        (output.status.success(), lines)
    }

    fn start(&self, variables: &[(&str, &str)]) -> Running {
        let mut command = self.command(Path::new(env!("CARGO_BIN_EXE_notary-signer")));
        Running::start(command.envs(variables.iter().copied()))
    }
}

/// A signer that serves, until it is dropped.
struct Running {
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Running {
    /// Starts it, and waits until it listens.
    fn start(command: &mut Command) -> Self {
        command.env("NOTARY_SIGNER_LOGGING_LEVEL", "info");
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let (mut line, mut said) = (String::new(), String::new());
        while !line.contains("listening on") {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "{said}");
            said += &line;
        }
        assert!(!said.contains(SEEDED), "{said}");
        Self { child, log }
    }

    /// What it wrote since it listened, having been stopped.
    fn stop(mut self) -> String {
        self.child.kill().unwrap();
        std::io::read_to_string(&mut self.log).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

const PASSPHRASE: (&str, &str) = ("NOTARY_SIGNER_ONE", SEEDED);

/// A port that was free a moment ago.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn a_running_signer_is_not_dumped_and_hides_its_environment_from_its_own_user() {
    let stage = Stage::new();
    let program = stage.path("notary-signer");
    fs::copy(env!("CARGO_BIN_EXE_notary-signer"), &program).unwrap();
    let monitoring = free_address();
    let identity = stage.pki.issue("signer", &[ServerAuth]);
    stage.configure(&identity, &json!({"metrics_addr": monitoring}));
    let mut command = stage.command(&program);
    let mut peek = Command::new("cat");
    if geteuid().is_root() {
        // The superuser may look at everything.
        let all = [stage.folder.path(), stage.pki.path()].map(Path::to_owned);
        let owned = Command::new("chown")
            .arg("-R")
            .arg(NOBODY.to_string())
            .args(all)
            .status();
        assert!(owned.unwrap().success());
        command.uid(NOBODY);
        peek.uid(NOBODY);
    }
    let running = Running::start(command.envs([PASSPHRASE]));
    let process = format!("/proc/{}", running.child.id());

    let limits = fs::read_to_string(format!("{process}/limits")).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let words: Vec<_> = core.unwrap().split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{limits}");
    let environment = peek.arg(format!("{process}/environ")).output().unwrap();
    assert!(
        !environment.status.success(),
        "{}",
        text(&environment.stdout)
    );

    let metrics = std::net::TcpStream::connect(&monitoring).unwrap();
    std::io::Write::write_all(&mut &metrics, b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let metrics = std::io::read_to_string(metrics).unwrap();
    for name in [
        "process_resident_memory_bytes ",
        "process_open_fds ",
        "process_max_fds ",
    ] {
        assert!(metrics.contains(name), "{name} is not in {metrics}");
    }
}

#[test]
fn health_is_asked_for_with_the_signers_own_certificate_where_that_is_let_in() {
    let stage = Stage::new();
    stage.configure(
        &stage.pki.issue("signer", &[ServerAuth, ClientAuth]),
        &json!({}),
    );
    let (well, line) = stage.health();
    assert!(!well && line.starts_with("unhealthy: "), "{line}");
    assert!(line.contains(&stage.address.to_string()), "{line}");
    let running = stage.start(&[PASSPHRASE]);
    let (well, line) = stage.health();
    assert!(
        well && line.starts_with("healthy: ") && line.contains("is serving"),
        "{line}"
    );
    let log = running.stop();
    assert!(!log.contains("warning") && !log.contains(SEEDED), "{log}");
}

#[test]
fn health_is_whether_the_signer_listens_where_its_certificate_is_not_let_in() {
    let stage = Stage::new();
    stage.configure(&stage.pki.issue("signer", &[ServerAuth]), &json!({}));
    assert!(!stage.health().0);
    let running = stage.start(&[PASSPHRASE]);
    let (well, line) = stage.health();
    assert!(
        well && line.contains("set server.metrics_addr to know more"),
        "{line}"
    );
    let log = running.stop();
    assert!(!log.contains("warning"), "{log}");
    // Another process has the port.
    let _other = TcpListener::bind(stage.address).unwrap();
    let (well, line) = stage.health();
    assert!(!well && line.contains("it did not answer"), "{line}");
}

#[test]
fn health_is_asked_for_on_the_page_for_operators_if_there_is_one() {
    let stage = Stage::new();
    let monitoring = free_address();
    let identity = stage.pki.issue("signer", &[ServerAuth]);
    stage.configure(&identity, &json!({"metrics_addr": monitoring}));
    let _running = stage.start(&[PASSPHRASE]);
    let (well, line) = stage.health();
    assert!(
        well && line.contains(&format!("{monitoring} answers")),
        "{line}"
    );
}

#[test]
fn a_passphrase_is_taken_from_a_command_and_said_nowhere() {
    let stage = Stage::new();
    stage.configure(
        &stage.pki.issue("signer", &[ServerAuth, ClientAuth]),
        &json!({}),
    );
    fs::write(stage.path("passphrase"), format!("{SEEDED}\n")).unwrap();
    let command = format!("cat {}", stage.path("passphrase").display());
    let by_command = ("NOTARY_SIGNER_ONE_COMMAND", command.as_str());

    let running = stage.start(&[by_command, ("NOTARY_SIGNER_LOGGING_LEVEL", "debug")]);
    assert!(stage.health().0);
    assert!(!running.stop().contains(SEEDED));

    let output = stage.run(&["config", "check"], &[by_command]);
    let shown = text(&output.stdout) + &text(&output.stderr);
    let line = "passphrase of alias one = (hidden) (command in NOTARY_SIGNER_ONE_COMMAND)";
    assert!(shown.lines().any(|found| found == line), "{shown}");
    assert!(
        !shown.contains(SEEDED) && !shown.contains(&command),
        "{shown}"
    );

    let failing = format!("{command}; exit 9");
    let output = stage.run(&[], &[("NOTARY_SIGNER_ONE_COMMAND", &failing)]);
    let log = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert!(
        log.contains("exit status: 9") && log.contains("NOTARY_SIGNER_ONE_COMMAND"),
        "{log}"
    );
    assert!(!log.contains(SEEDED) && !log.contains(&failing), "{log}");
}

#[test]
fn a_clean_stop_leaves_everything_in_the_one_file_of_the_database() {
    let stage = Stage::new();
    stage.configure(&stage.pki.issue("signer", &[ServerAuth]), &json!({}));
    let mut running = stage.start(&[PASSPHRASE]);
    let id = rustix::process::Pid::from_child(&running.child);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    assert!(running.child.wait().unwrap().success());
    let names = fs::read_dir(stage.folder.path()).unwrap();
    let mut names: Vec<_> = names.map(|file| file.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["signer.db", "signer.json"]);
}

#[test]
fn a_signer_says_that_its_own_certificate_has_expired() {
    let stage = Stage::new();
    let monitoring = free_address();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 2, 3);
    let certificate = params.self_signed(&key).unwrap();
    let identity = Identity {
        cert: stage.pki.file("old.crt", &certificate.pem()),
        key: stage.pki.file("old.key", &key.serialize_pem()),
        pem: certificate.pem(),
    };
    stage.configure(&identity, &json!({"metrics_addr": monitoring}));
    let running = stage.start(&[PASSPHRASE]);
    let get = |path: &str| {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(&monitoring).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    while !get("/debug/health").contains("expired on 2021-02-03") {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let metrics = get("/metrics");
    assert!(
        metrics.contains("signer_certificate_seconds_left -"),
        "{metrics}"
    );
    running.stop();
}
