//! Roots: first ones, updates, rotations.

use fixtures::{Key, Publisher, clock};
use serde_json::json;
use time::{Duration, OffsetDateTime};
use tuf::{CertificateDates, Fault, Gun, KeyId, Refusal, Role, RootFault, StructureProblem};

use crate::given::{Server, expired, file, part, shortfall, structure};

fn root_refusal(fault: impl Into<Fault>) -> Refusal {
    Refusal::Root(fault.into())
}

fn certified(common_name: &str, from: i64, to: i64) -> Key {
    Key::certified(
        common_name,
        clock() + Duration::days(from),
        clock() + Duration::days(to),
    )
}

/// The same owner with another root key.
fn with_root_key(mut owner: Publisher, key: Key) -> Publisher {
    owner.name_keys("root", &[key.public()], 1);
    owner.sign_with("root", key);
    owner
}

#[test]
fn a_root_moves_by_one_version_or_stays() {
    let mut server = Server::new();
    let mut owner = server.owner();
    owner.root.set_version(3);
    let fault = Fault::from(RootFault::VersionSkipped {
        current: 1,
        sent: 3,
    });
    assert_eq!(server.refusal(&owner.first_publish()), root_refusal(fault));
    owner.root.set_version(2);
    server.publish(&owner.first_publish());
    owner.root.set_version(3);
    let fault = Fault::from(RootFault::VersionSkipped {
        current: 2,
        sent: 4,
    });
    assert_eq!(server.refusal(&owner.next(&["root"])), root_refusal(fault));
    owner.root.set_version(0);
    let fault = Fault::from(RootFault::VersionSkipped {
        current: 2,
        sent: 1,
    });
    assert_eq!(server.refusal(&owner.next(&["root"])), root_refusal(fault));
    for version in [2, 3] {
        owner.root.set_version(version - 1);
        assert!(server.judge(&owner.next(&["root"])).is_ok(), "{version}");
    }
}

#[test]
fn a_rotation_needs_old_and_new_key() {
    let mut server = Server::new();
    let mut owner = server.owner();
    server.publish(&owner.first_publish());
    owner.rotate_root();
    let [old, new] = [owner.root.signers[0].clone(), owner.root.signers[1].clone()];
    let next = owner.next(&["root"]);
    assert!(server.judge(&next).is_ok());
    owner.root.signers = vec![new];
    let fault = Fault::from(RootFault::NotSignedByPrevious);
    owner.root.set_version(1);
    assert_eq!(server.refusal(&owner.next(&["root"])), root_refusal(fault));
    owner.root.signers = vec![old];
    owner.root.set_version(1);
    let fault = Fault::from(RootFault::NotSignedByItself);
    assert_eq!(server.refusal(&owner.next(&["root"])), root_refusal(fault));
}

#[test]
fn a_stranger_cannot_take_a_repository_over() {
    let mut server = Server::new();
    server.publish(&server.owner().first_publish());
    let mut stranger = server.owner();
    stranger.root.set_version(2);
    let fault = Fault::from(RootFault::NotSignedByPrevious);
    assert_eq!(
        server.refusal(&stranger.first_publish()),
        root_refusal(fault)
    );
}

#[test]
fn the_certificate_must_be_for_this_repository_and_current() {
    let fault = Fault::from(RootFault::NoCertificate { dates: None });
    for (common_name, from, to, fits) in [
        ("example.com/app", -1, 1, true),
        ("example.com/*", -1, 1, true),
        ("example.com/a**", -1, 1, true),
        ("*", -1, 1, true),
        ("example.com/ap", -1, 1, false),
        ("example.com/App", -1, 1, false),
        ("example.org/*", -1, 1, false),
        ("", -1, 1, false),
        ("example.com/app", 1, 9, true),
    ] {
        let server = Server::new();
        let parts = with_root_key(server.owner(), certified(common_name, from, to)).first_publish();
        let expected = if fits {
            None
        } else {
            Some(root_refusal(fault.clone()))
        };
        assert_eq!(
            server.judge(&parts).err(),
            expected,
            "{common_name} {from} {to}"
        );
    }
}

#[test]
fn a_certificate_that_is_not_current_is_refused_with_its_date_and_the_clocks() {
    for (from, to) in [(-9, -1), (2, 9)] {
        let server = Server::new();
        let key = certified("example.com/app", from, to);
        let parts = with_root_key(server.owner(), key).first_publish();
        let fault = outdated(from, to, clock());
        assert_eq!(server.judge(&parts).err(), Some(root_refusal(fault)));
    }
}

/// The only certificate is valid so many days from now, and `now` is not among them.
fn outdated(from: i64, to: i64, now: OffsetDateTime) -> Fault {
    let date = |days| (clock() + Duration::days(days)).unix_timestamp();
    let dates = CertificateDates {
        common_name: "example.com/app".to_owned(),
        not_before: date(from),
        not_after: date(to),
        now: now.unix_timestamp(),
    };
    let dates = Some(Box::new(dates));
    RootFault::NoCertificate { dates }.into()
}

