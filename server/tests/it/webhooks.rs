//! Webhooks of a running server, and the commands on them.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Bytes, http::HeaderMap, routing::post};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use daemon::{
    Limits,
    fetch::{Bounds, Client},
    listener,
};
use fixtures::{Key, Part, Publisher, multipart};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;
use webhooks::{Secret, sign};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PREVIOUS: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
const GUN: &str = "ex.com/app";

/// A receiver that answers with the status that is set.
struct Listener {
    port: u16,
    status: Arc<AtomicU16>,
    received: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
    count: watch::Receiver<usize>,
}

impl Listener {
    async fn start() -> Self {
        let (status, received) = (
            Arc::new(AtomicU16::new(200)),
            Arc::<Mutex<Vec<_>>>::default(),
        );
        let (sender, count) = watch::channel(0);
        let (answer, kept) = (Arc::clone(&status), Arc::clone(&received));
        let take = move |headers: HeaderMap, body: Bytes| {
            let status = StatusCode::from_u16(answer.load(Ordering::SeqCst)).unwrap();
            if status.is_success() {
                let mut all = kept.lock().unwrap();
                all.push((headers, body));
                sender.send_replace(all.len());
            }
            std::future::ready(status)
        };
        let app = Router::new().fallback_service(post(take));
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let (limits, never) = (Limits::default(), CancellationToken::new());
        tokio::spawn(listener::serve(socket, None, app, limits, never));
        Self {
            port,
            status,
            received,
            count,
        }
    }

    /// The events that were taken, once there are so many.
    async fn events(&self, count: usize) -> Vec<Value> {
        let mut taken = self.count.clone();
        let waiting = taken.wait_for(|taken| *taken >= count);
        let waited = tokio::time::timeout(Duration::from_mins(1), waiting).await;
        let received = self.received.lock().unwrap().clone();
        let event = |body: &Bytes| serde_json::from_slice::<Value>(body).unwrap();
        let events: Vec<_> = received.iter().map(|(_, body)| event(body)).collect();
        assert!(waited.is_ok(), "not in time: {events:#?}");
        events
    }
}

/// A folder with a configuration.
struct Setup {
    folder: TempDir,
    address: SocketAddr,
}

impl Setup {
    fn with(receivers: &Value) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        let setup = Self {
            folder: tempfile::tempdir().unwrap(),
            address,
        };
        let text = json!({
            "server": {"http_addr": address.to_string(), "public_url": "https://notary.test"},
            "auth": {"type": "basic", "token_service": false},
            "trust_service": {"type": "local"},
            "storage": {"backend": "sqlite3", "db_url": "server.db"},
            "logging": {"level": "debug"},
            "webhooks": {"receivers": receivers},
        });
        fs::write(setup.path("server.json"), text.to_string()).unwrap();
        fs::write(setup.path("secret"), format!("{SECRET}\n")).unwrap();
        setup
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_notary-server"));
        command.env_clear().env("PATH", "/usr/bin:/bin");
        command.env("NOTARY_AUTH", credentials());
        command.current_dir(self.folder.path());
        command.args(["-config", "server.json"]);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().unwrap()
    }

    /// What it prints if it succeeds.
    fn say(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Why it fails.
    fn fail(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{arguments:?}: {errors}");
        errors
    }

    fn start(&self) -> Running {
        let mut command = self.command();
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let (mut said, mut line) = (String::new(), String::new());
        while !line.contains("Starting Server") {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "{said}");
            said += &line;
        }
        let said = Arc::new(Mutex::new(said));
        let log_of = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                *log_of.lock().unwrap() += &(line + "\n");
            }
        });
        Running { child, said }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<(String, Vec<u8>)>,
    ) -> (StatusCode, Bytes) {
        let bounds = Bounds {
            time: Duration::from_secs(30),
            body: 1 << 20,
        };
        let url = format!("http://{}{path}", self.address);
        let mut request = Request::builder().method(method).uri(url);
        request = request.header("authorization", format!("Basic {}", credentials()));
        let body = match body {
            None => Bytes::new(),
            Some((kind, body)) => {
                request = request.header("content-type", kind);
                Bytes::from(body)
            }
        };
        let request = request.header("content-length", body.len());
        let client = Client::new(None, bounds);
        let answer = client.send(request.body(body).unwrap()).await.unwrap();
        (answer.status(), answer.into_body())
    }

    async fn publisher(&self) -> Publisher {
        let mut publisher = Publisher::at(GUN, daemon::clock::now());
        for role in ["timestamp", "snapshot"] {
            let path = format!("/v2/{GUN}/_trust/tuf/{role}.key");
            let (status, key) = self.ask(Method::GET, &path, None).await;
            assert_eq!(status, StatusCode::OK);
            publisher = publisher.with_server_key_document(role, &key);
        }
        publisher
    }

    async fn publish(&self, parts: &[Part]) -> StatusCode {
        let body = multipart(parts);
        let path = format!("/v2/{GUN}/_trust/tuf/");
        self.ask(Method::POST, &path, Some(body)).await.0
    }
}

