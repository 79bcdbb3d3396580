//! The most memory that callers can make a server take: `cargo test -p server --test memory`, or
//! `just memory`, which is faster, prints a table.
//!
//! Each row starts a server of its own, sends it the worst requests of one kind that are known, and
//! reads what the process took at most (`VmHWM`). All of it stays below the memory that
//! `docker-compose.yml` and the Helm chart give a server. Rows that begin with `anonymous` need no
//! right to publish; all others do.

use std::{
    fmt::Write as _,
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use fixtures::{Part, Publisher, listing, resign};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The largest upload that a server takes by default; an eighth of it without optimisation, where
/// making and reading it takes long.
const LARGEST: usize = if cfg!(debug_assertions) {
    4 << 20
} else {
    32 << 20
};

const MIB: usize = 1 << 20;

/// What a server and the test's own rows may take beyond a multiple of the body.
const SLACK: usize = 24 * MIB;

/// What may stay with a server afterwards: the cache, and what lies between pieces in use.
const KEPT: usize = 96 * MIB;

/// What a large stored snapshot may take while it is read, in multiples of its size. As much may
/// stay: the memory is free then, but lies between pieces in use, and the next one takes it.
const SNAPSHOT_FACTOR: usize = 8;

const GUN: &str = "example.com/app";

/// A running server.
struct Server {
    child: Child,
    address: SocketAddr,
    folder: Option<TempDir>,
}

impl Server {
    fn start() -> Self {
        Self::start_in(tempfile::tempdir().expect("a folder"), json!({}))
    }

    /// The same data, in a new process.
    fn restart(mut self) -> Self {
        let folder = self.folder.take().expect("a server has a folder");
        drop(self);
        Self::start_in(folder, json!({}))
    }

    /// With more settings of the section `server`.
    fn start_in(folder: TempDir, more: Value) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = socket.local_addr().expect("its address");
        drop(socket);
        let mut settings = more;
        settings["http_addr"] = json!(format!("0.0.0.0:{}", address.port()));
        let configuration = json!({
            "server": settings,
            "trust_service": {"type": "local"},
            "storage": {"backend": "sqlite3", "db_url": "server.db"},
            "logging": {"level": "fatal"},
        });
        let file = folder.path().join("server.json");
        fs::write(&file, configuration.to_string()).expect("a file");
        // As the image and the systemd unit set them.
        let program = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_notary-server"));
            command
                .env("MALLOC_ARENA_MAX", "2")
                .env("MALLOC_MMAP_THRESHOLD_", "131072")
                .env("MALLOC_TRIM_THRESHOLD_", "131072");
            command
        };
        let migrated = program()
            .args(["-config".as_ref(), file.as_os_str(), "migrate".as_ref()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(migrated.is_ok_and(|status| status.success()));
        let child = program()
            .args(["-config".as_ref(), file.as_os_str()])
            .stderr(Stdio::null())
            .spawn()
            .expect("a server");
        let server = Self {
            child,
            address,
            folder: Some(folder),
        };
        let deadline = Instant::now() + Duration::from_mins(1);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "the server does not start");
            thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// A line of the process's status, in bytes.
    fn memory(&self, name: &str) -> usize {
        let status = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(status).expect("the server runs");
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next());
        number
            .and_then(|number| number.parse::<usize>().ok())
            .expect("a number of kB")
            << 10
    }

    /// Sends a request from `127.0.0.HOST`; the status of the answer and its body.
    fn send(&self, host: u8, head: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let mut stream = connect_from(host, self.address);
        let head = format!(
            "{head}\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream
            .write_all(head.as_bytes())
            .expect("a server that reads");
        // A server may refuse a body before it has read all of it.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let status = answer
            .get(9..12)
            .and_then(|status| std::str::from_utf8(status).ok());
        let status = status.and_then(|status| status.parse().ok()).unwrap_or(0);
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        (status, answer.split_off(end.map_or(0, |end| end + 4)))
    }

    fn post(&self, host: u8, form: &[u8]) -> u16 {
        let head = format!(
            "POST /v2/{GUN}/_trust/tuf/ HTTP/1.1\r\n\
             Content-Type: multipart/form-data; boundary=XX"
        );
        self.send(host, &head, form).0
    }

    /// Publishes `parts`; how many bytes that were.
    fn publish(&self, parts: &[Part]) -> usize {
        let (content_type, body) = fixtures::multipart(parts);
        let head = format!("POST /v2/{GUN}/_trust/tuf/ HTTP/1.1\r\nContent-Type: {content_type}");
        let (status, answer) = self.send(1, &head, &body);
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
        body.len()
    }

    /// An owner whose root names keys of this server.
    fn owner(&self, roles: &[&str]) -> Publisher {
        let owner = Publisher::new(GUN);
        roles.iter().fold(owner, |owner, role| {
            owner.with_server_key_document(role, &self.get(&format!("{role}.key")))
        })
    }

    fn get(&self, file: &str) -> Vec<u8> {
        let head = format!("GET /v2/{GUN}/_trust/tuf/{file} HTTP/1.1");
        let (status, body) = self.send(1, &head, b"");
        assert_eq!(status, 200, "{file}");
        body
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection whose own address is one of loopback's: another caller to the server.
fn connect_from(host: u8, to: SocketAddr) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .expect("a runtime");
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, host], 0)))?;
        socket.connect(to).await?.into_std()
    });
    let stream = stream.expect("a server that listens");
    stream.set_nonblocking(false).expect("a socket can block");
    stream
}

