//! The whole crate with a second metadata format, which exists for this test alone: nothing outside
//! of [`wire`](crate::wire) may know a format.

use time::{OffsetDateTime, macros::datetime};

use crate::{
    files::{Draft, File, SnapshotView, Stored, Strictness, TimestampView},
    key::{KeyAlgorithm, PrivateKey},
    metadata::{RoleKeys, Root},
    role::Role,
    rules::{effort::Effort, meta::check_hashes, next_version::NextVersion},
    wire::MetadataFormat,
};

const SKETCH: MetadataFormat = MetadataFormat::SKETCH;

const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

/// A root that gives one key snapshot and timestamp.
fn root(key: &PrivateKey) -> Root {
    let role_keys = RoleKeys {
        key_ids: vec![key.public().id().clone()],
        threshold: 1,
    };
    let roles = ["snapshot", "timestamp"].map(|role| (role.to_owned(), role_keys.clone()));
    Root {
        version: 1,
        expires: None,
        keys: [(key.public().id().clone(), key.public().clone())].into(),
        roles: roles.into(),
    }
}

#[test]
fn files_of_another_format_are_read_listed_composed_and_sealed_by_its_value_alone() {
    let key = PrivateKey::generate(KeyAlgorithm::Ed25519).expect("random bytes");
    let root = root(&key);
    let seal = |draft: Draft| {
        let signature = key.sign(draft.message()).expect("a signature");
        let id = key.public().id().clone();
        draft
            .seal(vec![(id, signature)])
            .expect("the key is root's")
    };
    let targets = br#"{"signed":{"_type":"targets","spec_version":"1.0","version":7}}"#;
    let targets = File::parse(SKETCH, Role::Targets, targets.to_vec().into()).expect("a file");

    let first = NextVersion::of(&Stored::new(SKETCH), Role::Snapshot).expect("nothing is stored");
    let snapshot = seal(first.draft([&targets], &root, NOW));
    let next = NextVersion::after(&snapshot).expect("a whole snapshot");
    let snapshot = seal(next.draft([], &root, NOW));
    let first = NextVersion::of(&Stored::new(SKETCH), Role::Timestamp).expect("nothing is stored");
    let timestamp = seal(first.draft([&snapshot], &root, NOW));

    let text = String::from_utf8(snapshot.bytes().to_vec()).expect("JSON");
    assert!(
        text.contains(r#""meta":{"targets.json":{"hashes":{"sha256":""#),
        "{text}"
    );
    assert!(
        text.contains(r#""version":7}},"spec_version":"1.0.34","version":2}"#),
        "{text}"
    );
    assert!(SKETCH.spelling().recognises(snapshot.bytes()));
    assert_eq!(snapshot.format(), SKETCH);
    let view = TimestampView::parse(SKETCH, timestamp.bytes()).expect("a timestamp");
    assert_eq!(view.snapshot_sha256, snapshot.checksums().sha256);
    let view = SnapshotView::parse(SKETCH, snapshot.bytes()).expect("a snapshot");
    assert_eq!(
        view.listed.sha256("targets"),
        Some(targets.checksums().sha256)
    );

    let checked = snapshot.check(Strictness::Sent).expect("one envelope");
    let verifier = root.verifier(&Role::Snapshot);
    assert_eq!(
        verifier.verify(checked, &Effort::unlimited()).map(drop),
        Ok(())
    );
    let meta = checked.meta().expect("a whole snapshot");
    assert_eq!(
        check_hashes(meta, &Role::Targets, targets.checksums()),
        Ok(())
    );
}
