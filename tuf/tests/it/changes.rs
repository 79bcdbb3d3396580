//! What an update changes: targets, or who signs.

use fixtures::{Key, Part, Publisher};
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

/// The same where the owner makes the snapshot.
fn independent() -> (Server, Publisher) {
    let mut server = Server::new();
    let mut owner = server.independent_owner();
    owner.delegate("targets", "a", &[Key::throw_away_ecdsa()], &["a/"], 1);
    owner.delegate("targets/a", "b", &[Key::throw_away_ed25519()], &[""], 1);
    server.publish(&owner.first_publish());
    (server, owner)
}

/// The next files of `roles`, and a snapshot that says something else of files.
fn with_meta(owner: &Publisher, roles: &[&str], change: impl FnOnce(&mut Value)) -> Vec<Part> {
    let mut owner = owner.clone();
    let mut parts = owner.next(roles);
    change(&mut owner.snapshot.signed["meta"]);
    *part(&mut parts, "snapshot") = owner.snapshot.seal();
    parts
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
fn signing_again_is_a_change_of_targets() {
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
fn an_unknown_member_is_a_change_of_signers() {
    let found = changed_by(|signed| signed["custom"] = json!({"any": "thing"}));
    assert_eq!(found, [signers("targets")]);
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

#[test]
fn a_root_is_a_change_of_signers_unless_it_is_the_one_in_force() {
    let (mut server, mut owner) = published();
    let parts = owner.next(&["root"]);
    assert_eq!(changes(&server, &parts), [signers("root")]);
    server.publish(&parts);
    assert_eq!(changes(&server, &parts), []);
}

#[test]
fn a_snapshot_of_nothing_new_changes_nothing_and_neither_does_an_empty_update() {
    let (server, mut owner) = independent();
    assert_eq!(changes(&server, &owner.next(&[])), []);

    let (server, _) = published();
    assert_eq!(changes(&server, &[]), []);
}

#[test]
fn a_snapshot_may_pin_the_files_of_its_update() {
    let (server, mut owner) = independent();
    owner.add_target("targets/a/b", "v1", b"content");
    assert_eq!(
        changes(&server, &owner.next(&["targets/a", "targets/a/b"])),
        [targets("targets/a"), targets("targets/a/b")]
    );
}

#[test]
fn a_snapshot_that_brings_back_an_old_file_is_a_change_of_signers() {
    let (mut server, mut owner) = independent();
    let old = owner.clone().next(&[]).pop().unwrap().1;
    let old: Value = serde_json::from_slice(&old).unwrap();
    let pin = &old["signed"]["meta"]["targets/a/b"];
    server.publish(&owner.next(&["targets/a/b"]));
    let found = |roles| {
        changes(
            &server,
            &with_meta(&owner, roles, |meta| meta["targets/a/b"] = pin.clone()),
        )
    };
    assert_eq!(found(&[]), [signers("targets/a/b")]);
    assert_eq!(
        found(&["targets/a"]),
        [targets("targets/a"), signers("targets/a/b")]
    );
}

#[test]
fn a_snapshot_that_changes_what_is_said_of_files_that_were_not_sent_is_a_change_of_signers() {
    type Change = fn(&mut Value);
    let cases: [(&str, &str, Change); 9] = [
        ("a file less", "targets/a/b", |meta| {
            meta.as_object_mut().unwrap().remove("targets/a/b");
        }),
        ("nothing said of it", "targets/a/b", |meta| {
            meta["targets/a/b"] = json!(null);
        }),
        ("a file more", "targets/c", |meta| {
            meta["targets/c"] = meta["targets/a"].clone();
        }),
        (
            "a checksum that the server does not look for",
            "targets/a",
            |meta| {
                let hashes = meta["targets/a"]["hashes"].as_object_mut().unwrap();
                hashes.remove("sha256");
            },
        ),
        ("a length that is too small", "targets", |meta| {
            meta["targets"]["length"] = json!(1);
        }),
        ("a length below zero", "root", |meta| {
            meta["root"]["length"] = json!(-1);
        }),
        ("another checksum", "targets/a/b", |meta| {
            meta["targets/a/b"]["hashes"]["sha512"] = meta["root"]["hashes"]["sha512"].clone();
        }),
        ("a snapshot of snapshots", "snapshot", |meta| {
            meta["snapshot"] = meta["root"].clone();
        }),
        ("no role", "snapshot", |meta| {
            meta["../root"] = meta["root"].clone();
        }),
    ];
    let (server, owner) = independent();
    for (name, role, change) in cases {
        let parts = with_meta(&owner, &[], change);
        assert_eq!(changes(&server, &parts), [signers(role)], "{name}");
    }
}

#[test]
fn a_file_that_was_sent_has_to_be_found_by_the_snapshot() {
    let (server, owner) = independent();
    let parts = with_meta(&owner, &["targets/a"], |meta| {
        let hashes = meta["targets/a"]["hashes"].as_object_mut().unwrap();
        hashes.remove("sha256");
    });
    assert_eq!(
        changes(&server, &parts),
        [targets("targets/a"), signers("targets/a")]
    );
}

#[test]
fn a_first_snapshot_may_pin_nothing_that_is_not_sent() {
    let server = Server::new();
    let mut owner = server.independent_owner();
    let first = owner.first_publish();
    assert_eq!(
        changes(&server, &first),
        [signers("root"), targets("targets")]
    );
    owner.snapshot.signed["meta"]["targets/a"] = owner.snapshot.signed["meta"]["root"].clone();
    let mut parts = first;
    *part(&mut parts, "snapshot") = owner.snapshot.seal();
    assert_eq!(
        changes(&server, &parts),
        [signers("root"), targets("targets"), signers("targets/a")]
    );
}

#[test]
fn a_snapshot_that_is_more_than_its_pins_is_a_change_of_signers() {
    let (server, owner) = independent();
    let mut owner = owner.clone();
    let mut parts = owner.next(&[]);
    owner.snapshot.signed["custom"] = owner.snapshot.signed["meta"].clone();
    *part(&mut parts, "snapshot") = owner.snapshot.seal();
    assert_eq!(changes(&server, &parts), [signers("snapshot")]);
}

/// A file as a server may have stored it that did not look at its spelling: signed is what stands
/// there last.
fn respelled(file: &mut Vec<u8>, from: &str, to: &str) {
    let text = String::from_utf8(file.clone()).unwrap();
    let other = text.replacen(from, to, 1);
    assert_ne!(other, text);
    *file = other.into_bytes();
}

/// Spellings of a targets file that signatures do not tell apart.
const SPELLINGS: [(&str, &str); 6] = [
    (r#""version":"#, r#""version":"x","version":"#),
    (r#""targets":"#, r#""targets":{"evil":{}},"targets":"#),
    (
        r#""delegations":"#,
        r#""delegations":{"roles":[{}]},"delegations":"#,
    ),
    (r#""threshold":"#, r#""threshold":7,"threshold":"#),
    (r#""signatures":"#, r#""signatures":7,"signatures":"#),
    (r#"{"signed":"#, r#"{"signed":{},"signed":"#),
];

#[test]
fn a_stored_file_that_can_be_read_in_two_ways_is_corrected_as_any_other_is_replaced() {
    for (from, to) in SPELLINGS {
        let (mut server, mut owner) = published();
        let mut parts = owner.next(&["targets"]);
        respelled(part(&mut parts, "targets"), from, to);
        server.keep(&parts);
        let correction = owner.next(&["targets"]);
        assert_eq!(changes(&server, &correction), [targets("targets")], "{to}");

        owner.delegate("targets", "c", &[Key::throw_away_ecdsa()], &[""], 1);
        let found = changes(&server, &owner.next(&["targets"]));
        assert_eq!(found, [signers("targets")], "{to}");
    }
}

#[test]
fn a_stored_key_with_a_private_half_of_the_wrong_type_is_corrected_as_any_other_is_replaced() {
    let (mut server, mut owner) = published();
    let clean = owner.next(&["targets"]);
    let signed = owner.targets.signed.clone();
    let keys = owner.targets.signed["delegations"]["keys"].as_object_mut();
    for key in keys.unwrap().values_mut() {
        key["keyval"]["private"] = json!(5);
    }
    let broken = ("targets".to_owned(), owner.targets.seal());
    assert_ne!(broken, clean[0]);
    server.keep(&[broken]);
    owner.targets.signed = signed;
    assert_eq!(
        changes(&server, &owner.next(&["targets"])),
        [targets("targets")]
    );
}

#[test]
fn a_stored_snapshot_that_can_be_read_in_two_ways_is_replaced_as_any_other() {
    for (from, to) in [
        (r#""meta":"#, r#""meta":7,"meta":"#),
        (r#""length":"#, r#""Length":1,"length":"#),
        (r#"{"signed":"#, r#"{"Signed":{},"signed":"#),
    ] {
        let (mut server, mut owner) = independent();
        let mut parts = owner.next(&[]);
        respelled(part(&mut parts, "snapshot"), from, to);
        server.keep(&parts);
        owner.add_target("targets/a", "v1", b"content");
        let found = changes(&server, &owner.next(&["targets/a"]));
        assert_eq!(found, [targets("targets/a")], "{to}");
    }
}
