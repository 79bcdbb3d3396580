//! The token service over HTTP, in front of a server that believes its tokens.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc, time::Duration};

use authn::{
    Authenticator,
    settings::{AuthenticationSettings, PasswordSettings, SchemeSettings, TokenServiceSettings},
};
use axum::body::Body;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{Request, StatusCode};
use tempfile::TempDir;
use url::form_urlencoded::Serializer;

use crate::support::{Answer, Settings, TestServer};

/// The password `secret`.
const ALICE: &str = "alice:$2y$04$hhmX.5KSOAf9WPB7GQVln.t.8/VSqxI8MMyJwmAw27wU8PxjY4j.K\n";
/// The password `other`.
const ALICE_CHANGED: &str = "alice:$2y$04$trpXOvCYmQTbAuKXH8iq3.p/GbkRuTkE3MNi2vwmxC95Ff6H16aOa\n";
const RULES: &str = "
rules:
- {who: anonymous, may: pull, on: registry.example.com/open/}
- {who: 'user:alice', may: [pull, push], on: registry.example.com/}
";
const GUN: &str = "registry.example.com/app";

fn settings(folder: &Path) -> TokenServiceSettings {
    TokenServiceSettings {
        issuer: "notary-server".to_owned(),
        audience: "notary-server".to_owned(),
        folder: Some(folder.to_owned()),
        lifetime: Duration::from_mins(5),
        registries: BTreeMap::from([("registry".to_owned(), "registry.example.com/".to_owned())]),
    }
}

struct Stage {
    folder: TempDir,
    authenticator: Arc<Authenticator>,
    server: TestServer,
}

impl Stage {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let (users, rules) = (
            folder.path().join("htpasswd"),
            folder.path().join("rules.yaml"),
        );
        fs::write(&users, ALICE).unwrap();
        fs::write(&rules, RULES).unwrap();
        let access = AuthenticationSettings {
            scheme: SchemeSettings::Passwords(PasswordSettings {
                realm: "test".to_owned(),
                file: Some(users),
                administrator: None,
                token_service: Some(settings(&folder.path().join("tokens"))),
            }),
            rules_file: Some(rules),
            client_certificates: false,
        };
        let authenticator = Arc::new(
            Authenticator::new(&access, fixtures::clock())
                .await
                .unwrap(),
        );
        let server = TestServer::with(Settings {
            authenticator: authenticator.clone(),
            ..Settings::default()
        });
        Self {
            folder,
            authenticator,
            server: server.await,
        }
    }

    fn change_users(&self, text: &str) {
        fs::write(self.folder.path().join("htpasswd"), text).unwrap();
        // What was found once may be half-written.
        self.authenticator.poll();
        self.authenticator.poll();
    }

    async fn ask(&self, query: &[(&str, &str)], password: Option<&str>) -> Answer {
        let query = encoded(query);
        let mut request = Request::get(format!("/auth/token?{query}"));
        if let Some(password) = password {
            let basic = BASE64_STANDARD.encode(format!("alice:{password}"));
            request = request.header("authorization", format!("Basic {basic}"));
        }
        self.server.send(request.body(Body::empty()).unwrap()).await
    }

    async fn post(&self, form: &[(&str, &str)]) -> Answer {
        let request = Request::post("/auth/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(encoded(form)));
        self.server.send(request.unwrap()).await
    }

    async fn with_token(&self, path: &str, token: &str) -> Answer {
        let request = Request::get(path)
            .header("authorization", format!("Bearer {token}"))
            .body(Body::empty());
        self.server.send(request.unwrap()).await
    }
}

