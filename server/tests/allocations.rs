//! How many allocations a warm read makes, from the request on the wire to the answer on the wire.
//!
//! A count does not depend on the machine, and grows when a read does work that it did not do
//! before. To see where allocations come from, make the profiler by `file_name` instead of
//! `testing`, and open that file in dhat's viewer (build with `CARGO_PROFILE_TEST_DEBUG=1`).

#[path = "it/support.rs"]
#[expect(dead_code, reason = "the other tests use more of it")]
mod support;

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use daemon::{Level, Limits, LogFormat, listener, logging};
use dhat::{HeapStats, Profiler};
use ring::digest::{SHA256, digest};
use server::http::Endpoint;
use support::TestServer;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const GUN: &str = "docker.io/library/alpine";

/// How many reads are counted, after as many that warm everything up.
const READS: u64 = 200;

/// The most allocations of one read, and of one that leaves a line in the log.
const MOST: f64 = 19.0;
const MOST_WITH_LINE: f64 = 23.0;

/// Sends `request` again and again on one connection; the allocations of each, on average.
fn count(address: SocketAddr, request: &[u8]) -> f64 {
    let mut connection = TcpStream::connect(address).unwrap();
    let mut buffer = vec![0; 64 << 10];
    connection.write_all(request).unwrap();
    let answer = connection.read(&mut buffer).unwrap();
    assert!(buffer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    let mut read = || {
        connection.write_all(request).unwrap();
        connection.read_exact(&mut buffer[..answer]).unwrap();
    };
    (0..READS).for_each(|_| read());
    let before = HeapStats::get().total_blocks;
    (0..READS).for_each(|_| read());
    #[expect(clippy::cast_precision_loss, reason = "these are small numbers")]
    let each = (HeapStats::get().total_blocks - before) as f64 / READS as f64;
    each
}

#[tokio::test]
async fn a_warm_read_allocates_little() {
    let _profiler = Profiler::builder().testing().build();
    let log = logging::init(&["server", "trust"], LogFormat::Json, Level::Error);
    // Its clock stands still, so there is no query: those are counted elsewhere.
    let server = TestServer::start().await;
    server.published(GUN).await;
    let targets = server.file(GUN, "targets.json").await.ok();
    let sum = hex::encode(digest(&SHA256, &targets.body));
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let endpoint = Endpoint::main(server.app.clone());
    let service = tower::service_fn(move |request| endpoint.clone().answer(request));
    let stop = CancellationToken::new();
    let serving = listener::serve(socket, None, service, Limits::default(), stop.clone());
    let serving = tokio::spawn(serving);

    let request = format!(
        "GET /v2/{GUN}/_trust/tuf/targets.{sum}.json HTTP/1.1\r\n\
         Host: notary.example.com\r\n\
         User-Agent: Docker-Client/26.1.5 (linux)\r\n\
         Accept-Encoding: identity\r\n\r\n"
    );
    let counting = tokio::task::spawn_blocking(move || {
        let each = count(address, request.as_bytes());
        log.set(Level::Info);
        (each, count(address, request.as_bytes()))
    });
    let (each, with_line) = counting.await.unwrap();
    stop.cancel();
    serving.await.unwrap();
    println!("a warm read makes {each} allocations, and {with_line} with its line");
    assert!(each <= MOST, "a warm read makes {each} allocations");
    assert!(
        with_line <= MOST_WITH_LINE,
        "a warm read with its line makes {with_line} allocations"
    );
}
