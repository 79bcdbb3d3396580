//! What a publish is refused for, whichever role it is about.

use fixtures::Key;
use serde_json::json;
use time::macros::datetime;
use tuf::{
    Base64Error, CanonicalError, Damaged, EnvelopeFault, Fault, InvalidUpload, KeyId, Limits,
    MAX_VERSION_STEP, Misreading, ReadingProblem, Refusal, Role, RootFault, SignatureFault,
    StructureProblem, Uploaded,
};

use crate::given::{
    Server, expired, file, part, role_named, shortfall, structure, trailing_x, uploaded,
};

fn targets_refusal(fault: impl Into<Fault>) -> Refusal {
    Refusal::Targets(fault.into())
}

#[test]
fn targets_signed_by_a_stranger_are_refused() {
    let server = Server::new();
    let mut owner = server.owner();
    owner.sign_with("targets", Key::throw_away_ecdsa());
    let fault = shortfall("targets", 0, 1);
    assert_eq!(
        server.refusal(&owner.first_publish()),
        targets_refusal(fault)
    );
}

#[test]
fn a_changed_target_breaks_the_signature() {
    let server = Server::new();
    let mut owner = server.owner();
    owner.add_target("targets", "v1", b"content");
    let mut parts = owner.first_publish();
    let bytes = part(&mut parts, "targets");
    *bytes = String::from_utf8(bytes.clone())
        .unwrap()
        .replace("v1", "v2")
        .into_bytes();
    let fault = shortfall("targets", 0, 1);
    assert_eq!(server.refusal(&parts), targets_refusal(fault));
}

#[test]
fn two_signatures_of_one_key_do_not_meet_a_threshold_of_two() {
    let server = Server::new();
    let mut owner = server.owner();
    let [one, two] = [Key::throw_away_ecdsa(), Key::throw_away_ecdsa()];
    owner.name_keys("targets", &[one.public(), two.public()], 2);
    owner.targets.signers = vec![one.clone(), one.clone()];
    let fault = shortfall("targets", 1, 2);
    assert_eq!(
        server.refusal(&owner.first_publish()),
        targets_refusal(fault)
    );
    owner.targets.signers = vec![one, two];
    assert!(server.judge(&owner.first_publish()).is_ok());
}

#[test]
fn expired_targets_are_refused_with_the_moment_they_expired() {
    let server = Server::new();
    let mut owner = server.owner();
    owner.targets.signed["expires"] = json!("2020-01-02T03:04:05Z");
    let fault = expired("targets", Some(datetime!(2020-01-02 03:04:05 UTC)));
    assert_eq!(
        server.refusal(&owner.first_publish()),
        targets_refusal(fault)
    );
    owner.targets.signed["expires"] = json!(null);
    let fault = expired("targets", None);
    assert_eq!(
        server.refusal(&owner.first_publish()),
        targets_refusal(fault)
    );
}

#[test]
fn the_structure_of_targets_is_checked() {
    let delegations = |role: serde_json::Value| json!({"keys": {}, "roles": [role]});
    let role = |name: &str, threshold: i64| json!({"keyids": ["zz"], "name": name, "paths": [""], "threshold": threshold});
    for (member, value, fault) in [
        (
            "_type",
            json!("targets"),
            structure(
                "targets",
                StructureProblem::Type {
                    expected: "Targets",
                    found: "targets".to_owned(),
                },
            ),
        ),
        (
            "version",
            json!(0),
            structure("targets", StructureProblem::Version),
        ),
        (
            "delegations",
            delegations(role("targets/A", 1)),
            structure(
                "targets",
                StructureProblem::DelegationName("targets/A".to_owned()),
            ),
        ),
        (
            "delegations",
            delegations(role("targets/a/b", 1)),
            structure(
                "targets",
                StructureProblem::DelegationName("targets/a/b".to_owned()),
            ),
        ),
        (
            "delegations",
            delegations(role("targets/a", 0)),
            structure(
                "targets",
                StructureProblem::Threshold {
                    role: "targets/a".to_owned(),
                    threshold: 0,
                },
            ),
        ),
        (
            "delegations",
            delegations(role("targets/a", 1)),
            structure(
                "targets",
                StructureProblem::MissingKey {
                    role: "targets/a".to_owned(),
                    id: KeyId::from("zz"),
                },
            ),
        ),
    ] {
        let server = Server::new();
        let mut owner = server.owner();
        owner.targets.signed[member] = value;
        assert_eq!(
            server.refusal(&owner.first_publish()),
            targets_refusal(fault)
        );
    }
}

