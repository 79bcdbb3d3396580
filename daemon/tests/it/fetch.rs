//! Requests to other servers.

use std::{convert::Infallible, time::Duration};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use daemon::{
    ClientTls, Limits, ServerTls,
    fetch::{Bounds, Client, FetchError, document},
    listener,
};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    certificates::{Certificate, Folder, SERVER, leaf},
    client::Daemon,
};

const BOUNDS: Bounds = Bounds {
    time: Duration::from_secs(5),
    body: 1 << 20,
};

fn get(url: &str) -> Request<Bytes> {
    Request::get(url).body(Bytes::new()).unwrap()
}

/// Answers with the method, the target, some headers and the body of the request.
async fn echo(request: Request<Body>) -> Result<Response, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let header = |name: &str| match head.headers.get(name) {
        Some(value) => value.to_str().unwrap().to_owned(),
        None => String::new(),
    };
    let lines = [
        format!("{} {}", head.method, head.uri),
        header("host"),
        header("x-token"),
        String::from_utf8(body.to_vec()).unwrap(),
    ];
    Ok(match head.uri.path() {
        "/moved" => {
            let moved = Response::builder().status(StatusCode::FOUND);
            let moved = moved.header(header::LOCATION, "http://127.0.0.1:1/");
            moved.body(Body::empty()).unwrap()
        }
        _ => Response::new(Body::from(lines.join("\n"))),
    })
}

async fn start(tls: Option<std::sync::Arc<ServerTls>>) -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    tokio::spawn(listener::serve(
        socket,
        tls,
        tower::service_fn(echo),
        Limits::default(),
        CancellationToken::new(),
    ));
    port
}

#[tokio::test]
async fn method_headers_and_body_arrive_and_credentials_of_the_address_do_not() {
    let port = start(None).await;
    let request = Request::post(format!("http://me:secret@localhost:{port}/a/b?c=d"))
        .header("x-token", "t0k3n")
        .body(Bytes::from_static(b"{\"event\":1}"))
        .unwrap();
    let answer = Client::new(None, BOUNDS).send(request).await.unwrap();
    assert_eq!(
        document(answer).unwrap(),
        format!("POST /a/b?c=d\nlocalhost:{port}\nt0k3n\n{{\"event\":1}}")
    );
    let bare = get(&format!("http://127.0.0.1:{port}"));
    let answer = Client::new(None, BOUNDS).send(bare).await.unwrap();
    let expected = format!("GET /\n127.0.0.1:{port}\n\n");
    assert_eq!(document(answer).unwrap(), expected);
}

#[tokio::test]
async fn only_a_server_that_an_authority_vouches_for_under_its_name_is_asked() {
    let folder = Folder::new();
    let certificate = Certificate::self_signed(leaf(&[SERVER]));
    let (own, key) = folder.pair("own", &certificate);
    let (other, _) = folder.pair("other", &Certificate::self_signed(leaf(&[SERVER])));
    let port = start(Some(ServerTls::load(&own, &key, None).unwrap())).await;
    let client = |ca| Client::new(Some(ClientTls::load(Some(ca), None).unwrap()), BOUNDS);
    let url = format!("https://localhost:{port}/");

    let answer = client(&own).send(get(&url)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);

    let error = client(&other).send(get(&url)).await.unwrap_err();
    assert!(matches!(error, FetchError::Tls(_)), "{error}");
    let elsewhere = get(&url.replace("localhost", "127.0.0.2"));
    assert!(client(&own).send(elsewhere).await.is_err(), "another name");
    let error = Client::new(None, BOUNDS).send(get(&url)).await.unwrap_err();
    assert!(matches!(error, FetchError::NoTls(_)), "{error}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_no_document() {
    let port = start(None).await;
    let moved = get(&format!("http://127.0.0.1:{port}/moved"));
    let answer = Client::new(None, BOUNDS).send(moved).await.unwrap();
    assert_eq!(answer.status(), StatusCode::FOUND);
    let error = document(answer).unwrap_err().to_string();
    assert!(error.contains("302 Found"), "{error}");
    assert!(error.ends_with("write the address it leads to"), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_too_large_or_too_late_is_an_error() {
    let daemon = Daemon::start(None, Limits::default()).await;
    let client = |time, body| Client::new(None, Bounds { time, body });
    let url = |path: &str| get(&format!("http://{}{path}", daemon.addr));

    let large = client(BOUNDS.time, 2_000_000).send(url("/large")).await;
    assert_eq!(document(large.unwrap()).unwrap().len(), 2_000_000);
    let error = client(BOUNDS.time, 1_999_999).send(url("/large")).await;
    assert!(
        matches!(error, Err(FetchError::TooLarge(1_999_999))),
        "{error:?}"
    );
    let error = client(Duration::from_millis(50), 1)
        .send(url("/wait"))
        .await;
    assert!(matches!(error, Err(FetchError::Slow(_))), "{error:?}");
}

#[tokio::test]
async fn an_address_that_names_no_server_is_refused_without_its_query() {
    for url in ["/path?token=SECRET", "ftp://host/?token=SECRET"] {
        let error = Client::new(None, BOUNDS).send(get(url)).await.unwrap_err();
        assert!(matches!(error, FetchError::Address(_)), "{error}");
        assert!(!error.to_string().contains("SECRET"), "{error}");
    }
}
