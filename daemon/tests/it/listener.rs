//! Protocols, limits and the end of a listener.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use daemon::{
    Limits, ServerTls,
    listener::{BindError, bind},
};
use http::{StatusCode, Version};
use rustls::version::{TLS12, TLS13};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::{
    certificates::{Certificate, Folder, SERVER, leaf},
    client::{Daemon, connect, get_over, short, trusting},
};

const ENOUGH: Duration = Duration::from_secs(20);

fn server_tls() -> Arc<ServerTls> {
    let folder = Folder::new();
    let (cert, key) = folder.pair("server", &Certificate::self_signed(leaf(&[SERVER])));
    ServerTls::load(&cert, &key, None).unwrap()
}

/// All that comes until the server ends the connection, and how long that took.
async fn until_end(io: &mut (impl AsyncRead + Unpin)) -> (String, Duration) {
    let start = Instant::now();
    let mut bytes = Vec::new();
    let end = timeout(ENOUGH, io.read_to_end(&mut bytes))
        .await
        .expect("the server ends it");
    // A connection that is cut ends without a close of TLS.
    drop(end);
    (
        String::from_utf8_lossy(&bytes).into_owned(),
        start.elapsed(),
    )
}

#[tokio::test]
async fn http_1_and_2_are_chosen_by_alpn() {
    let daemon = Daemon::start(Some(server_tls()), short()).await;
    for tls in [&TLS12, &TLS13] {
        for (http2, version) in [(false, Version::HTTP_11), (true, Version::HTTP_2)] {
            let stream = connect(daemon.addr, trusting(None, tls, http2))
                .await
                .unwrap();
            let answer = get_over(stream, http2, "/").await.unwrap();
            assert_eq!((answer.status, answer.version), (StatusCode::OK, version));
        }
    }
}

#[tokio::test]
async fn http_1_and_2_are_told_apart_without_tls() {
    let daemon = Daemon::start(None, short()).await;
    for (http2, version) in [(false, Version::HTTP_11), (true, Version::HTTP_2)] {
        let stream = TcpStream::connect(daemon.addr).await.unwrap();
        let answer = get_over(stream, http2, "/large").await.unwrap();
        assert_eq!((answer.version, answer.body.len()), (version, 2_000_000));
    }
}