/// How many connections are held idle: as many as a server takes by default. Fewer without
/// optimisation, where handshakes take long; each may cost the same.
const CONNECTIONS: usize = if cfg!(debug_assertions) { 300 } else { 2000 };

/// What an idle connection with TLS may cost: 66 KiB with HTTP/1.1 and 72 KiB with HTTP/2 if the
/// program is optimised, with what lies unused between the pieces of the second lot.
const IDLE: usize = if cfg!(debug_assertions) {
    96 << 10
} else {
    78 << 10
};

/// How many addresses they come from: the half of all connections is the most of one.
const ADDRESSES: usize = 4;

/// Connections with TLS that did what makes each of them as large as it gets, and then nothing.
fn idle_connections(report: &mut Report, container: usize) {
    let get = format!("GET /v2/{GUN}/_trust/tuf/root.json HTTP/1.1\r\nHost: localhost\r\n\r\n");
    // The preface, no settings, and a request whose answer there is no room for.
    let mut two = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    two.extend(b"\0\0\x0e\x01\x05\0\0\0\x01\x82\x86\x84\x01\x09localhost");
    for (name, protocol, request) in [
        ("anonymous: idle, HTTP/1.1", "http/1.1", get.into_bytes()),
        ("anonymous: idle, HTTP/2", "h2", two),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = rcgen::CertificateParams::new(["localhost".to_owned()])
            .and_then(|params| params.self_signed(&key))
            .expect("a certificate");
        fs::write(folder.path().join("server.crt"), certificate.pem()).expect("a file");
        fs::write(folder.path().join("server.key"), key.serialize_pem()).expect("a file");
        let tls = json!({"tls_cert_file": "server.crt", "tls_key_file": "server.key"});
        let server = Server::start_in(folder, tls);

        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate.der().clone()).expect("a root");
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let mut client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has the suites")
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = vec![protocol.into()];
        let client = std::sync::Arc::new(client);

        let before = server.memory("VmRSS:");
        // Twice: what the first ones needed is used again.
        for _ in 0..2 {
            let held: Vec<_> = (0..CONNECTIONS)
                .map(|number| hold_idle(&server, number, &client, &request))
                .collect();
            thread::sleep(Duration::from_secs(1));
            drop(held);
        }
        let most = container.min(before + CONNECTIONS * IDLE);
        // What they needed is free afterwards, and lies between pieces in use.
        report.add_kept(name, &server, before, (0, most, most - before));
    }
}

