//! Snapshots and timestamps that are made again before they expire.

use fixtures::clock;
use time::Duration;
use tuf::{
    Fault, MetadataFormat, Role, SnapshotView, TimestampView, renew_snapshot, renew_timestamp,
    role_keys,
};

use crate::given::{Server, expired, file, shortfall};

#[test]
fn a_renewed_timestamp_pins_the_same_snapshot_with_the_next_version() {
    let mut server = Server::new();
    let parts = server.owner().first_publish();
    let files = server.publish(&parts);
    let [root, _, snapshot, timestamp] = &files[..] else {
        panic!("four files")
    };
    let later = clock() + Duration::days(13);
    let draft = renew_timestamp(root, snapshot, timestamp, later).unwrap();
    let renewed = TimestampView::parse(MetadataFormat::NOTARY, server.seal(draft).bytes()).unwrap();
    assert_eq!(
        (renewed.version, renewed.expires),
        (2, later + Duration::days(14))
    );
    assert_eq!(renewed.snapshot_sha256, snapshot.checksums().sha256);
}

#[test]
fn a_renewed_snapshot_keeps_its_entries_and_refreshes_roots() {
    let mut server = Server::new();
    let mut owner = server.owner();
    let files = server.publish(&owner.first_publish());
    let root = owner.next(&["root"]);
    let root = file("root", &root[0].1);
    let later = clock() + Duration::days(2000);
    let draft = renew_snapshot(&root, &files[2], later).unwrap();
    let renewed = SnapshotView::parse(MetadataFormat::NOTARY, server.seal(draft).bytes()).unwrap();
    assert_eq!(
        (renewed.version, renewed.expires),
        (2, later + Duration::days(1095))
    );
    assert_eq!(renewed.listed.sha256("root"), Some(root.checksums().sha256));
    assert_eq!(
        renewed.listed.sha256("targets"),
        Some(files[1].checksums().sha256)
    );
}

#[test]
fn a_renewed_snapshot_spells_its_entries_so_that_clients_read_them() {
    let mut server = Server::new();
    let mut owner = server.owner();
    let files = server.publish(&owner.first_publish());
    let text = String::from_utf8(files[2].bytes().to_vec()).unwrap();
    let other = text.replacen(r#""length":"#, r#""Length":"1","length":"#, 1);
    let snapshot = file("snapshot", other.as_bytes());
    assert!(snapshot.check_reading().is_err());
    let draft = renew_snapshot(&files[0], &snapshot, clock()).unwrap();
    let renewed = server.seal(draft);
    assert_eq!(renewed.check_reading(), Ok(()));
    assert_eq!(
        SnapshotView::parse(MetadataFormat::NOTARY, renewed.bytes())
            .unwrap()
            .listed,
        SnapshotView::parse(MetadataFormat::NOTARY, files[2].bytes())
            .unwrap()
            .listed
    );
}

#[test]
fn an_expired_root_does_not_stop_renewal() {
    let mut server = Server::new();
    let mut owner = server.owner();
    owner.expire("root", clock());
    let files = server.publish(&owner.first_publish());
    let later = clock() + Duration::days(30);
    assert!(files[0].is_expired(later));
    assert!(renew_snapshot(&files[0], &files[2], later).is_ok());
    assert!(renew_timestamp(&files[0], &files[2], &files[3], later).is_ok());
}

#[test]
fn a_timestamp_is_never_made_for_a_snapshot_that_is_expired_or_a_strangers() {
    let mut server = Server::new();
    let parts = server.owner().first_publish();
    let files = server.publish(&parts);
    let later = clock() + Duration::days(1096);
    let damaged = renew_timestamp(&files[0], &files[2], &files[3], later).unwrap_err();
    let expiry = clock() + Duration::days(1095);
    assert_eq!(damaged.reason, expired("snapshot", Some(expiry)));
    let mut other = Server::new();
    let theirs = other.publish(&other.owner().first_publish());
    let damaged = renew_timestamp(&files[0], &theirs[2], &files[3], clock()).unwrap_err();
    assert_eq!(damaged.reason, shortfall("snapshot", 0, 1));
}

#[test]
fn damaged_files_are_named() {
    let mut server = Server::new();
    let parts = server.owner().first_publish();
    let files = server.publish(&parts);
    let empty = |role| file(role, b"{}");
    let damaged = renew_snapshot(&empty("root"), &files[2], clock()).unwrap_err();
    assert_eq!(damaged.role, Role::Root);
    let damaged = renew_snapshot(&files[0], &empty("snapshot"), clock()).unwrap_err();
    assert_eq!(damaged.role, Role::Snapshot);
    let damaged = renew_timestamp(&files[0], &files[2], &empty("timestamp"), clock()).unwrap_err();
    assert_eq!(damaged.role, Role::Timestamp);
    assert!(role_keys(&empty("root"), &Role::Timestamp).is_err());
    assert!(TimestampView::parse(MetadataFormat::NOTARY, b"{}").is_err());
    assert!(SnapshotView::parse(MetadataFormat::NOTARY, b"nope").is_err());
}

#[test]
fn a_version_without_successor_is_reported_not_wrapped() {
    let mut server = Server::new();
    let mut owner = server.independent_owner();
    let files = server.publish(&owner.first_publish());
    owner.timestamp.set_version(i64::from(i32::MAX));
    let last = owner.as_server().pop().unwrap();
    let damaged =
        renew_timestamp(&files[0], &files[2], &file("timestamp", &last.1), clock()).unwrap_err();
    assert_eq!(damaged.reason, Fault::LastVersion(i64::from(i32::MAX)));
}

#[test]
fn a_view_leaves_out_what_pins_nothing_and_treats_no_expiry_as_long_past() {
    let zeros = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let entry = format!(r#"{{"hashes":{{"sha256":"{zeros}"}}}}"#);
    let meta = format!(
        r#"{{"root":{entry},"targets":{entry},"targets/a":null,"targets/b":{{"hashes":{{"sha256":"AA=="}}}}}}"#
    );
    let snapshot = format!(r#"{{"signed":{{"_type":"Snapshot","version":3,"meta":{meta}}}}}"#);
    let view = SnapshotView::parse(MetadataFormat::NOTARY, snapshot.as_bytes()).unwrap();
    assert_eq!(view.listed.names().collect::<Vec<_>>(), ["root", "targets"]);
    assert_eq!((view.version, view.expires.year()), (3, 1));
}
