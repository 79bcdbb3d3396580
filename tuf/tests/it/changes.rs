//! What an update changes: targets, or who signs.

use fixtures::{Key, Part, Publisher, listing, seal};
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
    for name in ["Meta", "custom", "Version"] {
        let mut owner = owner.clone();
        let mut parts = owner.next(&[]);
        owner.snapshot.signed[name] = owner.snapshot.signed["meta"].clone();
        if name == "Version" {
            owner.snapshot.signed[name] = json!(owner.snapshot.version());
        }
        *part(&mut parts, "snapshot") = owner.snapshot.seal();
        assert_eq!(changes(&server, &parts), [signers("snapshot")], "{name}");
    }
}

#[test]
fn a_pin_that_can_be_read_in_two_ways_is_a_change_of_signers() {
    let (server, owner) = independent();
    let parts = with_meta(&owner, &["targets/a"], |meta| {
        meta["targets/a"]["Hashes"] = meta["targets/a/b"]["hashes"].clone();
    });
    assert_eq!(
        changes(&server, &parts),
        [targets("targets/a"), signers("snapshot")]
    );
}

/// Readers that take the first of two equal members are told something that nobody signed.
#[test]
fn a_snapshot_with_pins_twice_is_a_change_of_signers() {
    let (server, mut owner) = independent();
    let mut parts = owner.next(&[]);
    let sealed = String::from_utf8(part(&mut parts, "snapshot").clone()).unwrap();
    let doubled = sealed.replace(r#""meta":"#, r#""meta":{},"meta":"#);
    assert_ne!(doubled, sealed);
    *part(&mut parts, "snapshot") = doubled.into_bytes();
    assert_eq!(changes(&server, &parts), [signers("snapshot")]);
}

#[test]
fn a_file_with_two_signed_parts_is_a_change_of_both_kinds() {
    let (server, owner) = independent();
    for twin in [r#""signed""#, r#""Signed""#, r#""\u017figned""#] {
        let mut owner = owner.clone();
        for role in ["targets", "snapshot"] {
            let mut parts = owner.next(&["targets"]);
            let file = String::from_utf8(part(&mut parts, role).clone()).unwrap();
            let doubled = format!("{{{twin}:{{}},{}", &file[1..]);
            *part(&mut parts, role) = doubled.clone().into_bytes();
            if role == "targets" {
                owner.snapshot.signed["meta"]["targets"] = listing(doubled.as_bytes());
                *part(&mut parts, "snapshot") = owner.snapshot.seal();
            }
            let expected = match role {
                "targets" => vec![signers(role), targets(role)],
                role => vec![targets("targets"), signers(role)],
            };
            assert_eq!(changes(&server, &parts), expected, "{twin} in {role}");
        }
    }
}