fn encoded(fields: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// The claims of the token in an answer, unverified.
fn claims(answer: &Answer) -> serde_json::Value {
    let body = answer.json();
    let token = body["access_token"].as_str().unwrap();
    let part = token.split('.').nth(1).unwrap();
    let engine = base64::prelude::BASE64_URL_SAFE_NO_PAD;
    serde_json::from_slice(&engine.decode(part).unwrap()).unwrap()
}

fn text(answer: &Answer, member: &str) -> String {
    answer.json()[member].as_str().unwrap().to_owned()
}

const SERVICE: (&str, &str) = ("service", "notary-server");
const PUSH: (&str, &str) = ("scope", "repository:registry.example.com/app:push,pull");

#[tokio::test]
async fn a_user_gets_a_token_that_opens_what_rules_grant() {
    let stage = Stage::new().await;

    let answer = stage
        .ask(&[SERVICE, PUSH, ("account", "alice")], Some("secret"))
        .await
        .ok();

    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("content-type"), "application/json");
    let body = answer.json();
    assert_eq!(body["token"], body["access_token"]);
    assert_eq!(body["expires_in"], 300);
    assert_eq!(body["issued_at"], "2026-11-22T12:00:00Z");
    assert!(body.get("refresh_token").is_none());
    assert_eq!(
        claims(&answer)["access"][0]["actions"],
        serde_json::json!(["push", "pull"])
    );
    let token = text(&answer, "token");
    let file = format!("/v2/{GUN}/_trust/tuf/root.json");
    assert_eq!(
        stage.with_token(&file, &token).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        stage.with_token("/v2/", &token).await.status,
        StatusCode::OK
    );
    assert_eq!(
        stage.server.get(&file).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn an_anonymous_caller_gets_a_token_for_what_everybody_may_read() {
    let stage = Stage::new().await;
    let scope = (
        "scope",
        "repository:registry.example.com/open/a:push,pull repository:b:pull",
    );

    let answer = stage
        .ask(&[SERVICE, scope, ("offline_token", "true")], None)
        .await
        .ok();

    let expected = serde_json::json!(
        [{"type": "repository", "name": "registry.example.com/open/a", "actions": ["pull"]}]
    );
    assert_eq!(claims(&answer)["access"], expected);
    assert!(answer.json().get("refresh_token").is_none());
    let read = "/v2/registry.example.com/open/a/_trust/tuf/root.json";
    let token = text(&answer, "token");
    assert_eq!(
        stage.with_token(read, &token).await.status,
        StatusCode::NOT_FOUND
    );
    let other = format!("/v2/{GUN}/_trust/tuf/root.json");
    assert_eq!(
        stage.with_token(&other, &token).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn the_challenge_leads_to_the_service() {
    let stage = Stage::new().await;
    let request = Request::get("/v2/")
        .header("host", "notary.example.com:4443")
        .body(Body::empty());
    let answer = stage.server.send(request.unwrap()).await;
    let challenge = answer.header("www-authenticate");
    let expected =
        r#"Bearer realm="https://notary.example.com:4443/auth/token",service="notary-server""#;
    assert!(challenge.starts_with(expected), "{challenge}");
}

#[tokio::test]
async fn a_registry_gets_tokens_for_its_own_names() {
    let stage = Stage::new().await;
    let asked = [
        ("service", "registry"),
        ("scope", "repository:app:pull,push,delete"),
    ];

    let answer = stage.ask(&asked, Some("secret")).await.ok();

    let claims = claims(&answer);
    assert_eq!(claims["aud"], "registry");
    let expected =
        serde_json::json!([{"type": "repository", "name": "app", "actions": ["pull", "push"]}]);
    assert_eq!(claims["access"], expected);
    assert_eq!(
        stage
            .with_token("/v2/", &text(&answer, "token"))
            .await
            .status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn wrong_passwords_are_refused_in_both_forms() {
    let stage = Stage::new().await;
    let form = [
        SERVICE,
        ("grant_type", "password"),
        ("username", "alice"),
        ("password", "wrong"),
    ];
    for answer in [
        stage.ask(&[SERVICE, PUSH], Some("wrong")).await,
        stage
            .ask(&[SERVICE, ("account", "bob")], Some("secret"))
            .await,
        stage.post(&form).await,
        stage
            .post(&[
                SERVICE,
                ("grant_type", "refresh_token"),
                ("refresh_token", "a.b.c"),
            ])
            .await,
    ] {
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(
            answer
                .header("www-authenticate")
                .starts_with("Basic realm=")
        );
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.error().0, "UNAUTHORIZED");
    }
    assert_eq!(text(&stage.post(&form).await, "error"), "invalid_grant");
}

#[tokio::test]
async fn a_caller_who_guesses_is_told_to_come_back_later() {
    let stage = Stage::new().await;
    let mut last = stage.ask(&[SERVICE], Some("guess")).await;
    for n in 0..20 {
        last = stage.ask(&[SERVICE], Some(&format!("guess {n}"))).await;
    }
    assert_eq!(last.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(last.header("retry-after").parse::<u64>().unwrap() >= 1);
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused_before_any_password_is_looked_at() {
    let stage = Stage::new().await;
    for query in [&[][..], &[("service", "other")], &[SERVICE, SERVICE]] {
        let answer = stage.ask(query, Some("wrong")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(answer.error().0, "INVALID_PARAMETERS");
    }
    let grant = stage
        .post(&[SERVICE, ("grant_type", "client_credentials")])
        .await;
    assert_eq!(grant.status, StatusCode::BAD_REQUEST);
    assert_eq!(text(&grant, "error"), "unsupported_grant_type");
    let long = "x".repeat(17 << 10);
    let long = stage
        .post(&[SERVICE, ("grant_type", "password"), ("username", &long)])
        .await;
    assert_eq!(text(&long, "error"), "invalid_request");
    let json = Request::post("/auth/token")
        .header("content-type", "application/json")
        .body(Body::from("{}"));
    let json = stage.server.send(json.unwrap()).await;
    assert_eq!(text(&json, "error"), "invalid_request");
}

#[tokio::test]
async fn a_refresh_token_stands_in_for_the_password_until_that_changes() {
    let stage = Stage::new().await;
    let login = [
        SERVICE,
        ("grant_type", "password"),
        ("username", "alice"),
        ("password", "secret"),
        ("access_type", "offline"),
        ("client_id", "docker"),
    ];
    let answer = stage.post(&login).await.ok();
    assert_eq!(text(&answer, "token_type"), "Bearer");
    // Where portieris looks.
    assert_eq!(text(&answer, "token"), text(&answer, "access_token"));
    let refresh = text(&answer, "refresh_token");
    let again = [
        ("service", "registry"),
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh.as_str()),
        ("scope", "repository:app:pull repository:b:fly"),
    ];

    let answer = stage.post(&again).await.ok();

    assert_eq!(text(&answer, "scope"), "repository:app:pull");
    assert_eq!(claims(&answer)["sub"], "alice");
    assert!(answer.json().get("refresh_token").is_none());
    assert_eq!(
        stage.with_token("/v2/", &refresh).await.status,
        StatusCode::UNAUTHORIZED
    );
    stage.change_users(ALICE_CHANGED);
    assert_eq!(stage.post(&again).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn docker_login_gets_a_refresh_token_by_get() {
    let stage = Stage::new().await;
    let answer = stage
        .ask(&[SERVICE, ("offline_token", "true")], Some("secret"))
        .await
        .ok();
    assert_eq!(text(&answer, "refresh_token").split('.').count(), 3);
    assert_eq!(claims(&answer)["access"], serde_json::json!([]));
}

#[tokio::test]
async fn a_removed_users_token_opens_nothing_any_more() {
    let stage = Stage::new().await;
    let token = text(
        &stage.ask(&[SERVICE, PUSH], Some("secret")).await.ok(),
        "token",
    );
    assert_eq!(
        stage.with_token("/v2/", &token).await.status,
        StatusCode::OK
    );

    stage.change_users(&ALICE.replace("alice", "bob"));

    let answer = stage.with_token("/v2/", &token).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(
        answer
            .header("www-authenticate")
            .contains(r#"error="invalid_token""#)
    );
}

#[tokio::test]
async fn a_token_that_expired_is_of_no_use() {
    let stage = Stage::new().await;
    let token = text(
        &stage.ask(&[SERVICE, PUSH], Some("secret")).await.ok(),
        "token",
    );
    let lifetime = Duration::from_mins(5);
    stage
        .server
        .advance((lifetime + Duration::from_secs(61)).try_into().unwrap());
    assert_eq!(
        stage.with_token("/v2/", &token).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn the_keys_are_published_and_only_where_the_service_is_on() {
    let stage = Stage::new().await;
    let answer = stage.server.get("/auth/jwks.json").await.ok();
    assert_eq!(answer.json()["keys"][0]["alg"], "ES256");
    assert_eq!(answer.header("cache-control"), "public, max-age=300");

    let without = TestServer::start().await;
    for path in ["/auth/jwks.json", "/auth/token?service=notary-server"] {
        assert_eq!(
            without.get(path).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
}
