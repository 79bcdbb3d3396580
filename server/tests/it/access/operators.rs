//! The API for operators: its routes, what it refuses, and that a caller learns nothing of what
//! they may not see.

use std::{collections::BTreeSet, io::Read as _, time::Duration};

use audit_trail::Audit;
use axum::body::Body;
use fixtures::Publisher;
use flate2::read::GzDecoder;
use http::StatusCode;
use insight::Overview;
use serde_json::{Value, json};

use super::callers::Stage;
use crate::support::{Answer, Settings, TestServer};

const TYPE: &str = "application/problem+json";

/// What a request to the API is answered.
async fn ask(stage: &Stage, who: &str, path: &str) -> Answer {
    stage.ask(who, "GET", &format!("/api/v1/{path}")).await
}

async fn json(stage: &Stage, who: &str, path: &str) -> Value {
    ask(stage, who, path).await.ok().json()
}

fn rules() -> Value {
    json!({"rules": [
        {"who": "user:alice", "may": ["pull", "audit"], "on": ["a/", "*/mine"]},
        {"who": "user:ci", "may": "see", "on": "b/"},
        {"who": "certificate:robot", "may": "push", "on": "**"},
    ]})
}

/// A repository with a tag of this name, and what is to be found of it.
async fn publish(stage: &Stage, gun: &str, tag: &str) -> Publisher {
    let mut publisher = stage.publisher("admin", gun).await;
    let first = publisher.first_publish();
    stage.publish("admin", gun, &first).await.ok();
    publisher.add_target("targets", tag, gun.as_bytes());
    let next = publisher.next(&["targets"]);
    stage.publish("admin", gun, &next).await.ok();
    publisher
}

/// A server with two repositories of alice's, and two of ci's.
async fn filled(settings: Settings) -> Stage {
    let stage = Stage::with_passwords(Some(rules()), settings).await;
    for (gun, tag) in [
        ("a/one", "1.0"),
        ("a/two", "2.0\u{1b}</script>\r\n"),
        ("b/hidden-one", "hidden-tag"),
        ("b/hidden-two", "hidden-tag"),
    ] {
        publish(&stage, gun, tag).await;
    }
    stage.server.follow().await;
    stage
}

/// A page after another, until there is no next one.
async fn pages(stage: &Stage, who: &str, path: &str, member: &str) -> Vec<Value> {
    let (mut rows, mut after) = (Vec::new(), String::new());
    loop {
        let mark = if path.contains('?') { '&' } else { '?' };
        let page = json(stage, who, &format!("{path}{mark}limit=1{after}")).await;
        let found = page[member].as_array().unwrap();
        assert!(found.len() <= 1);
        rows.extend(found.iter().cloned());
        match page["next"].as_str() {
            Some(next) if member != "changes" || !found.is_empty() => {
                after = format!("&after={next}");
            }
            _ => return rows,
        }
    }
}

fn texts(rows: &[Value], member: &str) -> Vec<String> {
    let texts = rows.iter().map(|row| row[member].as_str().unwrap());
    texts.map(str::to_owned).collect()
}

/// Every route, with parameters that find something.
fn walk(gun: &str, key: &str, digest: &str) -> Vec<String> {
    let mut paths: Vec<String> = [
        "repositories",
        "repositories?limit=1",
        "repositories?prefix=b",
        "repositories?tag=hidden-tag",
        "repositories?unhealthy=true",
        "repositories?sort=expires",
        "repositories?sort=published&limit=2",
        "repositories?expires_before=2200-01-01",
        "signers",
        "signers?limit=1",
        "expiry?within=36500d",
        "expiry?within=36500d&limit=1",
        "expiry.ics?within=36500d",
        "changes",
        "changes?limit=1",
        "status",
    ]
    .map(str::to_owned)
    .into();
    paths.push(format!("repositories?signer={key}"));
    paths.push(format!("repositories?digest={digest}"));
    paths.push(format!("repository?gun={gun}"));
    paths.push(format!("tags?gun={gun}"));
    paths.push(format!("keys/{key}"));
    paths
}

