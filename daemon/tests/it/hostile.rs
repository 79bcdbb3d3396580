//! Clients that ask and do not read, that only ping, that take all places, or that are not clear
//! about whom they ask.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Router, body::Body, extract::Path, routing::get};
use bytes::Bytes;
use daemon::{Limits, listener};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::client::{Daemon, get_over, short};

const ENOUGH: Duration = Duration::from_secs(20);

/// Types of HTTP/2 frames (RFC 9113, 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;

/// A client of HTTP/2 that lets the server send nothing unless it is told to.
struct Attacker {
    writer: OwnedWriteHalf,
    reader: OwnedReadHalf,
}

impl Attacker {
    async fn connect(addr: SocketAddr) -> Self {
        let (reader, writer) = TcpStream::connect(addr).await.unwrap().into_split();
        let mut this = Self { writer, reader };
        this.writer
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .await
            .unwrap();
        // SETTINGS_INITIAL_WINDOW_SIZE is 0.
        this.send(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]).await;
        this
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        // A connection that is cut is found out by reading.
        let _ = self.writer.write_all(&[&head, payload].concat()).await;
    }

    async fn ask(&mut self, stream: u32, path: &str) {
        const END_STREAM_AND_HEADERS: u8 = 5;
        let length = u8::try_from(path.len()).unwrap();
        // GET and http by their index, :path and :authority as literals.
        let head = [
            &[0x82, 0x86, 0x04, length][..],
            path.as_bytes(),
            &[0x01, 9],
            b"localhost",
        ];
        self.send(HEADERS, END_STREAM_AND_HEADERS, stream, &head.concat())
            .await;
    }

    async fn ping(&mut self) {
        self.send(PING, 0, 0, &[0; 8]).await;
    }

    async fn widen(&mut self, stream: u32) {
        self.send(WINDOW_UPDATE, 0, stream, &[0, 0, 0xff, 0xff])
            .await;
    }

    /// The type and the stream of the next frame; `None` at the end of the connection.
    async fn next(&mut self) -> Option<(u8, u32)> {
        let mut head = [0; 9];
        self.reader.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.reader.read_exact(&mut payload).await.ok()?;
        Some((head[3], u32::from_be_bytes(head[5..9].try_into().unwrap())))
    }

    /// Waits for a frame.
    async fn until(&mut self, kind: u8, stream: u32) {
        let wait = async {
            while let Some(frame) = self.next().await {
                if frame == (kind, stream) {
                    return;
                }
            }
            panic!("the connection ended without frame {kind} of stream {stream}");
        };
        timeout(ENOUGH, wait).await.unwrap();
    }

    /// Pings until the connection ends. Answers how many frames of each type came.
    async fn ping_to_the_end(mut self) -> BTreeMap<u8, usize> {
        let mut frames = BTreeMap::new();
        loop {
            match timeout(Duration::from_millis(100), self.next()).await {
                Ok(Some((kind, _))) => *frames.entry(kind).or_default() += 1,
                Ok(None) => return frames,
                Err(_) => self.ping().await,
            }
        }
    }
}

/// Memory that says how much of it there is.
struct Counted(Vec<u8>, Arc<Count>);

#[derive(Default)]
struct Count {
    live: AtomicUsize,
    peak: AtomicUsize,
}

impl Counted {
    fn new(length: usize, count: Arc<Count>) -> Self {
        let live = count.live.fetch_add(length, Ordering::SeqCst) + length;
        count.peak.fetch_max(live, Ordering::SeqCst);
        Self(vec![b'x'; length], count)
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.live.fetch_sub(self.0.len(), Ordering::SeqCst);
    }
}

const MIB: usize = 1 << 20;

/// A server of as many MiB as are asked for, each time of others.
async fn counted_server(limits: Limits) -> (SocketAddr, Arc<Count>) {
    let count = Arc::new(Count::default());
    let made = count.clone();
    let mebibytes = async move |Path(number): Path<usize>| {
        Body::from(Bytes::from_owner(Counted::new(number * MIB, made.clone())))
    };
    let app = Router::new()
        .route("/", get(|| async { "small" }))
        .route("/{mebibytes}", get(mebibytes));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let never = CancellationToken::new();
    tokio::spawn(listener::serve(listener, None, app, limits, never));
    (addr, count)
}

async fn get_plain(addr: SocketAddr, http2: bool, path: &str) -> crate::client::Answer {
    let stream = TcpStream::connect(addr).await.unwrap();
    get_over(stream, http2, path).await.unwrap()
}

#[tokio::test]
async fn unread_answers_occupy_bounded_memory_and_end() {
    let limits = Limits {
        unread: 4 * MIB,
        write: Duration::from_secs(1),
        // A request may wait for room for a while, and the connection must outlast that.
        idle: Duration::from_secs(8),
        ..short()
    };
    let idle = limits.idle;
    let (addr, count) = counted_server(limits).await;
    let mut attackers = Vec::new();
    for _ in 0..5 {
        let mut attacker = Attacker::connect(addr).await;
        for number in 0..16 {
            attacker.ask(2 * number + 1, "/1").await;
        }
        attackers.push(tokio::spawn(attacker.ping_to_the_end()));
    }
    let start = Instant::now();
    while count.live.load(Ordering::SeqCst) < 3 * MIB {
        assert!(start.elapsed() < ENOUGH);
        sleep(Duration::from_millis(10)).await;
    }
    // Others are served meanwhile.
    assert_eq!(get_plain(addr, false, "/").await.body, "small");
    let large = timeout(2 * ENOUGH, async {
        while get_plain(addr, true, "/1").await.body.len() < MIB {}
    });
    large.await.expect("there is room for others after a while");
    // No request is asked for again, so that all ends, pings or not.
    for attacker in attackers {
        let frames = timeout(ENOUGH + idle, attacker).await.unwrap().unwrap();
        assert_eq!(frames.get(&DATA), None, "{frames:?}");
        assert!(frames[&PING] > 5, "{frames:?}");
    }
    assert_eq!(count.live.load(Ordering::SeqCst), 0);
    // What waits, what waits for room, and what is being made.
    let peak = count.peak.load(Ordering::SeqCst);
    assert!(peak <= (4 + 2 + 2) * MIB, "{peak}");
}

