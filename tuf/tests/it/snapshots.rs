//! Snapshots that a client makes.

use fixtures::{Part, Publisher, resign};
use serde_json::{Value, json};
use time::macros::datetime;
use tuf::{Fault, MetaFault, MetadataFormat, Refusal, Role, StructureProblem};

use crate::given::{Server, expired, part, role_named, shortfall, structure};

fn snapshot_refusal(fault: impl Into<Fault>) -> Refusal {
    Refusal::Snapshot(fault.into())
}

/// A first publish with one thing changed in its snapshot, signed again.
fn with_snapshot(server: &Server, change: impl FnOnce(&mut Value)) -> Vec<Part> {
    let mut owner: Publisher = server.independent_owner();
    let mut parts = owner.first_publish();
    let snapshot = part(&mut parts, "snapshot");
    *snapshot = resign(snapshot, &owner.snapshot.signers, change);
    parts
}

#[test]
fn a_snapshot_that_was_sent_is_kept_and_none_is_made() {
    let mut server = Server::new();
    let mut parts = server.independent_owner().first_publish();
    assert!(
        server
            .judge(&parts)
            .unwrap()
            .snapshot_to_make(fixtures::clock())
            .is_none()
    );
    let files = server.publish(&parts);
    assert_eq!(*files[2].bytes(), part(&mut parts, "snapshot").as_slice());
    let timestamp = tuf::TimestampView::parse(MetadataFormat::NOTARY, files[3].bytes()).unwrap();
    assert_eq!(timestamp.snapshot_sha256, files[2].checksums().sha256);
}

#[test]
fn a_snapshot_with_other_bytes_for_a_sent_file_is_refused() {
    let server = Server::new();
    let zeros = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let parts = with_snapshot(&server, |signed| {
        signed["meta"]["targets"]["hashes"]["sha256"] = json!(zeros);
    });
    let fault = MetaFault::Checksum {
        role: Role::Targets,
        algorithm: "sha256",
        expected: vec![0; 32],
    };
    assert_eq!(server.refusal(&parts), snapshot_refusal(fault));
}

#[test]
fn a_snapshot_with_another_sha512_is_refused_and_the_length_is_not_looked_at() {
    let server = Server::new();
    let parts = with_snapshot(&server, |signed| {
        signed["meta"]["root"]["length"] = json!(1);
    });
    assert!(server.judge(&parts).is_ok());
    let parts = with_snapshot(&server, |signed| {
        let other = signed["meta"]["targets"]["hashes"]["sha512"].clone();
        signed["meta"]["root"]["hashes"]["sha512"] = other;
    });
    let refusal = server.refusal(&parts);
    let Refusal::Snapshot(Fault::Meta(MetaFault::Checksum {
        role: Role::Root,
        algorithm: "sha512",
        ..
    })) = refusal
    else {
        panic!("{refusal:?}")
    };
}

#[test]
fn a_snapshot_must_list_root_and_targets_and_what_was_sent() {
    let server = Server::new();
    for (change, fault) in [
        (
            (|signed: &mut Value| signed["meta"] = json!({})) as fn(&mut Value),
            structure("snapshot", StructureProblem::MissingChecksum("root")),
        ),
        (
            |signed| signed["meta"]["targets"] = json!(null),
            structure("snapshot", StructureProblem::MissingChecksum("targets")),
        ),
        (
            |signed| signed["meta"]["root"]["hashes"]["sha256"] = json!("AA=="),
            structure(
                "snapshot",
                StructureProblem::ChecksumLength {
                    name: "root",
                    algorithm: "sha256",
                },
            ),
        ),
        (
            |signed| signed["meta"]["targets"]["hashes"]["sha512"] = json!("AA=="),
            structure(
                "snapshot",
                StructureProblem::ChecksumLength {
                    name: "targets",
                    algorithm: "sha512",
                },
            ),
        ),
        (
            |signed| signed["_type"] = json!("Timestamp"),
            structure(
                "snapshot",
                StructureProblem::Type {
                    expected: "Snapshot",
                    found: "Timestamp".to_owned(),
                },
            ),
        ),
        (
            |signed| signed["version"] = json!(20_000),
            Fault::VersionOutOfReach {
                version: 20_000,
                current: 0,
            },
        ),
        (
            |signed| signed["expires"] = json!("2020-01-02T03:04:05Z"),
            expired("snapshot", Some(datetime!(2020-01-02 03:04:05 UTC))),
        ),
    ] {
        assert_eq!(
            server.refusal(&with_snapshot(&server, change)),
            snapshot_refusal(fault)
        );
    }
}

#[test]
fn a_delegation_that_the_snapshot_does_not_list_is_refused() {
    let server = Server::new();
    let mut owner = server.independent_owner();
    owner.delegate(
        "targets",
        "a",
        &[fixtures::Key::throw_away_ecdsa()],
        &[""],
        1,
    );
    let mut parts = owner.first_publish();
    let snapshot = part(&mut parts, "snapshot");
    *snapshot = resign(snapshot, &owner.snapshot.signers, |signed| {
        signed["meta"]["targets/a"] = json!({"hashes": {"md5": "AA=="}});
    });
    let fault = Fault::from(MetaFault::NotListed(role_named("targets/a")));
    assert_eq!(server.refusal(&parts), snapshot_refusal(fault));
}

#[test]
fn a_snapshot_signed_by_a_client_is_refused_where_the_server_holds_the_key() {
    let server = Server::new();
    let parts = server.owner().holds_snapshot(true).first_publish();
    assert_eq!(
        server.refusal(&parts),
        snapshot_refusal(shortfall("snapshot", 0, 1))
    );
}

#[test]
fn root_and_snapshot_without_targets_are_enough() {
    let server = Server::new();
    let mut parts = server.independent_owner().first_publish();
    parts.retain(|(role, _)| role != "targets");
    assert!(server.judge(&parts).is_ok());
}

#[test]
fn what_is_not_in_the_update_may_have_any_checksum() {
    let mut server = Server::new();
    let mut owner = server.independent_owner();
    server.publish(&owner.first_publish());
    let mut parts = owner.next(&["root"]);
    let snapshot = part(&mut parts, "snapshot");
    *snapshot = resign(snapshot, &owner.snapshot.signers, |signed| {
        signed["meta"]["targets"] = signed["meta"]["root"].clone();
    });
    assert!(server.judge(&parts).is_ok());
}

#[test]
fn a_snapshots_version_is_measured_from_the_stored_one() {
    let mut server = Server::new();
    let mut owner = server.independent_owner();
    owner.snapshot.set_version(5);
    server.publish(&owner.first_publish());
    owner.snapshot.set_version(4 + tuf::MAX_VERSION_STEP);
    assert!(server.judge(&owner.next(&["targets"])).is_ok());
    let fault = Fault::VersionOutOfReach {
        version: 10_006,
        current: 5,
    };
    assert_eq!(
        server.refusal(&owner.next(&["targets"])),
        snapshot_refusal(fault)
    );
}
