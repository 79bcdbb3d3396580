//! Health, metrics and request ids.

use std::{
    fmt,
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use access::Credentials;
use authn::{Authenticator, settings};
use axum::body::Body;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use daemon::logging::context;
use http::{Request, StatusCode};
use server::health;
use tokio_util::sync::CancellationToken;
use tracing::{
    Event, Id, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Record},
};

use crate::support::{Settings, TestServer};

#[tokio::test]
async fn health_names_what_fails_and_forgets_it_when_it_is_well_again() {
    let server = TestServer::start().await;
    assert_eq!(server.get("/_notary_server/health").await.ok().text(), "{}");
    server.signer.is_away.store(true, Ordering::SeqCst);
    health::check(&server.app.repositories, &server.app.health).await;
    let answer = server.get("/_notary_server/health").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        answer.header("content-type"),
        "application/json; charset=utf-8"
    );
    assert_eq!(
        answer.text(),
        r#"{"Trust operational":"the signer is unavailable: it is away"}"#
    );
    server.signer.is_away.store(false, Ordering::SeqCst);
    sqlx::query("ALTER TABLE tuf_files RENAME TO gone")
        .execute(&server.pool)
        .await
        .unwrap();
    health::check(&server.app.repositories, &server.app.health).await;
    let answer = server.get("/_notary_server/health").await;
    assert_eq!(
        answer.text(),
        r#"{"DB operational":"Cannot access table: tuf_files"}"#
    );
    sqlx::query("ALTER TABLE gone RENAME TO tuf_files")
        .execute(&server.pool)
        .await
        .unwrap();
    health::check(&server.app.repositories, &server.app.health).await;
    server.get("/_notary_server/health").await.ok();
}

#[tokio::test]
async fn health_knows_soon_after_the_start_what_fails_and_what_has_come_up() {
    let server = TestServer::start().await;
    server.signer.is_away.store(true, Ordering::SeqCst);
    let stop = CancellationToken::new();
    let checks = tokio::spawn(health::run(
        server.app.repositories.clone(),
        server.app.health.clone(),
        stop.clone(),
    ));
    let until = async |status| {
        while server.get("/_notary_server/health").await.status != status {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let soon = Duration::from_secs(5);
    let is_told = tokio::time::timeout(soon, until(StatusCode::SERVICE_UNAVAILABLE)).await;
    is_told.expect("the first check runs at the start");
    server.signer.is_away.store(false, Ordering::SeqCst);
    let is_told = tokio::time::timeout(soon, until(StatusCode::OK)).await;
    is_told.expect("it is checked again before the first interval ends");
    stop.cancel();
    checks.await.unwrap();
}

/// Keeps the messages of level info and above.
#[derive(Clone, Default)]
struct Messages(Arc<Mutex<Vec<String>>>);

impl Visit for Messages {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0.lock().unwrap().push(format!("{value:?}"));
        }
    }
}