#[test]
fn an_expired_root_certificate_can_be_replaced_and_does_not_stop_other_publishes() {
    let mut server = Server::new();
    let key = certified("example.com/app", -9, 1);
    let mut owner = with_root_key(server.owner(), key);
    server.publish(&owner.first_publish());
    let later = clock() + Duration::days(30);
    let judge = |server: &Server, parts: &[fixtures::Part]| {
        tuf::check(
            &server.gun,
            &server.stored,
            crate::given::update(parts),
            later,
        )
    };
    assert!(judge(&server, &owner.next(&["targets"])).is_ok());
    let unchanged = owner.clone().next(&["root"]);
    let fault = outdated(-9, 1, later);
    assert_eq!(judge(&server, &unchanged).err(), Some(root_refusal(fault)));
    owner.rotate_root();
    assert!(judge(&server, &owner.next(&["root"])).is_ok());
}

#[test]
fn an_expired_root_is_refused_when_new_and_fine_when_stored() {
    let mut server = Server::new();
    let mut owner = server.owner();
    owner.expire("root", clock() - Duration::SECOND);
    let fault = expired("root", Some(clock() - Duration::SECOND));
    assert_eq!(server.refusal(&owner.first_publish()), root_refusal(fault));
    owner.expire("root", clock());
    server.publish(&owner.first_publish());
    let later = clock() + Duration::days(1);
    let next = crate::given::update(&owner.next(&["targets"]));
    assert!(tuf::check(&server.gun, &server.stored, next, later).is_ok());
}

#[test]
fn the_structure_of_a_root_is_checked_before_its_trust() {
    for (path, value, problem) in [
        (
            "/_type",
            json!("root"),
            StructureProblem::Type {
                expected: "Root",
                found: "root".to_owned(),
            },
        ),
        (
            "/roles/targets/threshold",
            json!(0),
            StructureProblem::Threshold {
                role: "targets".to_owned(),
                threshold: 0,
            },
        ),
        (
            "/roles/timestamp/keyids",
            json!(["zz"]),
            StructureProblem::MissingKey {
                role: "timestamp".to_owned(),
                id: KeyId::from("zz"),
            },
        ),
    ] {
        let server = Server::new();
        let mut owner = server.owner();
        *owner.root.signed.pointer_mut(path).unwrap() = value;
        let fault = structure("root", problem);
        assert_eq!(server.refusal(&owner.first_publish()), root_refusal(fault));
    }
}

#[test]
fn a_root_of_another_repository_is_refused() {
    let mut server = Server::new();
    let parts = server.owner().first_publish();
    server.gun = Gun::parse("example.com/other").unwrap();
    assert!(matches!(server.refusal(&parts), Refusal::Root(_)));
}

#[test]
fn targets_are_judged_by_the_root_that_comes_with_them() {
    let mut server = Server::new();
    let mut owner = server.owner();
    server.publish(&owner.first_publish());
    owner.rotate("targets");
    let fault = shortfall("targets", 0, 1);
    let mut parts = owner.next(&["root", "targets"]);
    assert!(server.judge(&parts).is_ok());
    parts.remove(0);
    assert_eq!(server.refusal(&parts), Refusal::Targets(fault));
}

#[test]
fn the_root_in_force_names_its_keys_in_order_and_without_impostors() {
    let server = Server::new();
    let mut owner = server.owner();
    let [one, two, impostor] = [(); 3].map(|()| Key::throw_away_ecdsa());
    owner.name_keys("timestamp", &[two.public(), one.public()], 2);
    let ids = &mut owner.root.signed["roles"]["timestamp"]["keyids"];
    ids.as_array_mut()
        .unwrap()
        .extend([json!(two.id()), json!("zz")]);
    owner.root.signed["keys"]["zz"] = impostor.public().document();
    let mut parts = owner.first_publish();
    let accepted = server.judge(&parts).unwrap();
    let root = accepted.root();
    assert_eq!((root.version(), root.threshold(&Role::Timestamp)), (1, 2));
    let keys = root.keys(&Role::Timestamp);
    let ids: Vec<&str> = keys.iter().map(|key| key.id().as_str()).collect();
    assert_eq!(ids, [two.id(), one.id()]);
    let stored = file("root", part(&mut parts, "root"));
    assert_eq!(tuf::role_keys(&stored, &Role::Timestamp), Ok(keys));
}

#[test]
fn a_root_has_no_version_beyond_what_a_database_holds() {
    let mut server = Server::new();
    let mut owner = server.owner();
    owner.root.set_version(i64::from(i32::MAX));
    let root = owner.root.seal().into();
    server.stored.insert_bytes(Role::Root, root);
    let fault = Fault::VersionOutOfReach {
        version: 2_147_483_648,
        current: 2_147_483_647,
    };
    assert_eq!(
        server.refusal(&owner.next(&["root", "targets"])),
        root_refusal(fault)
    );
}