#[tokio::test]
async fn an_operator_finds_everything_by_one_request_each() {
    let stage = filled(Settings::default()).await;
    let all = json(&stage, "admin", "repositories").await;
    let rows = all["repositories"].as_array().unwrap();
    let names = ["a/one", "a/two", "b/hidden-one", "b/hidden-two"];
    assert_eq!(texts(rows, "gun"), names);
    assert_eq!(all["next"], Value::Null);
    assert_eq!(
        texts(
            &pages(&stage, "admin", "repositories", "repositories").await,
            "gun"
        ),
        names
    );
    let row = &rows[0];
    assert_eq!(
        (&row["health"], &row["tag_count"]),
        (&json!("ok"), &json!(1))
    );
    assert_eq!(row["version"], 2);

    let one = json(&stage, "admin", "repository?gun=b/hidden-one").await;
    let root = one["roles"]
        .as_array()
        .unwrap()
        .iter()
        .find(|role| role["role"] == "root");
    let key = root.unwrap()["keys"][0].as_str().unwrap().to_owned();
    let tags = json(&stage, "admin", "tags?gun=b/hidden-one").await;
    let digest = tags["tags"][0]["digest"].as_str().unwrap();
    assert_eq!(tags["tags"][0]["name"], "hidden-tag");

    // A name of any characters is a text of JSON, and nothing else.
    let strange = json(&stage, "admin", "tags?gun=a/two").await;
    assert_eq!(strange["tags"][0]["name"], "2.0\u{1b}</script>\r\n");
    let raw = ask(&stage, "admin", "tags?gun=a/two").await.text();
    assert!(!raw.contains('\u{1b}') && raw.contains("\\u001b"), "{raw}");

    // Which repositories can this key sign?
    let signs = json(&stage, "admin", &format!("keys/{}", key.to_uppercase())).await;
    assert_eq!(
        signs["signs"],
        json!([{"gun": "b/hidden-one", "role": "root"}])
    );
    for filter in [
        format!("signer={key}"),
        format!("digest={digest}&tag=hidden-tag"),
    ] {
        let found = json(&stage, "admin", &format!("repositories?{filter}")).await;
        assert_eq!(
            texts(found["repositories"].as_array().unwrap(), "gun"),
            ["b/hidden-one"]
        );
    }
    let found = json(
        &stage,
        "admin",
        "repositories?tag=hidden-tag&prefix=b/hidden-t",
    )
    .await;
    assert_eq!(
        texts(found["repositories"].as_array().unwrap(), "gun"),
        ["b/hidden-two"]
    );

    // What expires, and who has to act?
    let soon = pages(&stage, "admin", "expiry?within=36500d", "expiring").await;
    assert_eq!(soon.len(), 8, "root and targets of each");
    assert!(
        soon.iter()
            .any(|due| due["cure"] == "notary witness a/one targets -p"
                && due["owner"] == "publisher")
    );
    assert_eq!(
        json(&stage, "admin", "expiry?within=1d").await["expiring"],
        json!([])
    );
    let calendar = ask(&stage, "admin", "expiry.ics?within=36500d").await.ok();
    assert_eq!(
        calendar.header("content-type"),
        "text/calendar; charset=utf-8"
    );
    assert_eq!(calendar.text().matches("BEGIN:VEVENT").count(), 8);

    let keys = pages(&stage, "admin", "signers", "signers").await;
    assert_eq!(
        keys.len(),
        json(&stage, "admin", "signers").await["signers"]
            .as_array()
            .unwrap()
            .len()
    );
    assert!(keys.iter().all(|key| key["repository_count"] == 1));

    let status = json(&stage, "admin", "status").await;
    assert_eq!(status["inventory"]["state"], "current");
    assert_eq!(
        status["repositories"],
        json!({"all": 4, "ok": 4, "warning": 0, "broken": 0, "is_complete": true})
    );
    let changes = pages(&stage, "admin", "changes", "changes").await;
    assert_eq!(changes.len(), 8, "two publishes of each");
    let ids: BTreeSet<_> = texts(&changes, "id").into_iter().collect();
    assert_eq!(ids.len(), 8);
}