impl Subscriber for Messages {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn a_publish_is_one_line_of_the_log_and_a_read_another() {
    let server = TestServer::start().await;
    let parts = server.publisher("a").await.first_publish();
    let messages = Messages::default();
    let guard = tracing::subscriber::set_default(messages.clone());
    server.publish("a", &parts).await.ok();
    server.get("/v2/").await.ok();
    drop(guard);
    let messages = messages.0.lock().unwrap();
    assert_eq!(*messages, ["audit: publish done", "response completed"]);
}

/// Keeps what each line of level info and above says of its request.
#[derive(Clone, Default)]
struct Requests(Arc<Mutex<Vec<(String, String)>>>);

impl Subscriber for Requests {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO && !metadata.is_span()
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Vec::new();
        if let Some(context) = context::current() {
            context.tell(&mut |name, value| fields.push(format!("{name}={value}")));
        }
        let target = event.metadata().target().to_owned();
        self.0.lock().unwrap().push((target, fields.join(" ")));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn every_line_of_a_request_names_it_even_those_of_work_that_outlives_its_client() {
    let server = TestServer::start().await;
    let parts = server.publisher("a").await.first_publish();
    let requests = Requests::default();
    let guard = tracing::subscriber::set_default(requests.clone());
    let ask = |method, uri: &str, kind: &str, body: Vec<u8>| {
        let request = Request::builder().method(method).uri(uri.to_owned());
        let request = request
            .header("x-request-id", "7")
            .header("content-type", kind);
        server.send(request.body(Body::from(body)).unwrap())
    };
    let (kind, body) = fixtures::multipart(&parts);
    ask("POST", "/v2/a/_trust/tuf/", &kind, body).await.ok();
    let secret = "/v2/a/_trust/tuf/root.json?password=x";
    ask("GET", secret, "", Vec::new()).await.ok();
    server.signer.is_away.store(true, Ordering::SeqCst);
    let unready = ask("GET", "/v2/b/_trust/tuf/timestamp.key", "", Vec::new()).await;
    assert_eq!(unready.status, StatusCode::SERVICE_UNAVAILABLE);
    drop(guard);
    let fields = |method: &str, uri: &str| {
        format!(
            "http.request.id=7 http.request.method={method} http.request.uri={uri} \
             http.request.remoteaddr=0.0.0.0"
        )
    };
    let line = |target: &str, fields: String| (target.to_owned(), fields);
    let key = || fields("get", "/v2/b/_trust/tuf/timestamp.key");
    assert_eq!(
        *requests.0.lock().unwrap(),
        [
            line("audit", fields("post", "/v2/a/_trust/tuf/")),
            line(
                "server::http::observe",
                fields("get", "/v2/a/_trust/tuf/root.json")
            ),
            line("audit", key()),
            line("server::http::error", key()),
            line("server::http::observe", key()),
        ]
    );
}

#[tokio::test]
async fn requests_are_counted_under_notarys_names_with_their_real_status() {
    let server = TestServer::start().await;
    server.published("a").await;
    server.request("DELETE", "/v2/a/_trust/tuf/").await.ok();
    let metrics = server.get("/metrics").await.ok();
    assert_eq!(
        metrics.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let text = metrics.text();
    for line in [
        "notary_server_http_requests_total{code=\"200\",method=\"post\",operation=\"UpdateTUF\"}",
        "notary_server_http_requests_total{code=\"200\",method=\"delete\",operation=\"DeleteTUF\"}",
        "notary_server_http_request_duration_microseconds{operation=\"UpdateTUF\",quantile=\"0.5\"}",
        "notary_server_http_request_duration_microseconds_count{operation=\"Changefeed\"} 0",
        "notary_server_http_request_size_bytes_sum{operation=\"UpdateTUF\"}",
        "notary_server_http_response_size_bytes_sum{operation=\"GetRole\"}",
        "notary_server_db_connections{state=\"open\"} 1",
        "notary_server_signer_request_duration_seconds",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
}

#[tokio::test]
async fn a_request_keeps_the_id_it_came_with_if_that_is_safe_to_log() {
    let server = TestServer::start().await;
    let ask = |id: &'static str| {
        let request = Request::get("/v2/").header("x-request-id", id);
        server.send(request.body(Body::empty()).unwrap())
    };
    assert_eq!(ask("abc-123").await.header("x-request-id"), "abc-123");
    for unsafe_id in ["a b", "\"x\"", ""] {
        let given = ask(unsafe_id).await;
        assert_ne!(given.header("x-request-id"), unsafe_id);
        assert_eq!(given.header("x-request-id").len(), 36);
    }
}

/// A server that knows one administrator, root, whose password is "secret".
async fn asking_for_a_password() -> TestServer {
    let access = settings::AuthenticationSettings {
        scheme: settings::SchemeSettings::Passwords(settings::PasswordSettings {
            realm: "notary".to_owned(),
            file: None,
            administrator: Some(Credentials {
                user: "root".to_owned(),
                password: "secret".into(),
            }),
            token_service: None,
        }),
        rules_file: None,
        client_certificates: false,
    };
    let authenticator = Authenticator::new(&access, fixtures::clock())
        .await
        .unwrap();
    TestServer::with(Settings {
        authenticator: Arc::new(authenticator),
        ..Settings::default()
    })
    .await
}

#[tokio::test]
async fn what_the_door_decides_is_counted_by_outcome_and_kind() {
    let server = asking_for_a_password().await;
    for (credentials, status) in [
        (None, StatusCode::UNAUTHORIZED),
        (Some("root:wrong"), StatusCode::UNAUTHORIZED),
        (Some("root:secret"), StatusCode::OK),
    ] {
        let mut request = Request::get("/v2/");
        if let Some(credentials) = credentials {
            let value = BASE64_STANDARD.encode(credentials);
            request = request.header("authorization", format!("Basic {value}"));
        }
        let answer = server.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, status);
    }
    let metrics = server.get("/metrics").await.ok().text();
    for (outcome, kind) in [
        ("refused", "anonymous"),
        ("failed", "user"),
        ("granted", "administrator"),
    ] {
        let line = metrics.lines().find(|line| {
            line.starts_with("notary_server_auth_total{")
                && line.contains(&format!("outcome=\"{outcome}\""))
                && line.contains(&format!("kind=\"{kind}\""))
        });
        assert!(line.is_some(), "{outcome} {kind}: {metrics}");
    }
}
