//! What clients prove themselves with is in no log: a server runs at its most talkative, is shown
//! all kinds of credentials, right and wrong, and everything it wrote is searched for them.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

use access::Hashing;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

/// Words that stand in nothing but credentials.
const PASSWORD: &str = "xyzzy-right-password";
const WRONG: &str = "xyzzy-wrong-password";
const ADMINISTRATORS: &str = "xyzzy-administrators-password";
const NO_TOKEN: &str = "xyzzy.no.token";

/// A server in a process of its own.
struct Running {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts one in `folder` and waits until it listens.
    fn start(folder: &Path, format: &str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        configure(folder, address);
        let mut command = Command::new(env!("CARGO_BIN_EXE_notary-server"));
        command.env_clear().current_dir(folder);
        command.env("NOTARY_AUTH", basic("root", ADMINISTRATORS));
        command.args(["-config", "server.json", "-logf", format]);
        command.stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::new(Mutex::new(String::new()));
        let mut line = String::new();
        while !line.contains("Starting Server") {
            line.clear();
            let bytes = stderr.read_line(&mut line).unwrap();
            log.lock().unwrap().push_str(&line);
            assert!(bytes > 0, "{}", log.lock().unwrap());
        }
        let sink = log.clone();
        let reader = std::thread::spawn(move || {
            for line in stderr.lines() {
                *sink.lock().unwrap() += &(line.unwrap() + "\n");
            }
        });
        Self {
            child,
            address,
            log,
            reader: Some(reader),
        }
    }

    /// What it answers: status and body.
    fn ask(&self, method: &str, target: &str, header: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n{header}\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1.to_owned();
        (status, body)
    }

    fn get(&self, target: &str, authorization: &str) -> (u16, String) {
        self.ask(
            "GET",
            target,
            &format!("authorization: {authorization}\r\n"),
            "",
        )
    }

    /// Everything it wrote until it was stopped.
    fn stop(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configure(folder: &Path, address: SocketAddr) {
    let hash = access::hash(&PASSWORD.into(), Hashing::Bcrypt).unwrap();
    fs::write(folder.join("htpasswd"), format!("alice:{hash}\n")).unwrap();
    let config = json!({
        "server": {"http_addr": address.to_string()},
        "trust_service": {"type": "local"},
        "storage": {"backend": "memory"},
        "logging": {"level": "trace", "audit_file": "audit.log"},
        "auth": {
            "type": "htpasswd",
            "htpasswd_file": "htpasswd",
            "token_service": true,
            "token_folder": folder.join("tokens"),
        },
    });
    fs::write(folder.join("server.json"), config.to_string()).unwrap();
}

fn basic(user: &str, password: &str) -> String {
    BASE64_STANDARD.encode(format!("{user}:{password}"))
}

/// Shows the server what clients show; every secret in it.
fn show_everything(server: &Running) -> Vec<String> {
    let mut secrets: Vec<String> = [PASSWORD, WRONG, ADMINISTRATORS, NO_TOKEN]
        .map(str::to_owned)
        .into();
    for (user, password) in [
        ("alice", PASSWORD),
        ("alice", WRONG),
        ("mallory", WRONG),
        ("root", ADMINISTRATORS),
        ("root", WRONG),
    ] {
        let credentials = basic(user, password);
        server.get("/v2/", &format!("Basic {credentials}"));
        server.get("/v2/", &format!("Basic {credentials}!"));
        server.get("/v2/", &format!("basic  {credentials}"));
        server.get("/v2/", &format!("Negotiate {credentials}"));
        secrets.push(credentials);
    }
    server.get("/v2/", &format!("Bearer {NO_TOKEN}"));
    server.get(
        "/v2/app/_trust/tuf/root.json",
        &format!("Bearer {NO_TOKEN}"),
    );
    secrets.extend(use_tokens(server));
    secrets
}

/// Gets tokens in all ways there are, and uses them; the tokens.
fn use_tokens(server: &Running) -> Vec<String> {
    let target =
        "/auth/token?service=notary-server&scope=repository:app:push,pull&offline_token=true";
    let (status, body) = server.get(target, &format!("Basic {}", basic("alice", PASSWORD)));
    assert_eq!(status, 200, "{body}");
    let given: Value = serde_json::from_str(&body).unwrap();
    let token = given["token"].as_str().unwrap().to_owned();
    let form = format!(
        "grant_type=password&service=notary-server&client_id=docker&access_type=offline&username=alice&password={PASSWORD}"
    );
    let (status, body) = server.ask("POST", "/auth/token", "", &form);
    assert_eq!(status, 200, "{body}");
    let given: Value = serde_json::from_str(&body).unwrap();
    let refresh = given["refresh_token"].as_str().unwrap().to_owned();
    let form = format!(
        "grant_type=refresh_token&service=notary-server&client_id=docker&refresh_token={refresh}"
    );
    assert_eq!(server.ask("POST", "/auth/token", "", &form).0, 200);
    server.ask("POST", "/auth/token", "", &form.replace('.', "%2E%2E"));
    let bearer = format!("Bearer {token}");
    assert_eq!(server.get("/v2/", &bearer).0, 200);
    assert_eq!(
        server.get("/v2/app/_trust/tuf/timestamp.key", &bearer).0,
        200
    );
    assert_eq!(server.get("/v2/other/_trust/tuf/root.json", &bearer).0, 401);
    let (unsigned, signature) = token.rsplit_once('.').unwrap();
    server.get("/v2/", &format!("Bearer {unsigned}.AAAA"));
    vec![signature.to_owned(), unsigned.to_owned(), refresh]
}

#[track_caller]
fn assert_kept_secret(text: &str, secrets: &[String]) {
    for secret in secrets {
        let line = text.lines().find(|line| line.contains(secret));
        assert!(
            line.is_none(),
            "{secret} is in {}",
            line.unwrap_or_default()
        );
    }
}

#[test]
fn no_password_token_or_header_is_in_what_the_server_writes() {
    for format in ["json", "logfmt", "human"] {
        let folder = tempfile::tempdir().unwrap();
        let server = Running::start(folder.path(), format);
        let secrets = show_everything(&server);
        let log = server.stop();
        assert!(log.contains("response completed"), "it did log: {log}");
        assert_kept_secret(&log, &secrets);
        let audit = fs::read_to_string(folder.path().join("audit.log")).unwrap();
        assert!(audit.contains("mallory"), "{audit}");
        assert_kept_secret(&audit, &secrets);
    }
}

#[test]
fn no_password_is_in_what_the_commands_print() {
    let folder = tempfile::tempdir().unwrap();
    configure(folder.path(), "127.0.0.1:4443".parse().unwrap());
    let secrets = [ADMINISTRATORS.to_owned(), basic("root", ADMINISTRATORS)];
    let explain = "auth explain --user root --gun app --action pull";
    for arguments in ["config check", "doctor", "doctor --json", explain] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_notary-server"));
        command.env_clear().current_dir(folder.path());
        command.env("NOTARY_AUTH", basic("root", ADMINISTRATORS));
        command.args(["-config", "server.json"]);
        command.args(arguments.split(' '));
        let output = command.output().unwrap();
        for printed in [&output.stdout, &output.stderr] {
            assert_kept_secret(&String::from_utf8_lossy(printed), &secrets);
        }
        assert!(!output.stdout.is_empty(), "{arguments}");
    }
}