/// What of a text is somebody else's.
fn is_foreign(text: &str, foreign: &[String]) -> bool {
    foreign.iter().any(|part| text.contains(part.as_str()))
}

/// What is hidden from alice: texts, and of those one key and one digest.
struct Hidden {
    texts: Vec<String>,
    key: String,
    digest: String,
}

async fn hidden(stage: &Stage) -> Hidden {
    let mut texts = vec!["hidden-".to_owned()];
    let mut key = String::new();
    for gun in ["b/hidden-one", "b/hidden-two"] {
        let one = json(stage, "admin", &format!("repository?gun={gun}")).await;
        for signer in one["signers"].as_array().unwrap() {
            signer["key_id"].as_str().unwrap().clone_into(&mut key);
            texts.push(key.clone());
        }
        texts.push(one["sha256"].as_str().unwrap().to_owned());
        for role in one["roles"].as_array().unwrap() {
            texts.push(role["sha256"].as_str().unwrap().to_owned());
        }
    }
    let tags = json(stage, "admin", "tags?gun=b/hidden-one").await;
    let digest = tags["tags"][0]["digest"].as_str().unwrap().to_owned();
    texts.push(digest.clone());
    Hidden { texts, key, digest }
}

#[tokio::test]
async fn a_caller_without_rights_to_a_prefix_learns_nothing_of_it() {
    let stage = filled(Settings::default()).await;
    let Hidden {
        texts: foreign,
        key,
        digest,
    } = hidden(&stage).await;
    let mut seen_by_admin = 0;
    for path in walk("b/hidden-one", &key, &digest) {
        let asked: Vec<_> = foreign
            .iter()
            .filter(|part| !path.contains(part.as_str()))
            .cloned()
            .collect();
        let answer = ask(&stage, "alice", &path).await;
        assert!(
            !is_foreign(&answer.text(), &asked),
            "{path}: {}",
            answer.text()
        );
        assert!(
            answer.status == StatusCode::OK || answer.status == StatusCode::NOT_FOUND,
            "{path}"
        );
        // The walk does find things, for those who may see them.
        let admin = ask(&stage, "admin", &path).await.ok();
        seen_by_admin += usize::from(is_foreign(&admin.text(), &foreign));
        // And ci sees nothing of alice's, with permission to see alone.
        let ci = ask(&stage, "ci", &path).await.ok();
        assert!(
            !ci.text().contains("a/one") && !ci.text().contains("a/two"),
            "{path}"
        );
    }
    assert!(seen_by_admin > 12, "{seen_by_admin}");

    // Counts are those of what is seen.
    let status = json(&stage, "alice", "status").await;
    assert_eq!(status["repositories"]["all"], 2);
    assert_eq!(pages(&stage, "alice", "changes", "changes").await.len(), 4);
    assert_eq!(
        pages(&stage, "alice", "expiry?within=36500d", "expiring")
            .await
            .len(),
        4
    );
    for path in [
        "repositories",
        "repositories?sort=expires",
        "repositories?sort=published",
    ] {
        let mut names = texts(&pages(&stage, "alice", path, "repositories").await, "gun");
        names.sort();
        assert_eq!(names, ["a/one", "a/two"]);
    }
}