#[tokio::test]
async fn a_buffer_that_answers_share_counts_once() {
    let shared = Bytes::from(vec![b'x'; 3 * MIB]);
    let app = Router::new().route("/", get(async move || Body::from(shared.clone())));
    let limits = Limits {
        unread: 4 * MIB,
        ..short()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let never = CancellationToken::new();
    tokio::spawn(listener::serve(listener, None, app, limits, never));
    let mut waiting = Vec::new();
    for _ in 0..5 {
        let mut attacker = Attacker::connect(addr).await;
        attacker.ask(1, "/").await;
        attacker.until(HEADERS, 1).await;
        waiting.push(attacker);
    }
    for http2 in [false, true] {
        assert_eq!(get_plain(addr, http2, "/").await.body.len(), 3 * MIB);
    }
}

#[tokio::test]
async fn an_answer_that_is_not_read_ends_without_the_others_of_its_connection() {
    let limits = Limits {
        write: Duration::from_secs(1),
        ..short()
    };
    let (addr, count) = counted_server(limits).await;
    let mut attacker = Attacker::connect(addr).await;
    attacker.ask(1, "/1").await;
    attacker.until(RST_STREAM, 1).await;
    assert_eq!(count.live.load(Ordering::SeqCst), 0);
    attacker.ask(3, "/").await;
    attacker.widen(3).await;
    attacker.until(DATA, 3).await;
}

#[tokio::test]
async fn pings_do_not_keep_a_connection_without_requests() {
    let limits = short();
    let daemon = Daemon::start(None, limits.clone()).await;
    let attacker = Attacker::connect(daemon.addr).await;
    let start = Instant::now();
    let frames = timeout(ENOUGH, attacker.ping_to_the_end()).await.unwrap();
    assert!(frames[&PING] > 5, "{frames:?}");
    let took = start.elapsed();
    assert!(
        took >= limits.idle / 2 && took < limits.idle * 2,
        "{took:?}"
    );
}

/// A connection that had an answer and says nothing more.
async fn idle(addr: SocketAddr) -> TcpStream {
    let mut tcp = TcpStream::connect(addr).await.unwrap();
    let _ = tcp.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    tcp
}

/// Whether the server answered, and has not ended the connection.
async fn is_served(tcp: &mut TcpStream) -> bool {
    let mut answer = [0; 12];
    timeout(ENOUGH, tcp.read_exact(&mut answer))
        .await
        .unwrap()
        .is_ok_and(|_| &answer == b"HTTP/1.1 200")
}

#[tokio::test]
async fn the_last_places_are_not_for_an_address_that_has_most_of_them() {
    let scarce = Limits {
        connections: 10,
        connections_per_address: 5,
        crowded_idle: Duration::from_mins(1),
        idle: Duration::from_mins(1),
        ..short()
    };
    let daemon = Daemon::start(None, scarce.clone()).await;
    let mut held = Vec::new();
    for number in 1..=8 {
        held.push(idle(daemon.addr).await);
        assert!(is_served(held.last_mut().unwrap()).await, "{number}");
    }
    assert!(!is_served(&mut idle(daemon.addr).await).await);
    // A proxy that is known may have them all.
    let known = Limits {
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..scarce
    };
    let daemon = Daemon::start(None, known).await;
    let mut held = Vec::new();
    for number in 1..=10 {
        held.push(idle(daemon.addr).await);
        assert!(is_served(held.last_mut().unwrap()).await, "{number}");
    }
}

#[tokio::test]
async fn idle_connections_give_way_when_places_are_scarce() {
    let limits = Limits {
        connections: 5,
        connections_per_address: 5,
        crowded_idle: Duration::from_millis(300),
        idle: Duration::from_mins(1),
        ..short()
    };
    let daemon = Daemon::start(None, limits).await;
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(idle(daemon.addr).await);
        assert!(is_served(held.last_mut().unwrap()).await);
    }
    // There are places for all, so all stay.
    sleep(Duration::from_millis(900)).await;
    for tcp in &mut held {
        let _ = tcp.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let mut rest = [0; 4096];
        assert!(tcp.read(&mut rest).await.unwrap() > 0);
    }
    // The fifth takes the last place, and a sixth gets one all the same.
    let mut fifth = idle(daemon.addr).await;
    assert!(is_served(&mut fifth).await);
    let mut sixth = idle(daemon.addr).await;
    assert!(is_served(&mut sixth).await);
}

#[tokio::test]
async fn a_request_that_names_no_host_or_several_is_400() {
    let daemon = Daemon::start(None, short()).await;
    for (head, status) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n", "200"),
        ("GET / HTTP/1.0\r\n", "200"),
        ("GET / HTTP/1.1\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n", "400"),
        ("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a b\r\n", "400"),
    ] {
        let mut tcp = TcpStream::connect(daemon.addr).await.unwrap();
        let request = format!("{head}Connection: close\r\n\r\n");
        tcp.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer.get(9..12), Some(status), "{head:?}: {answer}");
    }
}
