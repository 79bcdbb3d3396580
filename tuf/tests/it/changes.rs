//! What an update changes: targets, or who signs.

use fixtures::{Key, Part, Publisher, seal};
use serde_json::{Value, json};
use tuf::Change;

use crate::given::{Server, part, role_named};

/// A repository with `targets/a` and, below it, `targets/a/b`.
fn published() -> (Server, Publisher) {
    let mut server = Server::new();
    let mut owner = server.owner();
    owner.delegate("targets", "a", &[Key::throw_away_ecdsa()], &["a/"], 1);
    owner.delegate("targets/a", "b", &[Key::throw_away_ed25519()], &[""], 1);
    owner.add_target("targets", "v1", b"content");
    server.publish(&owner.first_publish());
    (server, owner)
}

fn changes(server: &Server, parts: &[Part]) -> Vec<Change> {
    server
        .judge(parts)
        .expect("the update is accepted")
        .changes()
}

fn targets(role: &str) -> Change {
    Change::Targets(role_named(role))
}

fn signers(role: &str) -> Change {
    Change::Signers(role_named(role))
}

/// What changing the signed part of targets in this way amounts to.
fn changed_by(change: impl FnOnce(&mut Value)) -> Vec<Change> {
    let (server, mut owner) = published();
    change(&mut owner.targets.signed);
    changes(&server, &owner.next(&["targets"]))
}

#[test]
fn a_first_publish_says_who_signs() {
    let server = Server::new();
    let parts = server.owner().first_publish();
    assert_eq!(
        changes(&server, &parts),
        [signers("root"), targets("targets")]
    );
}

#[test]
fn a_first_publish_with_delegations_says_so_of_each_role_that_delegates() {
    let server = Server::new();
    let mut owner = server.owner();
    owner.delegate("targets", "a", &[Key::throw_away_ecdsa()], &[""], 1);
    owner.delegate("targets/a", "b", &[Key::throw_away_ecdsa()], &[""], 1);
    assert_eq!(
        changes(&server, &owner.first_publish()),
        [
            signers("root"),
            signers("targets"),
            signers("targets/a"),
            targets("targets/a/b")
        ]
    );
}

#[test]
fn a_new_target_changes_nothing_but_targets() {
    let (server, mut owner) = published();
    owner.add_target("targets/a", "v1", b"content");
    assert_eq!(
        changes(&server, &owner.next(&["targets/a"])),
        [targets("targets/a")]
    );
    let removed = changed_by(|signed| signed["targets"] = json!({}));
    assert_eq!(removed, [targets("targets")]);
}

#[test]
fn signing_anew_is_a_change_of_targets() {
    assert_eq!(changed_by(|_| {}), [targets("targets")]);
    let later = changed_by(|signed| signed["expires"] = json!("2035-01-01T00:00:00Z"));
    assert_eq!(later, [targets("targets")]);
}

#[test]
fn whatever_is_changed_about_delegations_is_a_change_of_signers() {
    type Change = fn(&mut Value);
    let cases: [(&str, Change); 6] = [
        ("a key more", |delegations| {
            let key = Key::throw_away_ecdsa();
            delegations["keys"][key.id()] = key.public().document();
        }),
        ("a signer more", |delegations| {
            let key = Key::throw_away_ecdsa();
            delegations["keys"][key.id()] = key.public().document();
            let ids = delegations["roles"][0]["keyids"].as_array_mut().unwrap();
            ids.push(json!(key.id()));
        }),
        ("another threshold", |delegations| {
            delegations["roles"][0]["threshold"] = json!(2);
        }),
        ("other paths", |delegations| {
            delegations["roles"][0]["paths"] = json!([""]);
        }),
        ("a member nobody knows", |delegations| {
            delegations["roles"][0]["terminating"] = json!(true);
        }),
        ("a role less", |delegations| {
            *delegations = json!({"keys": {}, "roles": []});
        }),
    ];
    for (name, change) in cases {
        let found = changed_by(|signed| change(&mut signed["delegations"]));
        assert_eq!(found, [signers("targets")], "{name}");
    }
}