#[tokio::test]
async fn what_is_hidden_is_answered_as_what_is_missing_to_the_letter() {
    let stage = filled(Settings::default()).await;
    let Hidden { key, digest, .. } = hidden(&stage).await;
    let other = "0".repeat(64);
    for (hidden, missing) in [
        (
            "repository?gun=b/hidden-one".to_owned(),
            "repository?gun=b/missing".to_owned(),
        ),
        (
            "tags?gun=b/hidden-one".to_owned(),
            "tags?gun=b/missing".to_owned(),
        ),
        (format!("keys/{key}"), format!("keys/{other}")),
        (
            format!("repositories?signer={key}"),
            format!("repositories?signer={other}"),
        ),
        (
            format!("repositories?digest={digest}"),
            format!("repositories?digest={other}"),
        ),
        (
            "repositories?tag=hidden-tag".to_owned(),
            "repositories?tag=missing".to_owned(),
        ),
        (
            "repositories?prefix=b/".to_owned(),
            "repositories?prefix=c/".to_owned(),
        ),
    ] {
        let (hidden, missing) = (
            ask(&stage, "alice", &hidden).await,
            ask(&stage, "alice", &missing).await,
        );
        assert_eq!(hidden.status, missing.status);
        let body = |answer: &Answer| {
            let mut body = answer.json();
            if let Some(body) = body.as_object_mut() {
                body.remove("instance");
            }
            body
        };
        assert_eq!(body(&hidden), body(&missing));
        let names = |answer: &Answer| -> Vec<String> {
            answer.headers.keys().map(ToString::to_string).collect()
        };
        assert_eq!(names(&hidden), names(&missing));
    }
    // A token shows what it lists and no more, and robots that only push see nothing.
    let refused = ask(&stage, "robot", "repositories").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_a_problem_that_names_it() {
    let stage = filled(Settings::default()).await;
    let problem = |answer: &Answer, status: u16, kind: &str| {
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
        assert_eq!(answer.header("content-type"), TYPE);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        let body = answer.json();
        assert_eq!(body["type"], format!("urn:countersign:problem:{kind}"));
        assert_eq!(body["status"], status);
        assert!(!body["title"].as_str().unwrap().is_empty());
        let id = answer.header("x-request-id");
        assert_eq!(body["instance"], format!("urn:countersign:request:{id}"));
        body
    };
    for (path, parameter) in [
        ("repositories?colour=red", "colour"),
        ("repositories?limit=501", "limit"),
        ("repositories?after=a/one", "after"),
        ("repositories?sort=expires&tag=1.0", "sort"),
        ("repository", "gun"),
        ("status?wait=1s", "wait"),
        ("changes?wait=61s", "wait"),
        ("changes?after=x", "after"),
        ("signers?after=AAAA", "after"),
        ("expiry?within=soon", "within"),
        ("audit?since=yesterday", "since"),
        ("openapi.json?x=1", "x"),
    ] {
        let body = problem(&ask(&stage, "admin", path).await, 400, "bad-parameter");
        assert_eq!(body["parameter"], parameter, "{path}");
    }
    for path in [
        "",
        "nothing",
        "repositories/",
        "keys/",
        "keys/a/b",
        "repository/a",
    ] {
        problem(&ask(&stage, "admin", path).await, 404, "no-such-route");
    }
    problem(
        &stage.ask("admin", "GET", "/api").await,
        404,
        "no-such-route",
    );
    problem(
        &stage.ask("admin", "GET", "/api/v2/repositories").await,
        404,
        "no-such-route",
    );
    problem(
        &stage.ask("admin", "GET", "/api/v1/%ff").await,
        404,
        "no-such-route",
    );
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let answer = stage.ask("admin", method, "/api/v1/repositories").await;
        problem(&answer, 405, "method-not-allowed");
        assert_eq!(answer.header("allow"), "GET, HEAD");
    }
    let long = format!("repositories?prefix={}", "a".repeat(8192));
    problem(&ask(&stage, "admin", &long).await, 414, "too-long");
    for who in ["nobody", "wrong", "garbled"] {
        let answer = ask(&stage, who, "repositories").await;
        problem(&answer, 401, "unauthorized");
        assert_eq!(
            answer.header("www-authenticate"),
            "Basic realm=\"trust\",charset=\"UTF-8\""
        );
    }
    problem(&ask(&stage, "robot", "status").await, 403, "forbidden");
    problem(
        &ask(&stage, "ci", "audit?gun=b/hidden-one").await,
        403,
        "forbidden",
    );
    problem(&ask(&stage, "alice", "audit").await, 403, "forbidden");
    problem(&ask(&stage, "nobody", "audit").await, 401, "unauthorized");
}