#[test]
fn values_that_clients_cannot_decode_are_named_with_their_place() {
    let mistyped = |found: &'static str, expected| ReadingProblem::Type {
        found: found.into(),
        expected,
    };
    for (member, value, (place, at, problem)) in [
        (
            "delegations",
            json!({"keys": {}, "roles": [null]}),
            ("signed.delegations.roles[0]", 63, ReadingProblem::Null),
        ),
        (
            "delegations",
            json!({"keys": {"a": {"keyval": {"private": 5}}}}),
            (
                r#"signed.delegations.keys["a"].keyval.private"#,
                77,
                mistyped("a number", "a string"),
            ),
        ),
        (
            "delegations",
            json!({"roles": 1}),
            (
                "signed.delegations.roles",
                52,
                mistyped("a number", "a list"),
            ),
        ),
        (
            "targets",
            json!({"v1": {"length": "1"}}),
            (
                r#"signed.targets["v1"].length"#,
                125,
                mistyped("a string", "a whole number"),
            ),
        ),
        (
            "targets",
            json!({"v1": {"hashes": {"sha256": "!"}}}),
            (
                r#"signed.targets["v1"].hashes["sha256"]"#,
                135,
                ReadingProblem::Base64(Base64Error { at: 0 }),
            ),
        ),
    ] {
        let server = Server::new();
        let mut owner = server.owner();
        owner.targets.signed[member] = value;
        let reason = Misreading {
            place: place.to_owned(),
            at: Some(at),
            problem,
        };
        let fault = Fault::Reading {
            role: Role::Targets,
            reason: Box::new(reason),
        };
        assert_eq!(
            server.refusal(&owner.first_publish()),
            targets_refusal(fault)
        );
    }
}

