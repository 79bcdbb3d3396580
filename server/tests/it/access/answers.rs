//! What answers say to caches and browsers, and what else stands at the door.

use axum::body::Body;
use daemon::Peer;
use http::{Request, StatusCode};

use super::callers::{Stage, rules};
use crate::support::{Settings, TestServer};

#[tokio::test]
async fn a_shared_cache_keeps_only_what_everybody_may_read() {
    const PUBLIC: [&str; 2] = [
        "public, max-age=300, s-maxage=300, must-revalidate",
        "public, max-age=2592000, s-maxage=2592000",
    ];
    const PRIVATE: [&str; 2] = [
        "private, max-age=300, must-revalidate",
        "private, max-age=2592000",
    ];
    for (rules, gun, [current, consistent]) in [
        (Some(rules()), "app", PRIVATE),
        (Some(rules()), "public/app", PUBLIC),
        (None, "public/app", PRIVATE),
    ] {
        let stage = Stage::with_passwords(rules, Settings::default()).await;
        let parts = stage.publisher("alice", gun).await.first_publish();
        stage.publish("alice", gun, &parts).await.ok();
        for (file, expected) in [("root.json", current), ("1.root.json", consistent)] {
            let path = format!("/v2/{gun}/_trust/tuf/{file}");
            let answer = stage.ask("alice", "GET", &path).await.ok();
            assert_eq!(answer.header("cache-control"), expected, "{gun} {file}");
        }
    }
}

#[tokio::test]
async fn every_answer_tells_browsers_to_do_nothing_with_it() {
    let stage = Stage::with_passwords(Some(rules()), Settings::default()).await;
    for (method, path) in [
        ("GET", "/v2/"),
        ("GET", "/v2/public/app/_trust/tuf/root.json"),
        ("GET", "/_notary_server/health"),
        ("GET", "/v2//"),
        ("PATCH", "/"),
    ] {
        let answer = stage.ask("nobody", method, path).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            (
                "content-security-policy",
                "default-src 'none'; frame-ancestors 'none'",
            ),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(answer.header(name), value, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_key_is_not_to_be_kept() {
    let server = TestServer::start().await;
    for method in ["GET", "POST"] {
        let answer = server
            .request(method, "/v2/app/_trust/tuf/snapshot.key")
            .await;
        assert_eq!(answer.ok().header("cache-control"), "no-store");
    }
}

/// A request for something of the GUN `gun` that comes from `address`.
fn from(address: [u8; 4], method: &str, gun: &str, file: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(format!("/v2/{gun}/_trust/tuf/{file}"))
        .extension(Peer {
            addr: (address, 4711).into(),
            certificates: Vec::new(),
        })
        .body(Body::empty())
        .unwrap()
}

#[tokio::test]
async fn an_address_has_only_so_many_keys_made() {
    let server = TestServer::with(Settings {
        keys_per_minute: 2,
        ..Settings::default()
    })
    .await;
    let (one, other) = ([192, 0, 2, 1], [192, 0, 2, 2]);
    for (method, gun) in [("GET", "a"), ("POST", "b")] {
        server
            .send(from(one, method, gun, "timestamp.key"))
            .await
            .ok();
    }
    for method in ["GET", "POST"] {
        let answer = server.send(from(one, method, "c", "timestamp.key")).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
        assert_ne!(answer.header("retry-after"), "");
    }
    server
        .send(from(other, "GET", "c", "timestamp.key"))
        .await
        .ok();
}

#[tokio::test]
async fn asking_for_a_key_in_force_makes_none_and_is_not_counted() {
    let server = TestServer::with(Settings {
        keys_per_minute: 2,
        ..Settings::default()
    })
    .await;
    server.published("app").await;
    for _ in 0..5 {
        server.file("app", "timestamp.key").await.ok();
    }
}

async fn monitored(server: &TestServer, path: &str) -> StatusCode {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let answer = server::http::Endpoint::monitoring(server.app.clone())
        .answer(request)
        .await;
    answer.unwrap().status()
}

#[tokio::test]
async fn health_and_metrics_may_have_a_listener_of_their_own() {
    let settings = Settings {
        monitoring_apart: true,
        ..Settings::default()
    };
    let stage = Stage::with_passwords(Some(rules()), settings).await;
    for path in ["/_notary_server/health", "/metrics"] {
        assert_eq!(monitored(&stage.server, path).await, StatusCode::OK);
        let main = stage.ask("nobody", "GET", path).await;
        assert_eq!(main.status, StatusCode::UNAUTHORIZED, "{path}");
        let main = stage.ask("alice", "GET", path).await;
        assert_eq!(main.status, StatusCode::NOT_FOUND, "{path}");
    }
    for path in [
        "/v2/",
        "/v2/public/app/_trust/tuf/root.json",
        "/auth/token",
        "//",
    ] {
        assert_eq!(
            monitored(&stage.server, path).await,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_certificate_of_a_proxy_is_not_that_of_whoever_it_speaks_for() {
    let path = "/v2/app/_trust/tuf/root.json";
    for (proxies, expected) in [
        (Vec::new(), StatusCode::NOT_FOUND),
        (
            vec!["192.0.2.0/24".parse().unwrap()],
            StatusCode::UNAUTHORIZED,
        ),
    ] {
        let settings = Settings {
            trusted_proxies: proxies,
            ..Settings::default()
        };
        let stage = Stage::with_passwords(Some(rules()), settings).await;
        let answer = stage.ask("robot", "GET", path).await;
        assert_eq!(answer.status, expected);
    }
}

#[tokio::test]
async fn behind_a_trusted_proxy_every_client_has_keys_of_its_own_made() {
    let server = TestServer::with(Settings {
        keys_per_minute: 1,
        trusted_proxies: vec!["192.0.2.1/32".parse().unwrap()],
        ..Settings::default()
    })
    .await;
    let ask = |proxy, client: &'static str| {
        let mut request = from(proxy, "POST", "app", "timestamp.key");
        let headers = request.headers_mut();
        headers.insert("x-forwarded-for", client.parse().unwrap());
        server.send(request)
    };
    let (trusted, stranger) = ([192, 0, 2, 1], [192, 0, 2, 2]);
    for (peer, client, expected) in [
        (trusted, "198.51.100.1", StatusCode::OK),
        (trusted, "198.51.100.1", StatusCode::TOO_MANY_REQUESTS),
        (trusted, "198.51.100.2", StatusCode::OK),
        (stranger, "198.51.100.3", StatusCode::OK),
        (stranger, "198.51.100.4", StatusCode::TOO_MANY_REQUESTS),
    ] {
        assert_eq!(
            ask(peer, client).await.status,
            expected,
            "{peer:?} {client}"
        );
    }
}