#[tokio::test]
async fn answers_have_etags_and_are_compressed_for_those_who_take_it() {
    let stage = filled(Settings::default()).await;
    let send = async |method: &str, path: &str, headers: &[(&str, &str)]| {
        let mut request = stage.sent_by("admin", method, &format!("/api/v1/{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        stage
            .server
            .send(request.body(Body::empty()).unwrap())
            .await
    };
    let plain = send("GET", "repositories", &[]).await.ok();
    assert_eq!(plain.header("cache-control"), "private, no-store");
    assert_eq!(plain.header("vary"), "accept-encoding, authorization");
    assert_eq!(plain.header("content-type"), "application/json");
    assert!(
        plain
            .header("content-security-policy")
            .contains("default-src 'none'")
    );
    let etag = plain.header("etag");
    assert!(etag.starts_with('"') && etag.ends_with('"'));
    let known = send("GET", "repositories", &[("if-none-match", etag)]).await;
    assert_eq!(known.status, StatusCode::NOT_MODIFIED);
    assert!(known.body.is_empty());
    assert_eq!(known.header("etag"), etag);

    let packed = send("GET", "repositories", &[("accept-encoding", "gzip")])
        .await
        .ok();
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert_ne!(packed.header("etag"), etag);
    let mut unpacked = Vec::new();
    GzDecoder::new(packed.body.as_slice())
        .read_to_end(&mut unpacked)
        .unwrap();
    assert_eq!(unpacked, plain.body);
    assert!(packed.body.len() < plain.body.len());
    // What is short is not worth it.
    let short = send("GET", "expiry?within=1d", &[("accept-encoding", "gzip")])
        .await
        .ok();
    assert_eq!(short.header("content-encoding"), "");

    let head = send("HEAD", "repositories", &[]).await.ok();
    assert!(head.body.is_empty());
    assert_eq!(head.header("content-length"), plain.body.len().to_string());
    assert_eq!(head.header("etag"), etag);
    let refused = send("HEAD", "repositories?x=1", &[]).await;
    assert_eq!(
        (refused.status, refused.body.len()),
        (StatusCode::BAD_REQUEST, 0)
    );

    // Another page has another one, and so has the same one after a publish.
    let mut publisher = publish(&stage, "a/three", "3.0").await;
    assert!(!publisher.next(&["targets"]).is_empty());
    stage.server.follow().await;
    let later = send("GET", "repositories", &[("if-none-match", etag)])
        .await
        .ok();
    assert_ne!(later.header("etag"), etag);
    let page = async || send("GET", "repositories?limit=1", &[]).await.ok();
    assert_eq!(page().await.header("etag"), page().await.header("etag"));
}

#[tokio::test]
async fn without_an_answer_the_cure_is_named() {
    let kind = async |server: &TestServer, path: &str| {
        let answer = server.get(&format!("/api/v1/{path}")).await;
        let body = answer.json();
        let kind = body["type"].as_str().unwrap_or_default().rsplit(':').next();
        (
            answer.status.as_u16(),
            kind.unwrap_or_default().to_owned(),
            body,
        )
    };
    let server = TestServer::start().await;
    let (status, name, body) = kind(&server, "repositories").await;
    assert_eq!((status, name.as_str()), (503, "inventory-tables-missing"));
    assert!(
        body["detail"]
            .as_str()
            .unwrap()
            .contains("notary-server migrate")
    );
    let (_, _, body) = kind(&server, "status").await;
    assert_eq!(body["inventory"]["state"], "tables-missing");
    let connected = database::Connected::Sqlite(server.pool.clone());
    inventory::migrate(&connected).await.unwrap();
    let (status, name, _) = kind(&server, "signers").await;
    assert_eq!((status, name.as_str()), (503, "inventory-not-ready"));
    server.follow().await;
    assert_eq!(kind(&server, "signers").await.0, 200);
    server.keep_unreadable("a/broken").await;
    server.follow().await;
    let (status, _, body) = kind(&server, "repositories?unhealthy=true").await;
    assert_eq!(status, 200);
    assert_eq!(body["repositories"][0]["health"], "broken");
    let (status, _, body) = kind(&server, "repository?gun=a/broken").await;
    assert_eq!(status, 200);
    assert!(!body["problems"][0]["cure"].as_str().unwrap().is_empty());
    server.pool.close().await;
    for path in [
        "repositories",
        "repository?gun=a/broken",
        "signers",
        "changes",
        "expiry",
    ] {
        let (status, name, _) = kind(&server, path).await;
        assert_eq!((status, name.as_str()), (503, "unavailable"), "{path}");
    }
    let off = TestServer::with(Settings {
        overview: Some(Overview::off()),
        ..Settings::default()
    })
    .await;
    let (status, name, body) = kind(&off, "repositories").await;
    assert_eq!((status, name.as_str()), (404, "inventory-off"));
    assert!(
        body["detail"]
            .as_str()
            .unwrap()
            .contains("inventory.enabled")
    );
    assert_eq!(kind(&off, "status").await.2["inventory"]["state"], "off");
    let without = TestServer::with(Settings {
        has_v1: false,
        ..Settings::default()
    })
    .await;
    let answer = without.get("/api/v1/status").await;
    assert_eq!(answer.error().0, "METADATA_NOT_FOUND");
}

#[tokio::test]
async fn without_authentication_everybody_sees_everything_but_the_audit_log() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::with(Settings {
        audit: Audit::to_file(&folder.path().join("audit.log")).unwrap(),
        ..Settings::default()
    })
    .await;
    server.published("a/app").await;
    server.follow().await;
    let all = server.get("/api/v1/repositories").await.ok().json();
    assert_eq!(all["repositories"][0]["gun"], "a/app");
    for path in ["audit", "audit?gun=a/app"] {
        let answer = server.get(&format!("/api/v1/{path}")).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert_eq!(answer.header("www-authenticate"), "");
    }
}

#[tokio::test]
async fn the_audit_log_is_shown_to_those_who_may_audit() {
    let folder = tempfile::tempdir().unwrap();
    let stage = filled(Settings {
        audit: Audit::to_file(&folder.path().join("audit.log")).unwrap(),
        ..Settings::default()
    })
    .await;
    let lines = pages(&stage, "admin", "audit", "lines").await;
    assert_eq!(lines[0]["event"], "publish");
    assert_eq!(lines[0]["gun"], "b/hidden-two");
    assert_eq!(lines[0]["caller.name"], "admin");
    assert_eq!(
        lines
            .iter()
            .filter(|line| line["event"] == "publish")
            .count(),
        8
    );
    let whole = json(&stage, "admin", "audit?limit=500").await;
    assert_eq!(whole["lines"].as_array().unwrap(), &lines);
    let mine = pages(&stage, "alice", "audit?gun=a/one", "lines").await;
    assert!(mine.len() >= 2 && mine.iter().all(|line| line["gun"] == "a/one"));
    let none = json(&stage, "admin", "audit?since=2300-01-01").await;
    assert_eq!(none, json!({"lines": [], "next": null}));
    // What was refused is written down.
    assert_eq!(
        ask(&stage, "alice", "audit?gun=b/hidden-one").await.status,
        StatusCode::FORBIDDEN
    );
    let lines = json(&stage, "admin", "audit?limit=1").await;
    assert_eq!(lines["lines"][0]["outcome"], "refused");

    let elsewhere = filled(Settings::default()).await;
    let answer = ask(&elsewhere, "admin", "audit").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(
        answer.text().contains("logging.audit_file"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn the_feed_goes_on_where_it_ended_and_loses_nothing() {
    let stage = filled(Settings::default()).await;
    let mut page = json(&stage, "alice", "changes?limit=3").await;
    let mut names = texts(page["changes"].as_array().unwrap(), "gun");
    publish(&stage, "a/three", "3.0").await;
    publish(&stage, "b/hidden-three", "3.0").await;
    stage
        .ask("admin", "DELETE", "/v2/a/one/_trust/tuf/")
        .await
        .ok();
    loop {
        let next = page["next"].as_str().unwrap().to_owned();
        page = json(&stage, "alice", &format!("changes?limit=3&after={next}")).await;
        let found = page["changes"].as_array().unwrap();
        if found.is_empty() {
            break;
        }
        names.extend(texts(found, "gun"));
        if let Some(last) = found.last().filter(|last| last["change"] == "deleted") {
            assert_eq!(
                (&last["gun"], &last["version"]),
                (&json!("a/one"), &Value::Null)
            );
        }
    }
    assert_eq!(
        names,
        [
            "a/one", "a/one", "a/two", "a/two", "a/three", "a/three", "a/one"
        ]
    );
    // A cursor into another feed is told apart, instead of losing what came between.
    let next = page["next"].as_str().unwrap();
    stage.server.forget_changes().await;
    let answer = ask(&stage, "alice", &format!("changes?after={next}")).await;
    assert_eq!(answer.status, StatusCode::GONE);
    assert_eq!(
        answer.json()["type"],
        "urn:countersign:problem:feed-replaced"
    );
}

#[tokio::test]
async fn a_request_can_wait_for_a_change() {
    let stage = filled(Settings::default()).await;
    let end = json(&stage, "alice", "changes").await;
    let next = end["next"].as_str().unwrap();
    let path = format!("changes?wait=60s&after={next}");
    let (answer, ()) = tokio::join!(json(&stage, "alice", &path), async {
        // What she may not see wakes nobody.
        publish(&stage, "b/hidden-three", "3.0").await;
        tokio::time::sleep(Duration::from_millis(700)).await;
        publish(&stage, "a/three", "3.0").await;
    });
    let found = texts(answer["changes"].as_array().unwrap(), "gun");
    assert!(
        found.iter().all(|gun| gun == "a/three") && !found.is_empty(),
        "{found:?}"
    );
    // Without a change, the page is empty, and its cursor goes on.
    let next = json(&stage, "alice", "changes").await["next"]
        .as_str()
        .unwrap()
        .to_owned();
    let none = json(&stage, "alice", &format!("changes?wait=1s&after={next}")).await;
    assert_eq!(none["changes"], json!([]));
    let next = none["next"].as_str().unwrap();
    assert_eq!(
        json(&stage, "alice", &format!("changes?after={next}")).await["changes"],
        json!([])
    );
}

#[tokio::test]
async fn only_so_many_wait_and_none_when_the_server_ends() {
    let stage = filled(Settings::default()).await;
    let next = json(&stage, "alice", "changes").await["next"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("changes?wait=60s&after={next}");
    let waiting = futures_util::future::join_all((0..11).map(|_| ask(&stage, "alice", &path)));
    let ending = async {
        // Another caller's requests are not among those of the first one.
        let other = json(&stage, "ci", "changes").await["next"]
            .as_str()
            .unwrap()
            .to_owned();
        let other = format!("changes?wait=1s&after={other}");
        tokio::time::sleep(Duration::from_millis(200)).await;
        ask(&stage, "ci", &other).await.ok();
        stage.server.end_waiting();
    };
    let (answers, ()) = tokio::join!(waiting, ending);
    let count = |status: StatusCode| answers.iter().filter(|one| one.status == status).count();
    assert_eq!(count(StatusCode::OK), 10);
    assert_eq!(count(StatusCode::TOO_MANY_REQUESTS), 1);
    let refused = answers
        .iter()
        .find(|one| one.status != StatusCode::OK)
        .unwrap();
    assert_eq!(refused.header("retry-after"), "10");
}

#[tokio::test]
async fn a_user_who_is_removed_while_waiting_is_not_answered() {
    let stage = filled(Settings::default()).await;
    let next = json(&stage, "alice", "changes").await["next"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("changes?wait=60s&after={next}");
    let remove = stage.change(
        "htpasswd",
        "other:$2y$04$rii40iOuCfnFj.Xft5.b0ehuPVtv7zn0IbHlZCgCZFrLO1QrNsIiC\n".to_owned(),
    );
    let (answer, ()) = tokio::join!(ask(&stage, "alice", &path), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        remove();
        publish(&stage, "a/three", "3.0").await;
    });
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_description_has_every_route_and_nothing_else() {
    let server = TestServer::start().await;
    let answer = server.get("/api/v1/openapi.json").await.ok();
    assert_eq!(answer.header("cache-control"), "no-cache");
    let document = answer.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    let described: BTreeSet<&str> = document["paths"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let routes = server::http::route_docs().map(|route| route.path);
    let all: BTreeSet<&str> = routes.filter(|path| path.starts_with("/api/")).collect();
    assert_eq!(described, all);
    assert_eq!(all.len(), 11);
    // Everything that is referred to is there.
    let text = answer.text();
    for part in text.split("\"#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(
            document["components"]["schemas"][name].is_object(),
            "{name}"
        );
    }
    // Each route answers, with the members that its schema requires.
    server.published("a/app").await;
    server.follow().await;
    for (path, item) in document["paths"].as_object().unwrap() {
        let path = match path.as_str() {
            "/api/v1/repository" | "/api/v1/tags" => format!("{path}?gun=a/app"),
            "/api/v1/keys/{id}" => {
                let signers = server.get("/api/v1/signers").await.ok().json();
                let id = signers["signers"][0]["key_id"].as_str().unwrap();
                format!("/api/v1/keys/{id}")
            }
            "/api/v1/audit" => continue,
            path => path.to_owned(),
        };
        let answer = server.get(&path).await.ok();
        let content = &item["get"]["responses"]["200"]["content"];
        let Some(name) = content["application/json"]["schema"]["$ref"].as_str() else {
            continue;
        };
        let schema = &document["components"]["schemas"][name.rsplit('/').next().unwrap()];
        check(&document, schema, &answer.json(), &path);
    }
}

/// Whether a value has all members that a schema requires, and no others.
fn check(document: &Value, schema: &Value, value: &Value, place: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        return check(
            document,
            &document["components"]["schemas"][name],
            value,
            place,
        );
    }
    if let Some(all) = schema["allOf"].as_array() {
        for part in all {
            if part["$ref"].is_null() {
                let required = part["required"].as_array().into_iter().flatten();
                for name in required {
                    assert!(
                        value.get(name.as_str().unwrap()).is_some(),
                        "{place}: {name}"
                    );
                }
            }
        }
        return;
    }
    let Some(object) = value
        .as_object()
        .filter(|_| schema["properties"].is_object())
    else {
        return;
    };
    for (name, value) in object {
        let member = &schema["properties"][name];
        assert!(!member.is_null(), "{place}: {name} is not described");
        if let Some(values) = value.as_array() {
            for value in values {
                check(document, &member["items"], value, place);
            }
        } else if !value.is_null() {
            check(document, member, value, place);
        }
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(
            object.contains_key(name.as_str().unwrap()),
            "{place}: {name} is missing"
        );
    }
}