/// What a signature covers is what stands last; Go's decoder merges it with what stands before.
#[test]
fn what_only_some_readers_see_is_refused_in_every_role() {
    for (role, from, to) in [
        (
            "targets",
            r#""targets":"#,
            r#""targets":{"evil":{}},"targets":"#,
        ),
        (
            "targets",
            r#""targets":"#,
            r#""Targets":{"evil":{}},"targets":"#,
        ),
        ("targets", r#""targets":"#, r#""t\u0061rgets":"#),
        (
            "targets",
            r#"{"signed":"#,
            r#"{"signed":{"targets":{"evil":{}}},"signed":"#,
        ),
        ("targets", r#""version":"#, r#""VERSION":7,"version":"#),
        ("root", r#""keyids":"#, r#""keyids":["a"],"keyids":"#),
        (
            "root",
            r#""consistent_snapshot":"#,
            r#""consistent_snapshot":1,"x":"#,
        ),
        ("root", r#""roles":{"#, r#""roles":{"x":null,"#),
        ("root", r#""private":null"#, r#""private":"!""#),
        ("snapshot", r#""meta":"#, r#""meta":7,"meta":"#),
        ("snapshot", r#""length":"#, r#""Length":1,"length":"#),
        (
            "snapshot",
            r#""signatures":"#,
            r#""ſignatures":[],"signatures":"#,
        ),
    ] {
        let server = Server::new();
        let mut parts = server.independent_owner().first_publish();
        let bytes = part(&mut parts, role);
        let text = String::from_utf8(bytes.clone()).unwrap();
        let other = text.replacen(from, to, 1);
        assert_ne!(other, text);
        *bytes = other.into_bytes();
        let refusal = server.refusal(&parts);
        let is_for_role = match role {
            "root" => matches!(refusal, Refusal::Root(Fault::Reading { .. })),
            "targets" => matches!(refusal, Refusal::Targets(Fault::Reading { .. })),
            _ => matches!(refusal, Refusal::Snapshot(Fault::Reading { .. })),
        };
        assert!(is_for_role, "{to}: {refusal:?}");
    }
}

#[test]
fn values_of_the_wrong_type_that_notary_reads_on_arrival_are_malformed() {
    for (from, to) in [
        (r#""version":"#, r#""version":"x","version":"#),
        (r#""expires":"2"#, r#""expires":"\u0032"#),
        (r#""signatures":"#, r#""signatures":{},"signatures":"#),
        (r#""_type":"#, r#""_type":0,"_type":"#),
    ] {
        let mut parts = Server::new().owner().first_publish();
        let bytes = part(&mut parts, "targets");
        let text = String::from_utf8(bytes.clone()).unwrap();
        let other = text.replacen(from, to, 1);
        assert_ne!(other, text);
        let found = uploaded("targets", other.as_bytes());
        assert!(matches!(found, Err(InvalidUpload::Malformed(_))), "{to}");
    }
}

#[test]
fn an_upload_has_limits_and_a_stored_file_has_none() {
    let limits = Limits {
        role_keys: 1,
        keys: 3,
        roles: 4,
        signatures: 1,
        ..Limits::default()
    };
    let mut owner = Server::new().owner();
    owner.delegate(
        "targets",
        "a",
        &[Key::throw_away_ecdsa(), Key::throw_away_ecdsa()],
        &[""],
        1,
    );
    let parts = owner.first_publish();
    for ((role, bytes), text) in parts
        .iter()
        .zip(["signed.keys", "signed.delegations.roles[0].keyids"])
    {
        let read = |limits| Uploaded::read(role_named(role), bytes.clone().into(), limits);
        let fault = read(&limits).expect_err("it is beyond a limit").to_string();
        assert!(
            fault.contains(text) && fault.contains("has more than"),
            "{fault}"
        );
        assert!(read(&Limits::default()).is_ok());
        assert_eq!(file(role, bytes).check_reading(), Ok(()));
    }
}

#[test]
fn numbers_that_cannot_be_signed_are_named() {
    let server = Server::new();
    let mut parts = server.owner().first_publish();
    let bytes = part(&mut parts, "targets");
    let text = String::from_utf8(bytes.clone()).unwrap();
    *bytes = text
        .replace("\"signed\":{", "\"signed\":{\"x\":1.5,")
        .into_bytes();
    assert_eq!(
        server.refusal(&parts),
        targets_refusal(Fault::from(EnvelopeFault::NotCanonical(
            CanonicalError::Fraction("1.5".to_owned())
        )))
    );
}

#[test]
fn unsigned_and_empty_files_are_refused_not_crashed_on() {
    let server = Server::new();
    let mut parts = server.owner().first_publish();
    for (bytes, fault) in [
        ("null", Fault::from(SignatureFault::Unsigned)),
        (
            r#"{"signed":{"version":1},"signatures":[]}"#,
            Fault::from(SignatureFault::Unsigned),
        ),
        (
            r#"{"signed":{"version":1},"signatures":[null]}"#,
            shortfall("targets", 0, 1),
        ),
        (
            r#"{"signed":null,"signatures":[{"keyid":"a"}]}"#,
            Fault::from(EnvelopeFault::NothingSigned),
        ),
        (r#"{"signed":{"version":1}} x"#, trailing_x()),
    ] {
        *part(&mut parts, "targets") = bytes.as_bytes().to_vec();
        assert_eq!(server.refusal(&parts), targets_refusal(fault));
    }
}

#[test]
fn unknown_members_beside_the_signed_part_are_refused_in_every_role() {
    let server = Server::new();
    let fault = Fault::from(EnvelopeFault::UnexpectedMember("x".to_owned()));
    for (role, refusal) in [
        ("root", Refusal::Root(fault.clone())),
        ("targets", Refusal::Targets(fault.clone())),
        ("snapshot", Refusal::Snapshot(fault.clone())),
    ] {
        let mut parts = server.independent_owner().first_publish();
        let bytes = part(&mut parts, role);
        bytes.splice(0..1, br#"{"x":1,"#.iter().copied());
        assert_eq!(server.refusal(&parts), refusal);
    }
}

#[test]
fn unknown_members_of_a_stored_file_do_not_lock_the_repository() {
    let mut server = Server::new();
    let mut owner = server.owner();
    owner.delegate("targets", "a", &[Key::throw_away_ecdsa()], &[""], 1);
    server.publish(&owner.first_publish());
    for role in [Role::Root, Role::Snapshot, Role::Timestamp] {
        let text = text(&server, &role).replacen('{', r#"{"x":1,"#, 1);
        server.stored.insert_bytes(role, text.into());
    }
    assert!(server.judge(&owner.next(&["targets/a"])).is_ok());
}

#[test]
fn a_version_may_jump_but_not_out_of_reach() {
    let mut server = Server::new();
    let mut owner = server.owner();
    owner.targets.set_version(4);
    server.publish(&owner.first_publish());
    owner.targets.set_version(i64::from(i32::MAX) - 1);
    let fault = Fault::VersionOutOfReach {
        version: 2_147_483_647,
        current: 4,
    };
    assert_eq!(
        server.refusal(&owner.next(&["targets"])),
        targets_refusal(fault)
    );
    owner.targets.set_version(4 + MAX_VERSION_STEP);
    let fault = Fault::VersionOutOfReach {
        version: 10_005,
        current: 4,
    };
    assert_eq!(
        server.refusal(&owner.next(&["targets"])),
        targets_refusal(fault)
    );
    owner.targets.set_version(3 + MAX_VERSION_STEP);
    assert!(server.judge(&owner.next(&["targets"])).is_ok());
}

#[test]
fn a_version_ends_where_a_databases_integers_end() {
    let mut server = Server::new();
    let mut owner = server.owner();
    server.publish(&owner.first_publish());
    for (version, accepted) in [(i32::MAX - 1, true), (i32::MAX, false)] {
        owner.targets.set_version(i64::from(version));
        let targets = owner.targets.seal().into();
        server.stored.insert_bytes(Role::Targets, targets);
        assert_eq!(
            server.judge(&owner.next(&["targets"])).is_ok(),
            accepted,
            "{version}"
        );
    }
}

/// The stored file of a role.
fn text(server: &Server, role: &Role) -> String {
    let bytes = server.stored.get(role).unwrap().bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn stored_files_that_were_changed_are_the_servers_fault() {
    let mut server = Server::new();
    let mut owner = server.owner();
    owner.delegate("targets", "a", &[Key::throw_away_ecdsa()], &[""], 1);
    server.publish(&owner.first_publish());
    let next = owner.next(&["targets/a"]);
    let root = text(&server, &Role::Root);
    let changed = root.replace("2036-", "2037-");
    server.stored.insert_bytes(Role::Root, changed.into());
    let damaged = |role, reason| Refusal::Stored(Damaged { role, reason });
    let reason = Fault::from(RootFault::NotSignedByItself);
    assert_eq!(server.refusal(&next), damaged(Role::Root, reason));
    server.stored.insert_bytes(Role::Root, root.into());
    let targets = text(&server, &Role::Targets);
    for (changed, reason) in [
        (format!("{targets}x"), trailing_x()),
        (
            targets.replace("\"Targets\"", "\"Root\""),
            structure(
                "targets",
                StructureProblem::Type {
                    expected: "Targets",
                    found: "Root".to_owned(),
                },
            ),
        ),
    ] {
        server.stored.insert_bytes(Role::Targets, changed.into());
        assert_eq!(server.refusal(&next), damaged(Role::Targets, reason));
    }
}

#[test]
fn damaged_stored_files_are_the_servers_fault() {
    let mut server = Server::new();
    let mut owner = server.owner();
    server.publish(&owner.first_publish());
    let next = owner.next(&["targets"]);
    let damage = |change: &dyn Fn(&mut tuf::Stored)| {
        let mut server = Server {
            stored: server.stored.clone(),
            ..Server::new()
        };
        change(&mut server.stored);
        server.refusal(&next)
    };
    let refusals = [
        damage(&|stored| stored.insert_bytes(Role::Root, "nope".into())),
        damage(&|stored| drop(stored.remove(&Role::Root))),
        damage(&|stored| drop([Role::Root, Role::Snapshot].map(|role| stored.remove(&role)))),
        damage(&|stored| stored.insert_bytes(Role::Snapshot, "nope".into())),
        damage(&|stored| stored.insert_bytes(Role::Snapshot, "{}".into())),
        damage(&|stored| stored.insert_bytes(Role::Timestamp, "nope".into())),
        damage(&|stored| {
            let snapshot = stored.get(&Role::Snapshot).unwrap().bytes().clone();
            stored.insert_bytes(Role::Timestamp, snapshot);
        }),
        damage(&|stored| stored.insert_bytes(Role::Targets, "nope".into())),
    ];
    for refusal in refusals {
        assert!(matches!(refusal, Refusal::Stored(_)), "{refusal:?}");
    }
}

#[test]
fn a_good_signature_behind_a_few_bad_ones_counts_but_not_behind_a_flood() {
    let server = Server::new();
    for (bad, accepted) in [(7, true), (8, false)] {
        let mut parts = server.owner().first_publish();
        let bytes = part(&mut parts, "targets");
        let mut envelope: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        let signatures = envelope["signatures"].as_array_mut().unwrap();
        let mut broken = signatures[0].clone();
        broken["sig"] = json!("AAAA");
        signatures.splice(0..0, vec![broken; bad]);
        *bytes = envelope.to_string().into_bytes();
        assert_eq!(server.judge(&parts).is_ok(), accepted, "{bad}");
    }
}
