//! One caller's endless uploads, and everybody else's.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use fixtures::{Part, Publisher};

use super::*;

const USERS: &str = "\
    alice:$2y$04$A5DLl.hYMydCC/1MwOypWewqLtFnw9E8Z7QVEnkJpowYIdj/ne0gq\n\
    bob:$2y$04$7pU03O9yVZDNaSGLKDsk5et32X1fkeOmzPDPWViLHJJofnmdIRgJy\n";
const ALICE: &str = "alice:correct horse";
const BOB: &str = "bob:bob's";

/// The largest body.
const LARGEST: usize = 1 << 20;

/// For how long bob sends.
const TIME: Duration = Duration::from_secs(4);

/// Bob may publish one delegated role of one repository; alice everything.
fn sandbox() -> Stage {
    let stage = Stage::with(
        |_| json!({"max_upload_bytes": LARGEST}),
        json!({"auth": {
            "type": "htpasswd",
            "htpasswd_file": "users",
            "rules_file": "rules.json",
        }}),
    );
    fs::write(stage.path("users"), USERS).unwrap();
    let rules = json!({"rules": [
        {"who": "user:alice", "may": "*", "on": "ex.com/"},
        {"who": "user:bob", "may": "push", "on": "ex.com/bob", "roles": ["targets/bob"]},
    ]});
    fs::write(stage.path("rules.json"), rules.to_string()).unwrap();
    stage
}

fn head(what: &str, user: &str, more: &str) -> String {
    let credentials = BASE64_STANDARD.encode(user);
    format!(
        "{what} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         authorization: Basic {credentials}\r\n{more}\r\n"
    )
}

/// The status of an answer, and its body.
fn ask(stage: &Stage, head: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(stage.address).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let status = text(&answer[9..12]).parse().unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    (status, answer.split_off(end.unwrap() + 4))
}

fn publish(stage: &Stage, gun: &str, parts: &[Part]) -> u16 {
    let (content_type, body) = fixtures::multipart(parts);
    let what = format!("POST /v2/{gun}/_trust/tuf/");
    let more = format!(
        "content-type: {content_type}\r\ncontent-length: {}\r\n",
        body.len()
    );
    ask(stage, &head(&what, ALICE, &more), &body).0
}

/// Sends most of the largest body at once, and then as little as keeps it alive.
fn send_endlessly(stage: &Stage, is_over: &AtomicBool) {
    let more =
        format!("content-type: multipart/form-data; boundary=XX\r\ncontent-length: {LARGEST}\r\n");
    while !is_over.load(Ordering::Relaxed) {
        let mut stream = TcpStream::connect(stage.address).unwrap();
        let head = head("POST /v2/ex.com/bob/_trust/tuf/", BOB, &more);
        // Once there is no room for him, he begins again.
        let mut is_open = stream.write_all(head.as_bytes()).is_ok()
            && stream.write_all(&vec![b'x'; LARGEST - (64 << 10)]).is_ok();
        while is_open && !is_over.load(Ordering::Relaxed) {
            is_open = stream.write_all(&[b'x'; 256]).is_ok();
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Ends what bob does, however the test ends.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn endless_bodies_of_one_user_keep_nobody_else_from_publishing() {
    let stage = sandbox();
    let _running = stage.start(&[]);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let _end = End(&is_over);
        let bobs: Vec<_> = (0..5)
            .map(|_| scope.spawn(|| send_endlessly(&stage, &is_over)))
            .collect();
        thread::sleep(Duration::from_millis(500));
        let begun = Instant::now();
        for number in 0.. {
            let gun = format!("ex.com/app{number}");
            let key = head(
                &format!("GET /v2/{gun}/_trust/tuf/timestamp.key"),
                ALICE,
                "",
            );
            let snapshot = key.replace("timestamp.key", "snapshot.key");
            let mut publisher = Publisher::new(&gun)
                .with_server_key_document("timestamp", &ask(&stage, &key, b"").1)
                .with_server_key_document("snapshot", &ask(&stage, &snapshot, b"").1);
            assert_eq!(publish(&stage, &gun, &publisher.first_publish()), 200);
            // A large one too: half of the room is for others.
            publisher.big_targets(2_000);
            let asked = Instant::now();
            assert_eq!(publish(&stage, &gun, &publisher.next(&["targets"])), 200);
            assert!(
                asked.elapsed() < Duration::from_secs(8),
                "it waited for bob"
            );
            if begun.elapsed() > TIME {
                break;
            }
        }
        assert!(
            bobs.iter().any(|bob| !bob.is_finished()),
            "bob was sending all the time"
        );
    });
}
