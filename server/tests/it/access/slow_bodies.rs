//! What changes while a body is on its way.

use axum::body::Body;
use futures_util::stream;
use http::{Method, StatusCode};
use serde_json::json;

use super::callers::{Stage, USERS, rules};
use crate::support::{Answer, Settings};

/// What alice gets for a first publish, if `content` is put into `file` while its body is on its
/// way.
async fn published_meanwhile(stage: &Stage, who: &str, file: &str, content: String) -> Answer {
    let parts = stage.publisher("alice", "app").await.first_publish();
    let (content_type, body) = fixtures::multipart(&parts);
    let change = stage.change(file, content);
    let slow = stream::once(async move {
        change();
        Ok::<_, std::io::Error>(body)
    });
    let request = stage
        .sent_by(who, Method::POST.as_str(), "/v2/app/_trust/tuf/")
        .header("content-type", content_type)
        .body(Body::from_stream(slow));
    stage.server.send(request.unwrap()).await
}

/// The users but alice.
fn others() -> String {
    let lines = USERS.split_inclusive('\n');
    lines.filter(|line| !line.starts_with("alice:")).collect()
}

#[tokio::test]
async fn a_user_who_is_removed_while_the_body_is_on_its_way_publishes_nothing() {
    let basic = Stage::with_passwords(Some(rules()), Settings::default()).await;
    let tokens = Stage::with_token_service(Some(rules())).await;
    for (stage, who) in [(basic, "alice"), (tokens, "t-push")] {
        let answer = published_meanwhile(&stage, who, "htpasswd", others()).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(!answer.header("www-authenticate").is_empty());
        assert_eq!(stage.server.rows("tuf_files").await, 0);
    }
}

#[tokio::test]
async fn an_update_is_judged_by_the_rules_of_when_it_is_there() {
    let ci_alone = json!({"rules": [{"who": "user:ci", "may": "*", "on": "app"}]});
    for (rules_then, expected) in [
        (ci_alone, StatusCode::UNAUTHORIZED),
        (rules(), StatusCode::OK),
    ] {
        let stage = Stage::with_passwords(Some(rules()), Settings::default()).await;
        let content = rules_then.to_string();
        let answer = published_meanwhile(&stage, "alice", "rules.json", content).await;
        assert_eq!(answer.status, expected, "{}", answer.text());
    }
}

#[tokio::test]
async fn even_an_update_without_a_change_is_refused_to_who_may_not_publish_any_more() {
    let stage = Stage::with_passwords(Some(rules()), Settings::default()).await;
    let nobody = json!({"rules": [{"who": "user:ci", "may": "pull", "on": "app"}]});
    let change = stage.change("rules.json", nobody.to_string());
    let slow = stream::once(async move {
        change();
        Ok::<_, std::io::Error>("--XX--\r\n")
    });
    let request = stage
        .sent_by("ci", "POST", "/v2/app/_trust/tuf/")
        .header("content-type", "multipart/form-data; boundary=XX")
        .body(Body::from_stream(slow));
    let answer = stage.server.send(request.unwrap()).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}