/// A connection after one request.
fn hold_idle(
    server: &Server,
    number: usize,
    client: &std::sync::Arc<rustls::ClientConfig>,
    request: &[u8],
) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    let host = u8::try_from(number % ADDRESSES + 1).expect("few addresses");
    let name = "localhost".try_into().expect("a name");
    let session = rustls::ClientConnection::new(client.clone(), name).expect("a session");
    let stream = connect_from(host, server.address);
    let mut stream = rustls::StreamOwned::new(session, stream);
    stream.write_all(request).expect("a server that reads");
    let mut answer = [0; 4096];
    assert!(stream.read(&mut answer).expect("an answer") > 0);
    stream
}

/// A form with one file.
fn form(role: &str, content: &str) -> Vec<u8> {
    form_with("", role, content)
}

fn form_with(headers: &str, role: &str, content: &str) -> Vec<u8> {
    format!(
        "--XX\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{role}\"\r\n\
         {headers}\r\n{content}\r\n--XX--\r\n"
    )
    .into_bytes()
}

/// `before`, then `item` with its number as often as fits, then `after`.
fn filled(before: &str, item: impl Fn(usize) -> String, after: &str) -> String {
    let mut text = before.to_owned();
    let most = LARGEST - after.len() - 512;
    for number in 0.. {
        let item = item(number);
        if text.len() + item.len() + 1 > most {
            break;
        }
        if number > 0 {
            text.push(',');
        }
        text.push_str(&item);
    }
    text + after
}

