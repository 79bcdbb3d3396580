//! The rules file: what is read, and what is refused, in which words.

use access::{Action, Rules, Who};
use serde_json::{Value, json};

use super::ISSUER;

/// What is said of a file with this one rule.
fn refused(rule: &Value) -> String {
    refused_file(&json!({"groups": {"signers": ["alice"]}, "rules": [rule]}))
}

fn refused_file(content: &Value) -> String {
    Rules::parse(content, &[ISSUER]).unwrap_err().to_string()
}

/// `rule` with one member in place of another.
fn but(mut rule: Value, member: &str, value: Value) -> Value {
    rule[member] = value;
    rule
}

fn without(mut rule: Value, member: &str) -> Value {
    rule.as_object_mut().unwrap().remove(member);
    rule
}

fn good() -> Value {
    json!({"who": "user:alice", "may": "push", "on": "a/"})
}

#[test]
fn a_rules_file_is_read_as_it_is_written() {
    let content = json!({
        "groups": {"signers": ["alice", "bob"]},
        "rules": [
            {"who": "anonymous", "may": "pull", "on": "docker.io/library/"},
            {
                "who": ["user:alice", "group:signers"], "may": ["push", "pull"],
                "on": "registry.example.com/team/*", "roles": ["targets/releases", "targets/alice"],
            },
            {"who": "claim:groups=release", "issuer": ISSUER, "may": "*", "on": "**"},
        ],
    });
    let rules = Rules::parse(&content, &[ISSUER]).unwrap();

    let sentences: Vec<_> = rules.rules().iter().map(ToString::to_string).collect();

    assert_eq!(
        sentences,
        [
            "anonymous may pull on docker.io/library/",
            "user:alice, group:signers may pull, push on registry.example.com/team/* in \
             targets/releases, targets/alice",
            "claim:groups=release of https://idp.example.com may * on **",
        ]
    );
    let numbers: Vec<_> = rules.rules().iter().map(|rule| rule.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
}

#[test]
fn names_may_hold_colons_and_values_equals_signs() {
    let who = |text: &str| text.parse::<Who>().unwrap();
    assert_eq!(who("user:a:b"), Who::User("a:b".to_owned()));
    assert_eq!(
        who("subject:repo:org/app:ref:refs/heads/main"),
        Who::Subject("repo:org/app:ref:refs/heads/main".to_owned())
    );
    assert_eq!(
        who("claim:a:b=c=d:e"),
        Who::Claim("a:b".to_owned(), "c=d:e".to_owned())
    );
    assert_eq!(
        who("certificate:*.example.com"),
        Who::Certificate("*.example.com".to_owned())
    );
}

#[test]
fn a_star_in_may_is_every_action() {
    let content = json!({"rules": [but(good(), "may", json!("*"))]});
    let rules = Rules::parse(&content, &[]).unwrap();
    assert!(
        Action::ALL
            .iter()
            .all(|action| rules.rules()[0].may.contains(*action))
    );
}

#[test]
fn a_file_without_rules_is_refused() {
    assert_eq!(
        refused_file(&json!([])),
        "the rules file: a list is found where an object with groups and rules is accepted"
    );
    assert_eq!(
        refused_file(&json!({})),
        "rules: it is missing; accepted is a list of rules"
    );
    assert_eq!(
        refused_file(&json!({"rules": []})),
        "rules: an empty list is found; accepted is a list of rules"
    );
    assert_eq!(
        refused_file(&json!({"rules": null})),
        "rules: nothing (null) is found where a list of rules is accepted"
    );
    assert_eq!(
        refused_file(&json!({"rules": [5]})),
        "rule 1: a number is found where an object with who, may and on is accepted"
    );
}

#[test]
fn an_unknown_member_is_refused() {
    assert_eq!(
        refused_file(&json!({"rules": [good()], "group": {}})),
        "member \"group\": there is no such member; accepted are groups and rules"
    );
    assert_eq!(
        refused(&but(good(), "role", json!("targets"))),
        "rule 1, member \"role\": there is no such member; accepted are who, issuer, may, on and roles"
    );
}

#[test]
fn the_rule_that_is_wrong_is_named() {
    let content = json!({"rules": [good(), good(), but(good(), "may", json!(["pull", "pul"]))]});
    assert_eq!(
        refused_file(&content),
        "rule 3, may: \"pul\" is no action: pull, push, delegate, rotate, delete, see, audit, admin, or * for all of them"
    );
}

#[test]
fn audit_for_anonymous_callers_is_refused() {
    let rule = json!({"who": ["user:a", "anonymous"], "may": ["pull", "audit"], "on": "**"});
    assert_eq!(
        refused(&rule),
        "rule 1, may: audit is found in may beside anonymous in who; the audit log is shown to known callers alone"
    );
}

#[test]
fn groups_that_make_no_sense_are_refused() {
    let groups = |groups: Value| refused_file(&json!({"groups": groups, "rules": [good()]}));
    assert_eq!(
        groups(json!(["signers"])),
        "groups: a list is found where an object of names, each with a list of users is accepted"
    );
    assert_eq!(
        groups(json!({"signers": "alice"})),
        "groups, signers: a text is found where a list of user names is accepted"
    );
    assert_eq!(
        groups(json!({"signers": []})),
        "groups, signers: an empty list is found; accepted is a list of user names"
    );
    assert_eq!(
        groups(json!({"signers": ["alice", "bob", "alice"]})),
        "groups, signers: \"alice\" is found twice; once is accepted"
    );
    assert_eq!(
        groups(json!({"signers": ["alice", 5]})),
        "groups, signers: a number is found where a list of user names is accepted"
    );
    assert_eq!(
        groups(json!({"signers": [""]})),
        "groups, signers: there is no name in \"\""
    );
    assert_eq!(
        groups(json!({"": ["alice"]})),
        "groups, \"\": there is no name in \"\""
    );
    assert_eq!(
        groups(json!({"a\nb": ["alice"]})),
        "groups, \"a\\nb\": \"a\\nb\" begins or ends with a blank, or holds a control character"
    );
}

#[test]
fn who_may_what_on_which_guns_is_never_implied() {
    assert_eq!(
        refused(&without(good(), "who")),
        "rule 1, who: it is missing; accepted is a text or a list of texts such as user:NAME"
    );
    assert_eq!(
        refused(&without(good(), "may")),
        "rule 1, may: it is missing; accepted is a text or a list of texts such as pull"
    );
    assert!(refused(&without(good(), "on")).starts_with("rule 1, on: it is missing"));
    for member in ["who", "may", "on", "roles"] {
        let said = refused(&but(good(), member, json!([])));
        assert!(
            said.starts_with(&format!("rule 1, {member}: an empty list is found")),
            "{said}"
        );
        let said = refused(&but(good(), member, json!(null)));
        assert!(
            said.starts_with(&format!("rule 1, {member}: nothing (null) is found")),
            "{said}"
        );
        let said = refused(&but(good(), member, json!([["pull"]])));
        assert!(
            said.starts_with(&format!("rule 1, {member}: a list is found")),
            "{said}"
        );
        let said = refused(&but(good(), member, json!("")));
        assert!(said.starts_with(&format!("rule 1, {member}: ")), "{said}");
    }
}

#[test]
fn a_text_that_names_no_caller_is_refused() {
    let said = |who: &str| refused(&but(good(), "who", json!(who)));
    assert_eq!(
        said("alice"),
        "rule 1, who: \"alice\" is nobody: anonymous, authenticated, user:NAME, group:NAME, \
         certificate:NAME, subject:NAME or claim:NAME=VALUE"
    );
    assert!(said("User:alice").contains("is nobody"));
    assert!(said("anonymous:").contains("is nobody"));
    assert!(said("*").contains("is nobody"));
    assert_eq!(
        said("user:*"),
        "rule 1, who: * is no name, and names are exact; write authenticated for whoever is known"
    );
    assert_eq!(said("user:"), "rule 1, who: there is no name in \"user:\"");
    assert_eq!(
        said("claim:=x"),
        "rule 1, who: there is no name in \"claim:=x\""
    );
    assert_eq!(
        said("claim:x="),
        "rule 1, who: there is no name in \"claim:x=\""
    );
    assert_eq!(
        said("claim:x"),
        "rule 1, who: \"claim:x\" has no value: claim:NAME=VALUE"
    );
    assert_eq!(
        said("user: alice"),
        "rule 1, who: \"user: alice\" begins or ends with a blank, or holds a control character"
    );
    assert_eq!(
        said("group:signer"),
        "rule 1, who: there is no group \"signer\"; defined are: signers"
    );
    assert_eq!(
        refused_file(&json!({"rules": [but(good(), "who", json!("group:a"))]})),
        "rule 1, who: there is no group \"a\"; defined are: none"
    );
}

#[test]
fn the_same_text_twice_is_refused() {
    assert_eq!(
        refused(&but(good(), "may", json!(["pull", "push", "pull"]))),
        "rule 1, may: \"pull\" is found twice; once is accepted"
    );
}

#[test]
fn a_pattern_that_makes_no_sense_is_refused_in_its_place() {
    assert_eq!(
        refused(&but(good(), "on", json!(["a/", "/b"]))),
        "rule 1, on: \"/b\" begins with /, as no name does"
    );
    assert_eq!(
        refused(&but(good(), "roles", json!("root"))),
        "rule 1, roles: \"root\" is no role that anybody pushes: targets, or targets/ and more, of \
         a-z, 0-9, -, _, / and *"
    );
}

#[test]
fn roles_without_push_are_refused() {
    let rule = but(good(), "roles", json!("targets/releases"));
    assert_eq!(
        refused(&but(rule.clone(), "may", json!(["pull", "delegate"]))),
        "rule 1, roles: roles say where somebody may push, and are accepted beside push (or *) in may alone"
    );
    let content = json!({"rules": [rule.clone(), but(rule, "may", json!("*"))]});
    assert!(Rules::parse(&content, &[]).is_ok());
}

#[test]
fn admin_on_some_guns_is_refused() {
    let rule = but(good(), "may", json!(["pull", "admin"]));
    assert_eq!(
        refused(&rule),
        "rule 1, may: admin concerns all GUNs at once, and is accepted beside on: \"**\" alone (found: a/)"
    );
    assert!(refused(&but(rule.clone(), "may", json!("admin"))).contains("admin concerns all"));
    let content = json!({"rules": [but(rule, "on", json!(["a/", "**"]))]});
    assert!(Rules::parse(&content, &[]).is_ok());
}

#[test]
fn an_issuer_that_is_not_there_is_refused() {
    let rule = but(good(), "who", json!("subject:robot"));
    assert_eq!(
        refused(&but(rule.clone(), "issuer", json!("https://other"))),
        "rule 1, issuer: there is no issuer \"https://other\"; configured are: https://idp.example.com"
    );
    assert_eq!(
        refused(&but(rule, "issuer", json!([ISSUER]))),
        "rule 1, issuer: a list is found where a text, the name of an issuer is accepted"
    );
}

#[test]
fn an_issuer_beside_a_caller_without_token_is_refused() {
    let rule = but(good(), "issuer", json!(ISSUER));
    assert_eq!(
        refused(&rule),
        "rule 1, issuer: user:alice is found in who, but an issuer is accepted beside subject:, \
         claim: and authenticated alone"
    );
    for who in [
        json!("anonymous"),
        json!(["subject:robot", "group:signers"]),
    ] {
        assert!(refused(&but(rule.clone(), "who", who)).contains("is found in who"));
    }
    for who in ["authenticated", "subject:robot", "claim:a=b"] {
        let content = json!({"rules": [but(rule.clone(), "who", json!(who))]});
        assert!(Rules::parse(&content, &[ISSUER]).is_ok(), "{who}");
    }
}

#[test]
fn with_several_issuers_a_rule_about_tokens_says_whose() {
    let issuers = ["https://a", "https://b"];
    for who in ["subject:robot", "claim:a=b"] {
        let rule = but(good(), "who", json!(["user:alice", who]));
        let said = Rules::parse(&json!({"rules": [rule]}), &issuers).unwrap_err();
        assert_eq!(
            said.to_string(),
            format!(
                "rule 1, issuer: it is missing, and {who} may be somebody else with each issuer; \
                 accepted is one of: https://a, https://b"
            )
        );
    }
    let of_any = but(good(), "who", json!("authenticated"));
    assert!(Rules::parse(&json!({"rules": [of_any]}), &issuers).is_ok());
}
