//! What those are told who are not let in.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::body::{Body, Bytes};
use futures_util::stream;
use http::StatusCode;

use super::callers::{Stage, outside_rules, rules};
use crate::support::{Answer, Settings};

#[tokio::test]
async fn every_recorded_challenge_is_made_again() {
    let stage = Stage::with_outside_tokens(None).await;
    let vectors = fixtures::vectors("auth_tokens");
    let scopes = vectors["scopes"].as_array().unwrap();
    assert_eq!(scopes.len(), 19);
    for case in scopes {
        let (method, path) = (
            case["method"].as_str().unwrap(),
            case["path"].as_str().unwrap(),
        );
        let answer = stage.ask("nobody", method, path).await;
        assert_eq!(
            answer.status.as_u16(),
            case["status_without_token"],
            "{method} {path}"
        );
        let challenge = case["www_authenticate"].as_str().unwrap_or_default();
        assert_eq!(
            answer.header("www-authenticate"),
            challenge,
            "{method} {path}"
        );
        // The body of an answer to HEAD is left out by the connection.
        if answer.status == StatusCode::UNAUTHORIZED && method != "HEAD" {
            assert_eq!(answer.text(), case["body"], "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_refusal_is_not_to_be_kept() {
    let stage = Stage::with_token_service(Some(rules())).await;
    for who in ["nobody", "wrong", "forged", "ci"] {
        let answer = stage.ask(who, "DELETE", "/v2/app/_trust/tuf/").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{who}");
        assert_eq!(answer.header("cache-control"), "no-store", "{who}");
    }
}

#[tokio::test]
async fn the_challenge_says_what_is_wrong_with_a_token() {
    let stage = Stage::with_outside_tokens(Some(outside_rules())).await;
    for (who, error) in [
        ("nobody", ""),
        ("robot", ""),
        ("alice", ""),
        ("forged", ",error=\"invalid_token\""),
        ("push", ",error=\"insufficient_scope\""),
        ("limited", ",error=\"insufficient_scope\""),
    ] {
        let answer = stage.ask(who, "DELETE", "/v2/app/_trust/tuf/").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{who}");
        let expected = format!(
            "Bearer realm=\"https://auth.example.com/token\",service=\"notary-server\",\
             scope=\"repository:app:*\"{error}"
        );
        assert_eq!(answer.header("www-authenticate"), expected, "{who}");
    }
}

#[tokio::test]
async fn the_token_service_is_where_the_client_found_this_server() {
    let stage = Stage::with_token_service(Some(rules())).await;
    let answer = stage.ask("nobody", "GET", "/v2/").await;
    assert_eq!(
        answer.header("www-authenticate"),
        "Bearer realm=\"https://notary.example.com/auth/token\",service=\"notary-server\",\
         scope=\"registry:catalog:*\""
    );
}

#[tokio::test]
async fn a_wrong_password_is_asked_for_again() {
    let stage = Stage::with_passwords(Some(rules()), Settings::default()).await;
    for who in ["nobody", "wrong", "garbled", "forged"] {
        let answer = stage.ask(who, "GET", "/v2/").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{who}");
        assert_eq!(
            answer.header("www-authenticate"),
            "Basic realm=\"trust\",charset=\"UTF-8\"",
            "{who}"
        );
        assert_eq!(
            answer.text(),
            "{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"authentication required\",\
             \"detail\":[{\"Type\":\"registry\",\"Class\":\"\",\"Name\":\"catalog\",\"Action\":\"*\"}]}]}\n",
            "{who}"
        );
    }
}

#[tokio::test]
async fn what_is_shown_twice_or_ill_formed_is_not_taken_for_nothing() {
    let stage = Stage::with_token_service(Some(rules())).await;
    let public = "/v2/public/app/_trust/tuf/root.json";
    let token = "/auth/token?service=notary-server";
    for (path, of_nobody) in [(public, StatusCode::NOT_FOUND), (token, StatusCode::OK)] {
        let answer = stage.ask("nobody", "GET", path).await;
        assert_eq!(answer.status, of_nobody, "{path}");
        for headers in [&["Bearer  a.b.c"][..], &["Negotiate a", "Negotiate a"]] {
            let mut request = stage.sent_by("nobody", "GET", path);
            for header in headers {
                request = request.header("authorization", *header);
            }
            let answer = stage.server.send(request.body(Body::empty()).unwrap());
            let status = answer.await.status;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{path} {headers:?}");
        }
    }
}

#[tokio::test]
async fn who_guesses_too_often_is_told_when_to_come_back() {
    let stage = Stage::with_passwords(Some(rules()), Settings::default()).await;
    let path = "/v2/app/_trust/tuf/root.json";
    for _ in 0..10 {
        let answer = stage.ask("guesser", "GET", path).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    let answer = stage.ask("guesser", "GET", path).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    let seconds: u32 = answer.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert_eq!(
        answer.text(),
        "{\"errors\":[{\"code\":\"TOOMANYREQUESTS\",\"message\":\"too many requests\"}]}\n"
    );
}

#[tokio::test]
async fn a_gun_of_another_prefix_is_refused_before_anybody_is_asked() {
    let settings = Settings {
        gun_prefixes: vec!["good/".into()],
        ..Settings::default()
    };
    let stage = Stage::with_passwords(None, settings).await;
    let upload = stage.ask("nobody", "POST", "/v2/app/_trust/tuf/").await;
    assert_eq!(upload.error().0, "INVALID_GUN");
    let read = stage
        .ask("wrong", "GET", "/v2/app/_trust/tuf/root.json")
        .await;
    assert_eq!(read.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_scheme_that_is_not_known_is_401_with_the_usual_challenge() {
    for stage in [
        Stage::with_passwords(Some(rules()), Settings::default()).await,
        Stage::with_token_service(Some(rules())).await,
        Stage::with_outside_tokens(Some(outside_rules())).await,
        Stage::with_outside_tokens(None).await,
    ] {
        // Anonymous callers may read the first one where there are rules.
        for gun in ["public/app", "app"] {
            let path = format!("/v2/{gun}/_trust/tuf/root.json");
            let usual = stage.ask("nobody", "GET", &path).await;
            for scheme in ["Negotiate YWJj", "Digest username=\"a\"", "YTpi"] {
                let request = stage.sent_by("nobody", "GET", &path);
                let request = request.header("authorization", scheme).body(Body::empty());
                let answer = stage.server.send(request.unwrap()).await;
                assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{gun} {scheme}");
                let challenge = answer.header("www-authenticate");
                assert!(challenge.contains("realm="), "{challenge}");
                if usual.status == StatusCode::UNAUTHORIZED {
                    assert_eq!(challenge, usual.header("www-authenticate"));
                }
            }
        }
    }
}

#[tokio::test]
async fn a_doubled_slash_before_v2_is_decided_as_the_plain_path() {
    let stage = Stage::with_passwords(None, Settings::default()).await;
    for (method, path) in [
        ("GET", "/v2/app/_trust/tuf/root.json"),
        ("GET", "/v2/app/_trust/tuf/timestamp.key"),
        ("POST", "/v2/app/_trust/tuf/"),
        ("DELETE", "/v2/app/_trust/tuf/"),
        ("GET", "/v2/_trust/changefeed"),
        ("GET", "/v2/"),
    ] {
        for who in ["nobody", "wrong", "alice"] {
            let plain = stage.ask(who, method, path).await;
            let doubled = stage.ask(who, method, &format!("/{path}")).await;
            assert_eq!(doubled.status, plain.status, "{who} {method} {path}");
            let challenge = |answer: &Answer| answer.header("www-authenticate").to_owned();
            assert_eq!(
                challenge(&doubled),
                challenge(&plain),
                "{who} {method} {path}"
            );
        }
    }
}

#[tokio::test]
async fn a_gun_cannot_write_headers() {
    let stage = Stage::with_outside_tokens(None).await;
    let path = "/v2/a%0d%0aX-Evil:%20%221/_trust/tuf/root.json";
    let answer = stage.ask("nobody", "GET", path).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.header("x-evil"), "");
    let challenge = answer.header("www-authenticate");
    assert!(
        challenge.contains(r#"repository:a\r\nX-Evil: \"1:pull"#),
        "{challenge}"
    );
}

/// How many of ten pieces of a body of 64 KiB were read before a stranger was refused.
async fn pieces_read(stage: &Stage, expects: bool) -> usize {
    let read = Arc::new(AtomicUsize::new(0));
    let count = read.clone();
    let pieces = stream::iter((0..10).map(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; 64 << 10]))
    }));
    let request = stage.sent_by("nobody", "POST", "/v2/app/_trust/tuf/");
    let request = if expects {
        request.header("expect", "100-continue")
    } else {
        request
    };
    let request = request.body(Body::from_stream(pieces)).unwrap();
    let answer = stage.server.send(request).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    read.load(Ordering::SeqCst)
}

#[tokio::test]
async fn a_refused_client_may_finish_sending_so_that_it_sees_why() {
    let stage = Stage::with_token_service(Some(rules())).await;
    assert_eq!(pieces_read(&stage, false).await, 10);
    assert_eq!(
        pieces_read(&stage, true).await,
        0,
        "it asked before it sends"
    );
}