/// A `signed` part of `role` with a member.
fn signed(kind: &str, member: &str) -> [String; 2] {
    [
        format!(r#"{{"signed":{{"_type":"{kind}","expires":"2040-01-01T00:00:00Z",{member}"#),
        r#","version":1},"signatures":[]}"#.to_owned(),
    ]
}

fn fill(kind: &str, open: &str, item: impl Fn(usize) -> String, close: &str) -> String {
    let [before, after] = signed(kind, open);
    filled(&before, item, &format!("{close}{after}"))
}

/// What is sent in one row, and the multiple of its size that it may cost.
struct Row {
    name: &'static str,
    form: Vec<u8>,
    factor: usize,
}

fn row(name: &'static str, role: &str, content: &str) -> Row {
    Row {
        name,
        form: form(role, content),
        factor: 4,
    }
}

/// One short name for each number.
fn short(number: usize) -> String {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let (mut name, mut rest) = (String::new(), number);
    loop {
        name.push(char::from(LETTERS[rest % LETTERS.len()]));
        rest /= LETTERS.len();
        if rest == 0 {
            return name;
        }
    }
}

const HASH: &str = "bBuFWlDpAUk7Hqa1WUKYSQ2bJ3Jp5a2JX4DcvjTV8BQ=";

fn target(number: usize) -> String {
    format!(r#""release-{number:07}":{{"hashes":{{"sha256":"{HASH}"}},"length":1234}}"#)
}

fn uploads() -> Vec<Row> {
    let mut rows = rows_of_targets();
    rows.extend(rows_of_other_roles());
    rows.extend(rows_of_odd_texts());
    rows
}

fn repeat(item: &'static str) -> impl Fn(usize) -> String {
    move |_| item.to_owned()
}

fn empty(number: usize) -> String {
    format!(r#""{}":{{}}"#, short(number))
}

fn member(number: usize) -> String {
    format!(r#""{}":0"#, short(number))
}

fn plain_targets() -> String {
    fill("Targets", r#""targets":{"#, target, "}")
}

fn rows_of_targets() -> Vec<Row> {
    let unsorted = |number: usize| target(9_999_999 - number);
    let spaced = |number: usize| format!("\n {}", target(number));
    let disordered = |number: usize| {
        let name = format!("{number:07}").repeat(10);
        format!(r#""{name}":{{"length":1234,"hashes":{{"sha256":"{HASH}"}}}}"#)
    };
    let roles = r#""targets":{},"delegations":{"keys":{},"roles":["#;
    let keys = r#""targets":{},"delegations":{"keys":{"#;
    let signatures = r#"{"signed":{"_type":"Targets","targets":{},"version":1},"signatures":["#;
    let deep = "[".repeat(500) + &"]".repeat(500);
    let targets = |open: &str, item: &dyn Fn(usize) -> String, close: &str| {
        fill("Targets", open, item, close)
    };
    let mut rows: Vec<Row> = [
        ("targets, plain", plain_targets()),
        (
            "targets, unsorted",
            targets(r#""targets":{"#, &unsorted, "}"),
        ),
        (
            "targets with white space",
            targets(r#""targets":{"#, &spaced, "}"),
        ),
        (
            "targets with members out of order",
            targets(r#""targets":{"#, &disordered, "}"),
        ),
        ("targets, empty", targets(r#""targets":{"#, &empty, "}")),
        (
            "numbers in a target",
            targets(r#""targets":{"a":{"custom":["#, &repeat("0"), "]}}"),
        ),
        (
            "members of a target",
            targets(r#""targets":{"a":{"#, &member, "}}"),
        ),
        (
            "unknown members",
            targets(r#""targets":{},"x":{"#, &member, "}"),
        ),
        ("roles", targets(roles, &repeat("{}"), "]}")),
        ("delegation keys", targets(keys, &empty, "}}")),
        ("signatures", filled(signatures, repeat("{}"), "]}")),
        (
            "nested lists",
            targets(r#""targets":{},"x":["#, &|_| deep.clone(), "]"),
        ),
    ]
    .into_iter()
    .map(|(name, content)| row(name, "targets", &content))
    .collect();
    rows[0].factor = 3;
    rows
}

fn rows_of_other_roles() -> Vec<Row> {
    let hash = |number: usize| format!(r#""{}":"""#, short(number));
    let certificate = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
    let blocks = certificate.repeat(LARGEST / certificate.len() / 2);
    let public = base64(blocks.as_bytes());
    let key =
        format!(r#""keys":{{"a":{{"keytype":"ecdsa-x509","keyval":{{"public":"{public}"}}}}}}"#);
    let root =
        |open: &str, item: &dyn Fn(usize) -> String, close: &str| fill("Root", open, item, close);
    let snapshot = |open: &str, item: &dyn Fn(usize) -> String, close: &str| {
        fill("Snapshot", open, item, close)
    };
    [
        (
            "unknown numbers",
            "root",
            root(r#""x":["#, &repeat("0"), "]"),
        ),
        ("root keys", "root", root(r#""keys":{"#, &empty, "}")),
        (
            "key ids",
            "root",
            root(r#""roles":{"root":{"keyids":["#, &repeat(r#""""#), "]}}"),
        ),
        (
            "a key of certificates",
            "root",
            signed("Root", &key).concat(),
        ),
        ("pins", "snapshot", snapshot(r#""meta":{"#, &empty, "}")),
        (
            "members of a pin",
            "snapshot",
            snapshot(r#""meta":{"a":{"#, &member, "}}"),
        ),
        (
            "hashes of a pin",
            "snapshot",
            snapshot(r#""meta":{"a":{"hashes":{"#, &hash, "}}}"),
        ),
    ]
    .into_iter()
    .map(|(name, role, content)| row(name, role, &content))
    .collect()
}

fn rows_of_odd_texts() -> Vec<Row> {
    let half = (LARGEST - 600) / 2;
    let escapes = format!(r#"{{"signed":{{"x":"{}"}}}}"#, "\\n".repeat(half));
    // Each byte that is not UTF-8 becomes three.
    let mut invalid = form("targets", r#"{"signed":{"x":"@"}}"#);
    let at = invalid
        .iter()
        .position(|byte| *byte == b'@')
        .expect("it is there");
    invalid.splice(at..=at, std::iter::repeat_n(0xff, LARGEST - 600));
    let headers = "a:\r\n".repeat(LARGEST / 4 - 200);
    let printable = "Content-Transfer-Encoding: quoted-printable\r\n";
    let content = plain_targets().replace('=', "=3D");
    let odd = |name, form| Row {
        name,
        form,
        factor: 4,
    };
    vec![
        row("escapes", "targets", &escapes),
        odd("bytes that are not UTF-8", invalid),
        odd("headers of a part", form_with(&headers, "root", "{}")),
        odd(
            "quoted-printable",
            form_with(printable, "targets", &content[..LARGEST - 600]),
        ),
    ]
}

fn base64(bytes: &[u8]) -> String {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    BASE64_STANDARD.encode(bytes)
}

/// The memory limit that a file sets after `mark`, in bytes.
fn limit(file: &str, mark: &str) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let text = fs::read_to_string(path).expect("the file is there");
    let (_, rest) = text.split_once(mark).expect("the file sets a limit");
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let number: usize = digits.parse().expect("a number");
    match rest.as_bytes().get(digits.len()) {
        Some(b'g' | b'G') => number << 30,
        _ => number << 20,
    }
}

/// What a container may take at most, by either of the two.
fn container() -> usize {
    let compose = limit("docker-compose.yml", "${SERVER_MEMORY:-");
    let chart = limit(
        "packaging/helm/countersign/values.yaml",
        "limits: {memory: ",
    );
    compose.min(chart)
}

/// The table, and what in it is too much.
#[derive(Default)]
struct Report {
    table: String,
    faults: String,
}

impl Report {
    fn add(&mut self, name: &str, server: &Server, before: usize, sent: usize, most: usize) {
        self.add_kept(name, server, before, (sent, most, KEPT));
    }

    /// A row with what was sent, what the server may take at most, and what may stay with it.
    fn add_kept(
        &mut self,
        name: &str,
        server: &Server,
        before: usize,
        (sent, most, kept): (usize, usize, usize),
    ) {
        let peak = server.memory("VmHWM:");
        // Memory that is not used any more goes back to the system, if not at once.
        let deadline = Instant::now() + Duration::from_secs(5);
        while server.memory("VmRSS:") > before + kept && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(50));
        }
        let after = server.memory("VmRSS:");
        let line = format!(
            "{name:<34} {:>5} MiB sent {:>6} MiB at most {:>6} MiB allowed {:>6} MiB afterwards\n",
            sent / MIB,
            peak / MIB,
            most / MIB,
            after / MIB
        );
        print!("{line}");
        self.table.push_str(&line);
        if peak > most {
            write!(self.faults, "too much: {line}").expect("a string takes it");
        }
        if after > before + kept {
            write!(self.faults, "kept: {line}").expect("a string takes it");
        }
    }
}

#[test]
fn no_caller_takes_more_memory_than_a_container_has() {
    let mut report = Report::default();
    let container = container();
    let rows = uploads();
    for row in &rows {
        let server = Server::start();
        let before = server.memory("VmRSS:");
        let sent = row.form.len();
        assert!(sent <= LARGEST, "{}: {sent}", row.name);
        server.post(1, &row.form);
        let most = before + sent * row.factor + SLACK;
        report.add(row.name, &server, before, sent, most.min(container));
    }
    many_callers(&mut report, &rows, container);
    readers(&mut report, container);
    readers_of_a_large_snapshot(&mut report, container);
    idle_connections(&mut report, container);
    assert_eq!(report.faults, "", "\n{}", report.table);
}

/// Six callers with the worst bodies, all at once.
fn many_callers(report: &mut Report, rows: &[Row], container: usize) {
    let server = Server::start();
    let before = server.memory("VmRSS:");
    thread::scope(|scope| {
        for (host, row) in (1..=6).zip(rows) {
            let server = &server;
            scope.spawn(move || server.post(host, &row.form));
        }
    });
    let sent = rows.iter().take(6).map(|row| row.form.len()).sum();
    report.add("six callers at once", &server, before, sent, container);
}

/// A repository of 50,000 targets is published, changed and read; then asked for by many who read
/// nothing of the answers.
fn readers(report: &mut Report, container: usize) {
    let server = Server::start();
    let before = server.memory("VmRSS:");
    let mut publisher = server.owner(&["timestamp", "snapshot"]);
    publisher.big_targets(50_000);
    let mut sent = server.publish(&publisher.first_publish());
    sent += server.publish(&publisher.next(&["targets"]));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| server.get("targets.json"));
        }
    });
    let name = "50,000 targets, twice, and read";
    report.add(name, &server, before, sent, container);

    let server = server.restart();
    let before = server.memory("VmRSS:");
    let unread: Vec<TcpStream> = (1..=5)
        .map(|host| ask_and_read_nothing(host, &server))
        .collect();
    thread::sleep(Duration::from_secs(2));
    report.add(
        "anonymous: answers left unread",
        &server,
        before,
        0,
        container,
    );
    drop(unread);
}

/// A connection of HTTP/2 with 200 requests for a large file by its version, and no room for any
/// of the answers.
fn ask_and_read_nothing(host: u8, server: &Server) -> TcpStream {
    const STREAMS: u32 = 200;
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let length = u32::try_from(payload.len()).expect("a short frame");
        let mut frame = length.to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        frame
    };
    let path = format!("/v2/{GUN}/_trust/tuf/2.targets.json");
    // GET, http, and the path and the authority as literals without an index.
    let mut head = vec![
        0x82,
        0x86,
        0x04,
        u8::try_from(path.len()).expect("a short path"),
    ];
    head.extend(path.as_bytes());
    head.extend([0x01, 9]);
    head.extend(b"localhost");
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    // SETTINGS_INITIAL_WINDOW_SIZE is 0.
    bytes.extend(frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]));
    for number in 0..STREAMS {
        bytes.extend(frame(1, 0x5, number * 2 + 1, &head));
    }
    let mut stream = connect_from(host, server.address);
    stream.write_all(&bytes).expect("a server that reads");
    stream
}

/// A snapshot of half the largest size, which was stored under wider limits, is read without
/// credentials.
fn readers_of_a_large_snapshot(report: &mut Report, container: usize) {
    let entry = listing(b"content");
    let files = LARGEST / 2 / (entry.to_string().len() + 20);
    let wide = json!({"max_roles_per_file": files});
    let mut server = Server::start_in(tempfile::tempdir().expect("a folder"), wide);
    let mut publisher = server.owner(&["timestamp"]).holds_snapshot(true);
    let mut parts = publisher.first_publish();
    let (_, snapshot) = parts
        .iter_mut()
        .find(|(role, _)| role == "snapshot")
        .expect("it is made here");
    *snapshot = resign(snapshot, &publisher.snapshot.signers, |signed| {
        for number in 0..files {
            signed["meta"][format!("targets/r{number:06}")] = entry.clone();
        }
    });
    let sent = server.publish(&parts);

    for (name, readers, most) in [
        (
            "anonymous: a large stored snapshot",
            1,
            sent * SNAPSHOT_FACTOR + SLACK,
        ),
        // One is read at a time, and written to eight readers.
        (
            "anonymous: the same, eight at once",
            8,
            sent * (SNAPSHOT_FACTOR + 8) + SLACK,
        ),
    ] {
        server = server.restart();
        let before = server.memory("VmRSS:");
        thread::scope(|scope| {
            for _ in 0..readers {
                scope.spawn(|| server.get("targets.json"));
            }
        });
        let most = container.min(before + most);
        report.add_kept(name, &server, before, (sent, most, most - before));
    }
}
