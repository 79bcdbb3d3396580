//! Requests recorded against Notary 0.7, with its answers.

use axum::body::Body;
use fixtures::{bytes, vectors};
use http::Request;
use serde_json::Value;

use crate::support::TestServer;

#[tokio::test]
async fn every_recorded_route_is_answered_as_recorded() {
    let cases = vectors("routes");
    let cases = cases.as_array().unwrap();
    let mut compared = 0;
    for case in cases {
        let Some(path) = case["path"].as_str() else {
            continue;
        };
        let method = case["method"].as_str().unwrap();
        let server = TestServer::start().await;
        let answer = server.request(method, path).await;
        let context = format!("{method} {path}");
        if path == "//v2/" {
            // Notary redirects, which a client that publishes cannot follow.
            assert_eq!(case["status"], 301);
            assert_eq!(answer.ok().text(), "{}");
            compared += 1;
            continue;
        }
        assert_eq!(
            u64::from(answer.status.as_u16()),
            case["status"],
            "{context}"
        );
        assert_eq!(
            answer.header("content-type"),
            case["content_type"].as_str().unwrap_or(""),
            "{context}"
        );
        assert_eq!(
            answer.header("location"),
            case["location"].as_str().unwrap_or(""),
            "{context}"
        );
        // An empty feed is an empty list here, as on Notary's SQL backends; its memory backend,
        // which was recorded, says null.
        let body = case["body"]
            .as_str()
            .unwrap()
            .replace("\"records\":null", "\"records\":[]");
        // The listener takes the body off answers to HEAD; the service has no need to.
        if method != "HEAD" {
            assert_eq!(answer.text(), body, "{context}");
        }
        compared += 1;
    }
    assert_eq!(compared, cases.len() - 1);
}

#[tokio::test]
async fn the_four_key_requests_answer_a_key() {
    let cases = vectors("routes");
    let server = TestServer::start().await;
    for request in cases.as_array().unwrap().last().unwrap()["requests"]
        .as_array()
        .unwrap()
    {
        let (method, path) = (request[0].as_str().unwrap(), request[1].as_str().unwrap());
        let answer = server.request(method, path).await.ok();
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        assert!(
            answer
                .text()
                .starts_with(r#"{"keytype":"ed25519","keyval":{"public":""#),
            "{path}"
        );
        assert!(answer.text().ends_with(r#"","private":null}}"#), "{path}");
    }
}

/// Notary read members in capitals like small letters, and all bytes that are not UTF-8 as one
/// character; it found something else to refuse. What is said of them instead.
const IN_OTHER_WORDS: [(&str, &str); 2] = [
    ("root case-insensitive-names", "SIGNED"),
    ("root invalid-utf8", "is not UTF-8"),
];

#[tokio::test]
async fn every_recorded_upload_is_refused_as_recorded_and_nothing_is_stored() {
    let server = TestServer::start().await;
    let cases = vectors("upload_errors");
    let cases = cases.as_array().unwrap();
    assert_eq!(cases.len(), 52);
    for case in cases {
        let mut request = Request::builder()
            .method("POST")
            .uri("/v2/ex.com/new/_trust/tuf/");
        if let Value::String(content_type) = &case["content_type"] {
            request = request.header("content-type", content_type);
        }
        let body = Body::from(bytes(&case["body_b64"]));
        let answer = server.send(request.body(body).unwrap()).await;
        assert_eq!(
            u64::from(answer.status.as_u16()),
            case["status"],
            "{}",
            case["name"]
        );
        let other = IN_OTHER_WORDS
            .iter()
            .find(|(name, _)| case["name"] == *name);
        if let Some((_, word)) = other {
            let answer = answer.text();
            assert!(answer.contains(r#""Name":"ErrBadRoot""#), "{answer}");
            assert!(answer.contains(word), "{answer}");
            continue;
        }
        assert_eq!(
            answer.text(),
            case["answer"].as_str().unwrap(),
            "{}",
            case["name"]
        );
    }
    assert_eq!(server.rows("tuf_files").await, 0);
    assert_eq!(server.rows("changefeed").await, 0);
}