#[tokio::test]
async fn plain_http_on_the_tls_port_is_answered_with_a_hint() {
    let daemon = Daemon::start(Some(server_tls()), short()).await;
    let mut tcp = TcpStream::connect(daemon.addr).await.unwrap();
    tcp.write_all(b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let (answer, _) = until_end(&mut tcp).await;
    assert_eq!(
        answer,
        "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
    );
}

#[tokio::test]
async fn a_client_that_says_nothing_is_cut_in_time() {
    let limits = short();
    let daemon = Daemon::start(Some(server_tls()), limits.clone()).await;
    let plain = Daemon::start(None, limits.clone()).await;
    // Silent from the start, with and without TLS; silent after the handshake.
    for addr in [daemon.addr, plain.addr] {
        let mut tcp = TcpStream::connect(addr).await.unwrap();
        let (_, took) = until_end(&mut tcp).await;
        assert!(took >= limits.header / 2 && took < limits.idle, "{took:?}");
    }
    let mut stream = connect(daemon.addr, trusting(None, &TLS13, false))
        .await
        .unwrap();
    let (_, took) = until_end(&mut stream).await;
    assert!(took >= limits.header / 2 && took < limits.idle, "{took:?}");
    // In HTTP/2 there is no head to wait for: the idle limit counts.
    let mut stream = connect(daemon.addr, trusting(None, &TLS13, true))
        .await
        .unwrap();
    let (_, took) = until_end(&mut stream).await;
    assert!(took >= limits.idle / 2, "{took:?}");
}

#[tokio::test]
async fn half_a_head_is_cut_after_the_header_limit_even_if_bytes_keep_dripping() {
    let limits = short();
    let daemon = Daemon::start(None, limits.clone()).await;
    let tcp = TcpStream::connect(daemon.addr).await.unwrap();
    let (mut reader, mut writer) = tcp.into_split();
    let drip = tokio::spawn(async move {
        writer.write_all(b"GET / HTTP/1.1\r\nx: ").await.unwrap();
        while writer.write_all(b"x").await.is_ok() {
            tokio::time::sleep(limits.header / 10).await;
        }
    });
    let (_, took) = until_end(&mut reader).await;
    assert!(took < limits.idle, "{took:?}");
    drip.abort();
    // The same with half a preface of HTTP/2.
    let mut tcp = TcpStream::connect(daemon.addr).await.unwrap();
    tcp.write_all(b"PRI * HT").await.unwrap();
    let (_, took) = until_end(&mut tcp).await;
    assert!(took < limits.idle, "{took:?}");
}

#[tokio::test]
async fn a_connection_between_requests_may_be_silent_for_longer_than_a_head_may_take() {
    let limits = short();
    let daemon = Daemon::start(None, limits.clone()).await;
    let mut tcp = TcpStream::connect(daemon.addr).await.unwrap();
    for _ in 0..2 {
        tcp.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        let mut answer = [0; 12];
        tcp.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        tokio::time::sleep(limits.header * 2).await;
        let mut rest = [0; 4096];
        assert!(tcp.try_read(&mut rest).unwrap() > 0);
    }
    // A second head that is begun has the limit again.
    tcp.write_all(b"GET").await.unwrap();
    let (_, took) = until_end(&mut tcp).await;
    assert!(took < limits.idle, "{took:?}");
}

#[tokio::test]
async fn a_body_that_stops_coming_is_cut_after_the_idle_limit() {
    let limits = short();
    let daemon = Daemon::start(None, limits.clone()).await;
    let mut tcp = TcpStream::connect(daemon.addr).await.unwrap();
    tcp.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab")
        .await
        .unwrap();
    let (_, took) = until_end(&mut tcp).await;
    assert!(took >= limits.idle / 2, "{took:?}");
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_cut_after_the_idle_limit() {
    let limits = short();
    let daemon = Daemon::start(None, limits.clone()).await;
    let mut tcp = TcpStream::connect(daemon.addr).await.unwrap();
    tcp.write_all(b"GET /huge HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    tcp.read_exact(&mut [0; 12]).await.unwrap();
    let start = Instant::now();
    daemon.shutdown.cancel();
    timeout(ENOUGH, daemon.ended)
        .await
        .expect("it is cut")
        .unwrap();
    assert!((limits.idle / 2..limits.drain / 2).contains(&start.elapsed()));
}

#[tokio::test]
async fn a_request_that_panics_is_500_and_the_connection_lives_on() {
    let daemon = Daemon::start(None, short()).await;
    let mut tcp = TcpStream::connect(daemon.addr).await.unwrap();
    tcp.write_all(b"GET /panic HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    tcp.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let (answers, _) = until_end(&mut tcp).await;
    assert!(answers.starts_with("HTTP/1.1 500 "), "{answers}");
    assert!(answers.contains("HTTP/1.1 200 "), "{answers}");
}

#[tokio::test]
async fn a_head_that_is_too_long_is_431() {
    let limits = Limits {
        header: Duration::from_secs(5),
        ..short()
    };
    let daemon = Daemon::start(None, limits.clone()).await;
    let mut tcp = TcpStream::connect(daemon.addr).await.unwrap();
    let head = format!("GET / HTTP/1.1\r\nHost: x\r\nx: {}", "x".repeat(70_000));
    tcp.write_all(head.as_bytes()).await.unwrap();
    let (answer, _) = until_end(&mut tcp).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    // Just below, all is well.
    let mut tcp = TcpStream::connect(daemon.addr).await.unwrap();
    let head = format!(
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nx: {}\r\n\r\n",
        "x".repeat(60_000)
    );
    tcp.write_all(head.as_bytes()).await.unwrap();
    assert!(until_end(&mut tcp).await.0.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn connections_above_the_limit_wait_for_a_place() {
    let limits = Limits {
        connections: 1,
        ..Limits::default()
    };
    let daemon = Daemon::start(None, limits.clone()).await;
    let first = TcpStream::connect(daemon.addr).await.unwrap();
    let second = TcpStream::connect(daemon.addr).await.unwrap();
    let mut second = tokio::spawn(get_over(second, false, "/"));
    timeout(Duration::from_millis(300), &mut second)
        .await
        .expect_err("there is no place for it");
    drop(first);
    let answer = timeout(ENOUGH, second).await.unwrap().unwrap().unwrap();
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn a_running_request_is_let_finish_when_the_daemon_ends() {
    for http2 in [false, true] {
        let limits = Limits {
            drain: ENOUGH,
            ..Limits::default()
        };
        let daemon = Daemon::start(Some(server_tls()), limits.clone()).await;
        let stream = connect(daemon.addr, trusting(None, &TLS13, http2))
            .await
            .unwrap();
        let running = tokio::spawn(get_over(stream, http2, "/wait"));
        daemon.waiting.notified().await;
        // Neither of these holds the end up.
        let _silent = TcpStream::connect(daemon.addr).await.unwrap();
        let _idle = connect(daemon.addr, trusting(None, &TLS13, false))
            .await
            .unwrap();
        daemon.shutdown.cancel();
        while TcpStream::connect(daemon.addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
        assert!(!daemon.ended.is_finished());
        daemon.go_on.notify_one();
        assert_eq!(running.await.unwrap().unwrap().body, "waited");
        timeout(ENOUGH / 4, daemon.ended)
            .await
            .expect("it ends at once")
            .unwrap();
    }
}

#[tokio::test]
async fn what_runs_longer_than_the_drain_limit_is_cut() {
    let limits = Limits {
        drain: Duration::from_millis(200),
        ..Limits::default()
    };
    let daemon = Daemon::start(None, limits.clone()).await;
    let stream = TcpStream::connect(daemon.addr).await.unwrap();
    let running = tokio::spawn(get_over(stream, false, "/wait"));
    daemon.waiting.notified().await;
    daemon.shutdown.cancel();
    timeout(ENOUGH, daemon.ended)
        .await
        .expect("it ends")
        .unwrap();
    assert!(running.await.unwrap().is_err());
}

#[tokio::test]
async fn a_port_without_host_takes_both_families() {
    let listener = bind(":0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    TcpStream::connect(("127.0.0.1", port)).await.unwrap();
}

#[tokio::test]
async fn an_address_that_cannot_be_listened_on_is_said_in_one_sentence() {
    let busy = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr();
    let holder = TcpListener::bind(busy.unwrap()).await.unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let error = bind(&address).await.unwrap_err();
    assert!(matches!(error, BindError::InUse(_)));
    assert_eq!(
        error.to_string(),
        format!(
            "listen tcp {address}: bind: address already in use; another program listens there"
        )
    );
    let error = bind("foo").await.unwrap_err().to_string();
    assert!(
        error.starts_with("address foo: missing port in address"),
        "{error}"
    );
    let error = bind("127.0.0.1:99999").await.unwrap_err().to_string();
    assert!(
        error.starts_with("address 127.0.0.1:99999: invalid port"),
        "{error}"
    );
}