#[test]
fn targets_and_signers_may_change_at_once() {
    let found = changed_by(|signed| {
        signed["delegations"]["roles"][0]["threshold"] = json!(2);
        signed["targets"] = json!({});
    });
    assert_eq!(found, [signers("targets"), targets("targets")]);
}

#[test]
fn delegations_are_found_however_they_are_spelled() {
    for name in ["Delegations", "DELEGATIONS", "delegation\u{17f}"] {
        let found = changed_by(|signed| {
            let mut delegations = signed["delegations"].clone();
            delegations["roles"][0]["threshold"] = json!(2);
            signed.as_object_mut().unwrap().remove("delegations");
            signed[name] = delegations;
        });
        assert_eq!(found, [signers("targets")], "{name}");
    }
}

#[test]
fn a_second_spelling_that_takes_delegations_away_is_a_change_of_signers() {
    let (server, mut owner) = published();
    owner.targets.signed["delegationſ"] = json!({"keys": {}, "roles": []});
    let parts = owner.next(&["targets"]);
    assert_eq!(changes(&server, &parts), [signers("targets")]);
}

#[test]
fn a_member_nobody_knows_is_a_change_of_signers() {
    let found = changed_by(|signed| signed["custom"] = json!({"any": "thing"}));
    assert_eq!(found, [signers("targets")]);
    let found = changed_by(|signed| signed["Version"] = json!(1));
    assert_eq!(found, [signers("targets")]);
}

#[test]
fn targets_in_another_spelling_are_a_change_of_both_kinds() {
    let found = changed_by(|signed| signed["Targets"] = signed["targets"].clone());
    assert_eq!(found, [signers("targets"), targets("targets")]);
}

#[test]
fn no_delegations_are_the_same_however_they_are_written() {
    for none in [
        json!(null),
        json!({}),
        json!({"keys": null, "roles": null}),
        json!({"roles": []}),
    ] {
        let mut server = Server::new();
        let mut owner = server.owner();
        server.publish(&owner.first_publish());
        owner.targets.signed["delegations"] = none.clone();
        let parts = owner.next(&["targets"]);
        assert_eq!(changes(&server, &parts), [targets("targets")], "{none}");
    }
}

/// Which of two members counts that differ in case is a matter of their order, and that is not signed.
#[test]
fn members_that_only_their_order_tells_apart_are_a_change_of_signers() {
    let (mut server, mut owner) = published();
    let other = Key::throw_away_ecdsa();
    let entry = &mut owner.targets.signed["delegations"]["roles"][0];
    entry["KEYIDS"] = json!([other.id()]);
    owner.targets.signed["delegations"]["keys"][other.id()] = other.public().document();
    let mut parts = owner.next(&["targets"]);
    server.publish(&parts);

    let file: Value = serde_json::from_slice(part(&mut parts, "targets")).unwrap();
    let entry = &file["signed"]["delegations"]["roles"][0];
    let (upper, lower) = (
        format!(r#""KEYIDS":{}"#, entry["KEYIDS"]),
        format!(r#""keyids":{}"#, entry["keyids"]),
    );
    owner.targets.set_version(owner.targets.version() + 1);
    let sealed = String::from_utf8(seal(&owner.targets.signed, &owner.targets.signers)).unwrap();
    let swapped = sealed
        .replace(&upper, "#")
        .replace(&lower, &upper)
        .replace('#', &lower);
    assert_ne!(swapped, sealed);
    let parts = [("targets".to_owned(), swapped.into_bytes())];
    assert_eq!(changes(&server, &parts), [signers("targets")]);
}

#[test]
fn a_root_is_a_change_of_signers_unless_it_is_the_one_in_force() {
    let (mut server, mut owner) = published();
    let parts = owner.next(&["root"]);
    assert_eq!(changes(&server, &parts), [signers("root")]);
    server.publish(&parts);
    assert_eq!(changes(&server, &parts), []);
}

#[test]
fn a_snapshot_changes_nothing_and_neither_does_an_empty_update() {
    let mut server = Server::new();
    let mut owner = server.independent_owner();
    server.publish(&owner.first_publish());
    assert_eq!(changes(&server, &owner.next(&[])), []);

    let (server, _) = published();
    assert_eq!(changes(&server, &[]), []);
}
