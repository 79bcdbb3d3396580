//! Which rule decides.

use std::process::Output;

use access::Hashing;
use serde_json::{Value, json};

use super::{Setup, text};

const RULES: &str = r#"
groups:
  signers: [alice]
rules:
  - who: anonymous
    may: pull
    on: example.com/
  - who: group:signers
    may: [pull, push]
    on: example.com/
    roles: [targets/releases, "targets/alice/*"]
  - who: user:bob
    may: "*"
    on: "**"
  - who: certificate:build.example.com
    may: push
    on: example.com/ci
"#;

fn password_file() -> String {
    let line = |user| {
        let hash = access::hash(&"secret".into(), Hashing::Bcrypt).unwrap();
        format!("{user}:{hash}\n")
    };
    ["alice", "bob"].map(line).concat()
}

/// A password file, an administrator and rules.
fn setup() -> Setup {
    let auth = json!({
        "type": "htpasswd",
        "htpasswd_file": "htpasswd",
        "rules_file": "rules.yaml",
        "administrator": "cm9vdDpzZWNyZXQ=",
    });
    Setup::new(&auth)
        .file("htpasswd", &password_file())
        .file("rules.yaml", RULES)
}

/// The answer in JSON, whose decision and the status agree.
#[track_caller]
fn answer(setup: &Setup, question: &str) -> Value {
    let output = setup.run(&format!("explain --json {question}"));
    let told = text(&output.stderr);
    let answer: Value = serde_json::from_slice(&output.stdout).expect(&told);
    let status = i32::from(answer["granted"] != true);
    assert_eq!(output.status.code(), Some(status));
    answer
}

#[track_caller]
fn assert_misuse(output: &Output, sentence: &str) {
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr);
    assert!(told.contains(sentence), "{told}");
}

#[test]
fn the_rule_that_grants_is_named_with_who_the_caller_is() {
    let question = "explain --user bob --gun any/app --action delete";
    let output = setup().run(question);
    assert_eq!(
        text(&output.stdout),
        "caller    user \"bob\"\n\
         decision  granted\n\
         reason    rule 3 grants it: user:bob may * on **\n"
    );
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn what_no_rule_grants_is_refused_with_status_1() {
    let answer = answer(
        &setup(),
        "--user alice --gun example.com/app --action delegate",
    );
    assert_eq!(
        answer,
        json!({"caller": "user \"alice\"", "granted": false, "reason": "no rule grants it"})
    );
}

#[test]
fn pushing_without_a_role_tells_the_roles() {
    let setup = setup();
    let told = answer(&setup, "--user alice --gun example.com/app --action push");
    assert_eq!(
        told["roles"],
        json!(["targets/releases", "targets/alice/*"])
    );
    let told = answer(&setup, "--user bob --gun example.com/app --action push");
    assert_eq!(told["roles"], json!(["**"]));
    let told = answer(&setup, "--user root --gun example.com/app --action push");
    assert_eq!(told["roles"], json!(["**"]));
    assert_eq!(told["caller"], "administrator \"root\"");
    let told = answer(&setup, "--anonymous --gun example.com/app --action push");
    assert_eq!(
        (&told["granted"], &told["roles"]),
        (&json!(false), &Value::Null)
    );
}

#[test]
fn pushing_in_a_role_is_decided_for_that_role() {
    let setup = setup();
    let ask = |role| {
        let question = format!("--user alice --gun example.com/app --action push --role {role}");
        answer(&setup, &question)["granted"] == true
    };
    assert!(ask("targets/releases"));
    assert!(ask("targets/alice/x"));
    assert!(!ask("targets"));
}

#[test]
fn a_user_who_is_not_in_the_file_is_said_to_be_unknown_and_refused_what_everybody_may() {
    let setup = setup();
    let question = "--gun example.com/app --action pull";
    let told = answer(&setup, &format!("--anonymous {question}"));
    assert_eq!(told["granted"], true);
    let told = answer(&setup, &format!("--user mallory {question}"));
    assert_eq!(told["granted"], false);
    assert_eq!(told["caller"], "unknown: there is no user \"mallory\"");
}

#[test]
fn a_certificate_counts_only_where_certificates_do() {
    let question = "--certificate build.example.com --gun example.com/ci --action push";
    let told = answer(&setup(), question);
    assert_eq!(told["granted"], false);
    assert_eq!(
        told["caller"],
        "anonymous: auth.client_certificates is not set"
    );
}

#[test]
fn without_authentication_everybody_may_do_everything_and_is_told_why() {
    let setup = Setup::new(&json!({"type": "none"}));
    let told = answer(&setup, "--user x --gun a --action delete");
    assert_eq!(told["granted"], true);
    assert_eq!(told["reason"], "authentication is switched off");
}

#[test]
fn a_question_that_makes_no_sense_ends_with_status_2() {
    let setup = setup();
    for (question, sentence) in [
        ("--gun a --action pull", "required"),
        (
            "--user a --anonymous --gun a --action pull",
            "cannot be used with",
        ),
        ("--user a --gun a --action fly", "pull, push, delegate"),
        ("--user a --action pull", "--gun is missing"),
        (
            "--user a --gun a --action pull --role targets",
            "--role goes with",
        ),
    ] {
        assert_misuse(&setup.run(&format!("explain {question}")), sentence);
    }
}

#[test]
fn files_that_the_server_would_not_start_with_are_told_with_status_2() {
    let question = "explain --user alice --gun a --action pull";
    let broken = setup().file("rules.yaml", "rules: [{who: nobody}]");
    assert_misuse(&broken.run(question), "rules.yaml");
    let empty = setup().file("htpasswd", "");
    assert_misuse(&empty.run(question), "htpasswd");
}

#[test]
fn what_concerns_all_repositories_needs_no_gun() {
    let told = answer(&setup(), "--user bob --action admin");
    assert_eq!(told["granted"], true);
}
