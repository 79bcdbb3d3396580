//! What the audit log is told.

use std::{path::Path, sync::Arc};

use audit_trail::Audit;
use serde_json::Value;
use time::Duration;
use trust::{renewal, signer::LocalSigner};

use super::callers::{Stage, rules};
use crate::support::Settings;

async fn audited(file: &Path) -> Stage {
    let settings = Settings {
        audit: Audit::to_file(file).unwrap(),
        ..Settings::default()
    };
    Stage::with_passwords(Some(rules()), settings).await
}

/// The lines so far: event, GUN, who, and what came of it.
fn lines(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let member = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
        [
            "event",
            "gun",
            "roles",
            "caller.kind",
            "caller.name",
            "outcome",
        ]
        .map(member)
        .join(" ")
    };
    text.lines().map(line).collect()
}

#[tokio::test]
async fn whoever_changes_trust_data_is_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.log");
    let stage = audited(&file).await;
    let mut parts = stage.publisher("alice", "app").await.first_publish();
    stage.publish("alice", "app", &parts).await.ok();
    stage.publish("alice", "app", &parts).await.ok();
    parts[1].1.push(b' ');
    stage.publish("alice", "app", &parts).await;
    stage
        .ask("alice", "GET", "/v2/app/_trust/tuf/timestamp.key")
        .await
        .ok();
    stage
        .ask("alice", "POST", "/v2/app/_trust/tuf/timestamp.key")
        .await
        .ok();
    stage
        .ask("alice", "DELETE", "/v2/app/_trust/tuf/")
        .await
        .ok();
    let found = lines(&file);
    assert_eq!(
        found,
        [
            "key.create app timestamp user alice done",
            "key.create app snapshot user alice done",
            "publish app root:1,targets:1,snapshot:1,timestamp:1 user alice done",
            // Once more, after a lost answer: the server made no snapshot or timestamp for it.
            "publish app root:1,targets:1 user alice done",
            "publish app root:1,targets:1 user alice failed",
            "key.rotate app timestamp user alice done",
            "delete app - user alice done",
        ]
    );
}

#[tokio::test]
async fn a_publish_is_written_down_with_the_tags_and_signers_that_it_changed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.log");
    let stage = audited(&file).await;
    let mut publisher = stage.publisher("alice", "app").await;
    publisher.add_target("targets", "1.0", b"one");
    let parts = publisher.first_publish();
    stage.publish("alice", "app", &parts).await.ok();
    publisher.add_target("targets", "1.0", b"two");
    let parts = publisher.next(&["targets"]);
    stage.publish("alice", "app", &parts).await.ok();

    let text = std::fs::read_to_string(&file).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<Value> = lines
        .filter(|line: &Value| line["event"] == "publish")
        .collect();
    let digest = |content: &[u8]| hex::encode(tuf::Checksums::of(content).sha256);
    let (one, two) = (digest(b"one"), digest(b"two"));
    let added = format!("targets sha256:{one} 1.0");
    assert_eq!(lines[0]["tags.added"], serde_json::json!([added]));
    assert_eq!(lines[0]["signers.added"].as_array().unwrap().len(), 4);
    let moved = format!("targets sha256:{one} to sha256:{two} 1.0");
    assert_eq!(lines[1]["tags.moved"], serde_json::json!([moved]));
    let key = publisher.targets.signers[0].id();
    let signed = format!("{key} targets");
    assert_eq!(lines[1]["signed_by"], serde_json::json!([signed]));
    assert!(lines[1].get("tags.added").is_none());
}

/// A repository whose timestamp is due for renewal.
async fn published_ten_days_ago(file: &Path) -> Stage {
    let stage = audited(file).await;
    let parts = stage.publisher("alice", "app").await.first_publish();
    stage.publish("alice", "app", &parts).await.ok();
    stage.server.advance(Duration::days(10));
    stage
}

/// The line that was written last.
fn last_line(file: &Path) -> Value {
    let text = std::fs::read_to_string(file).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

#[tokio::test]
async fn a_renewal_is_written_down_as_the_servers_own_doing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.log");
    let stage = published_ten_days_ago(&file).await;
    renewal::walk(&stage.server.app.repositories).await;
    let found = lines(&file);
    assert_eq!(found.last().unwrap(), "renew app timestamp:2 server - done");
    let line = last_line(&file);
    assert!(line.get("address").is_none() && line.get("request_id").is_none());
}

#[tokio::test]
async fn a_renewal_that_fails_is_written_down_with_its_code() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.log");
    let stage = published_ten_days_ago(&file).await;
    let mut repositories = stage.server.app.repositories.clone();
    repositories.signer = Arc::new(LocalSigner::default());
    renewal::walk(&repositories).await;
    let line = last_line(&file);
    assert_eq!(line["event"], "renew");
    assert_eq!(line["caller.kind"], "server");
    assert_eq!(line["outcome"], "failed");
    assert_eq!(line["code"], "UNKNOWN");
    assert!(line.get("roles").is_none());
}

#[tokio::test]
async fn attempts_are_written_down_but_not_the_question_that_every_client_begins_with() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.log");
    let stage = audited(&file).await;
    for (who, method, path) in [
        ("nobody", "GET", "/v2/"),
        ("nobody", "GET", "/v2/app/_trust/tuf/root.json"),
        ("alice", "GET", "/v2/app/_trust/tuf/root.json"),
        ("nobody", "DELETE", "/v2/app/_trust/tuf/"),
        ("ci", "DELETE", "/v2/app/_trust/tuf/"),
        ("robot", "GET", "/v2/other/_trust/tuf/root.json"),
        ("wrong", "GET", "/v2/"),
        ("forged", "GET", "/v2/app/_trust/tuf/root.json"),
    ] {
        stage.ask(who, method, path).await;
    }
    let found = lines(&file);
    assert_eq!(
        found,
        [
            "delete app - anonymous - refused",
            "delete app - user ci refused",
            "pull other - certificate robot refused",
            "login - - unproven alice refused",
            "pull app - unproven - refused",
        ]
    );
}

#[tokio::test]
async fn an_update_that_goes_too_far_is_written_down_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.log");
    let stage = audited(&file).await;
    let parts = stage.publisher("ci", "app").await.first_publish();
    stage.publish("ci", "app", &parts).await;
    let line = last_line(&file);
    assert_eq!(line["outcome"], "refused");
    assert_eq!(line["roles"], "root:1,targets:1");
    assert_eq!(
        line["reason"],
        "a change of who signs, made in root is not granted: no rule grants it"
    );
    assert_ne!(line["request_id"], "");
    assert_eq!(line["address"], "192.0.2.1");
}