/// A server that serves until it is dropped.
struct Running {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Running {
    fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn credentials() -> String {
    BASE64_STANDARD.encode("root:s3same")
}

fn receiver(port: u16) -> Value {
    json!({
        "url": format!("http://127.0.0.1:{port}/hook/t0ken-in-path"),
        "secret_file": "secret",
        "previous_secret": PREVIOUS,
        "allow_private_addresses": true,
    })
}

fn types(events: &[Value]) -> Vec<&str> {
    let types = events.iter().map(|event| event["type"].as_str().unwrap());
    types.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_tells_its_receiver_what_happens_and_the_commands_look_after_it() {
    let listener = Listener::start().await;
    let setup = Setup::with(&json!({"chat": receiver(listener.port)}));
    let running = setup.start();
    let said = setup.say(&["webhook", "test", "chat"]);
    assert!(said.contains(&format!("http://127.0.0.1:{} took", listener.port)));
    let mut state = String::new();
    while !state.contains("current") {
        state = setup.say(&["webhook", "list"]);
    }
    let mut publisher = setup.publisher().await;
    publisher.add_target("targets", "1.0", b"one");
    assert_eq!(setup.publish(&publisher.first_publish()).await, 200);
    publisher.add_target("targets", "1.0", b"other");
    let parts = publisher.next(&["targets"]);
    assert_eq!(setup.publish(&parts).await, 200);
    let events = listener.events(3).await;
    let expected = ["test", "published", "published"].map(|kind| format!("countersign.{kind}"));
    assert_eq!(types(&events), expected);
    let moved = &events[2]["data"]["tags"]["moved"][0];
    assert_eq!(moved["name"], "1.0");
    let added = &events[1]["data"]["tags"]["added"][0];
    assert_eq!(moved["from"], added["digest"]);

    // What is refused is told, though nothing is stored.
    let mut stranger = publisher.clone();
    stranger.sign_with("targets", Key::throw_away_ecdsa());
    let wrong = stranger.next(&["targets"]);
    assert_eq!(setup.publish(&wrong).await, 400);
    let events = listener.events(4).await;
    assert_eq!(events[3]["type"], "countersign.refused");
    assert_eq!(events[3]["data"]["user"], "root");
    assert_eq!(events[3]["data"]["action"], "publish");

    // What a receiver does not take is listed, and tried again on demand.
    listener.status.store(500, Ordering::SeqCst);
    let path = format!("/v2/{GUN}/_trust/tuf/");
    assert_eq!(setup.ask(Method::DELETE, &path, None).await.0, 200);
    let mut failing = Value::Null;
    while failing[0]["delays"][0]["tries"].as_u64().unwrap_or(0) < 2 {
        failing = serde_json::from_str(&setup.say(&["webhook", "list", "--json"])).unwrap();
    }
    assert_eq!(failing[0]["state"], "failing");
    assert_eq!(failing[0]["delays"][0]["gun"], GUN);
    let table = setup.say(&["webhook", "list"]);
    assert!(table.contains("500 Internal Server Error"), "{table}");
    listener.status.store(200, Ordering::SeqCst);
    setup.say(&["webhook", "retry", "chat"]);
    let events = listener.events(5).await;
    assert_eq!(events[4]["type"], "countersign.deleted");

    let received = listener.received.lock().unwrap().clone();
    for (headers, body) in received {
        let header = |name: &str| headers[name].to_str().unwrap().to_owned();
        let at = header("webhook-timestamp").parse().unwrap();
        let secrets = [SECRET, PREVIOUS].map(|text| Secret::parse(text).unwrap());
        let expected = sign(&secrets, &header("webhook-id"), at, &body);
        assert_eq!(header("webhook-signature"), expected);
    }
    // Nothing that is printed or logged holds a secret.
    let check = setup.say(&["config", "check"]);
    for text in [running.said(), table, failing.to_string(), check] {
        for secret in [&SECRET[6..], &PREVIOUS[6..], "t0ken", "s3same"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

#[test]
fn receivers_that_make_no_sense_stop_the_start() {
    let good = receiver(1);
    for (member, value, reason) in [
        ("url", json!(null), "url is missing"),
        ("url", json!("ftp://ex.com/"), "must begin with https://"),
        (
            "url",
            json!("https://user:pass@ex.com/"),
            "must not name a user",
        ),
        ("url", json!("nonsense"), "is no address"),
        ("secret_file", json!(null), "is missing"),
        ("secret_file", json!("nowhere"), "nowhere"),
        ("secret", json!(SECRET), "not several"),
        ("previous_secret", json!("whsec_c2hvcnQ="), "24 to 64 bytes"),
        (
            "previous_secret",
            json!("open sesame"),
            "`whsec_` and base64",
        ),
        ("events", json!(["publish"]), "accepted: published"),
        ("events", json!([]), "must be a list of texts"),
        ("prefixes", json!("ex.com/"), "must be a list of texts"),
        (
            "allow_private_addresses",
            json!("yes"),
            "must be true or false",
        ),
        (
            "allow_private_addresses",
            json!(false),
            "must begin with https://",
        ),
        ("secrets", json!("x"), "did you mean \"secret\""),
        ("ca_file", json!(7), "must be a text"),
    ] {
        let mut receiver = good.clone();
        receiver[member] = value;
        let setup = Setup::with(&json!({"chat": receiver}));
        let said = setup.fail(&["config", "check"]);
        assert!(said.contains(reason), "{member}: {said}");
        for secret in ["t0ken", "pass@", "sesame", "c2hvcnQ"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
    for name in ["", "a b", "a/b"] {
        let setup = Setup::with(&json!({name: good}));
        let said = setup.fail(&["config", "check"]);
        assert!(said.contains("no name of a receiver"), "{said}");
    }
    let setup = Setup::with(&json!({"chat": good}));
    setup.say(&["config", "check"]);
    let said = setup.fail(&["webhook", "test", "other"]);
    assert!(said.contains("names no") && said.contains("chat"), "{said}");
    let said = setup.fail(&["webhook", "test", "chat"]);
    assert!(said.contains("did not take the event"), "{said}");
}
