//! Whole publishes: what is accepted, what is made for it, and what any file is refused for.

use fixtures::{Key, clock, resign, verify};
use serde_json::json;
use time::Duration;
use tuf::{
    Checksums, DelegationFault, Fault, MetadataFormat, Refusal, Role, SnapshotView, TimestampView,
    UpdateFault,
};

use crate::given::{Server, part, role_named, update, uploaded};

fn targets_refusal(fault: impl Into<Fault>) -> Refusal {
    Refusal::Targets(fault.into())
}

#[test]
fn a_first_publish_is_stored_in_order_with_snapshot_and_timestamp_of_version_1() {
    let mut server = Server::new();
    let mut owner = server.owner();
    owner.delegate("targets", "a", &[Key::throw_away_ecdsa()], &[""], 1);
    owner.delegate("targets/a", "b", &[Key::throw_away_ed25519()], &["p/"], 1);
    let mut parts = owner.first_publish();
    parts.reverse();
    let files = server.publish(&parts);
    let order: Vec<&str> = files.iter().map(|file| file.role().as_str()).collect();
    assert_eq!(
        order,
        [
            "root",
            "targets",
            "targets/a",
            "targets/a/b",
            "snapshot",
            "timestamp"
        ]
    );
    assert!(files[4..].iter().all(|file| file.version() == 1));
    assert!(
        owner.trusts("snapshot", files[4].bytes()) && owner.trusts("timestamp", files[5].bytes())
    );
    let snapshot = SnapshotView::parse(MetadataFormat::NOTARY, files[4].bytes()).unwrap();
    for file in &files[..4] {
        assert_eq!(
            snapshot.listed.sha256(file.role().as_str()),
            Some(file.checksums().sha256)
        );
    }
    let timestamp = TimestampView::parse(MetadataFormat::NOTARY, files[5].bytes()).unwrap();
    assert_eq!(timestamp.snapshot_sha256, files[4].checksums().sha256);
    assert_eq!(snapshot.expires, clock() + Duration::days(1095));
    assert_eq!(timestamp.expires, clock() + Duration::days(14));
}

#[test]
fn what_the_server_makes_is_spelled_as_notary_spells_it() {
    let mut server = Server::new();
    let parts = server.owner().first_publish();
    let timestamp = server.publish(&parts).pop().unwrap();
    let text = String::from_utf8(timestamp.bytes().to_vec()).unwrap();
    let key = server.timestamp.public().id();
    let beginning = r#"{"signed":{"_type":"Timestamp","expires":"2026-12-06T12:00:00Z","meta":{"snapshot":{"hashes":{"sha256":""#;
    assert!(text.starts_with(beginning), "{text}");
    let signatures =
        format!(r#"}},"version":1}},"signatures":[{{"keyid":"{key}","method":"eddsa","sig":""#);
    assert!(
        text.contains(&signatures) && text.ends_with(r#"=="}]}"#),
        "{text}"
    );
}

#[test]
fn checksums_are_of_the_bytes_that_came_however_they_are_spelled() {
    let mut server = Server::new();
    let mut parts = server.owner().first_publish();
    for role in ["root", "targets"] {
        let bytes = part(&mut parts, role);
        let spaced = String::from_utf8(bytes.clone())
            .unwrap()
            .replace("\":", "\" :\n");
        *bytes = format!(" {spaced}\n\n").into_bytes();
    }
    let files = server.publish(&parts);
    let snapshot = SnapshotView::parse(MetadataFormat::NOTARY, files[2].bytes()).unwrap();
    for (role, bytes) in &parts {
        assert_eq!(
            snapshot.listed.sha256(role),
            Some(Checksums::of(bytes).sha256)
        );
        assert!(files.iter().any(|file| file.bytes() == bytes));
    }
}

#[test]
fn later_publishes_count_versions_on_and_keep_entries_of_what_is_gone() {
    let mut server = Server::new();
    let mut owner = server.owner();
    owner.delegate("targets", "a", &[Key::throw_away_ecdsa()], &[""], 1);
    server.publish(&owner.first_publish());
    owner.targets.signed["delegations"] = json!({"keys": {}, "roles": []});
    let files = server.publish(&owner.next(&["targets"]));
    assert!(files.iter().skip(1).all(|file| file.version() == 2));
    let snapshot = SnapshotView::parse(MetadataFormat::NOTARY, files[1].bytes()).unwrap();
    assert!(snapshot.listed.sha256("targets/a").is_some());
    let refusal = server.refusal(&owner.next(&["targets/a"]));
    assert_eq!(
        refusal,
        targets_refusal(Fault::from(DelegationFault::NotDelegated(role_named(
            "targets/a"
        ))))
    );
}

#[test]
fn an_empty_update_of_a_known_repository_makes_new_versions() {
    let mut server = Server::new();
    let mut owner = server.owner();
    server.publish(&owner.first_publish());
    let timestamp = ("timestamp".to_owned(), b"{}".to_vec());
    assert!(update(std::slice::from_ref(&timestamp)).is_empty());
    let files = server.publish(&[timestamp]);
    let made: Vec<(&str, i64)> = files
        .iter()
        .map(|file| (file.role().as_str(), file.version()))
        .collect();
    assert_eq!(made, [("snapshot", 2), ("timestamp", 2)]);
}

#[test]
fn of_two_parts_for_one_role_the_last_counts() {
    let mut server = Server::new();
    let mut owner = server.owner();
    let mut parts = vec![(
        "targets".to_owned(),
        br#"{"signed":{"version":9}}"#.to_vec(),
    )];
    parts.extend(owner.first_publish());
    let files = server.publish(&parts);
    assert_eq!(
        *files[1].bytes(),
        part(&mut parts[1..], "targets").as_slice()
    );
}

#[test]
fn targets_without_root_need_a_stored_root() {
    let server = Server::new();
    let mut parts = server.owner().first_publish();
    parts.retain(|(role, _)| role == "targets");
    let fault = Fault::from(UpdateFault::NoRoot);
    assert_eq!(server.refusal(&parts), Refusal::Validation(fault));
}

#[test]
fn a_first_root_alone_is_not_enough_for_a_snapshot() {
    let server = Server::new();
    let mut parts = server.owner().first_publish();
    parts.retain(|(role, _)| role == "root");
    assert_eq!(
        server.refusal(&parts),
        Refusal::Validation(UpdateFault::NoTargets.into())
    );
}

#[test]
fn the_needed_files_are_those_in_the_update_and_all_above_them() {
    let mut update = update(&[]);
    assert!(update.needed_roles([]).is_empty());
    for role in ["root", "snapshot", "targets/a/b", "targets/c"] {
        update.insert(uploaded(role, b"{}").unwrap());
    }
    let needed: Vec<Role> = update.needed_roles([]).into_iter().collect();
    assert_eq!(
        needed,
        ["targets", "targets/a", "targets/c", "targets/a/b"].map(role_named)
    );
}

#[test]
fn a_draft_is_sealed_by_enough_good_signatures_only() {
    let server = Server::new();
    let parts = server.owner().first_publish();
    let draft = server
        .judge(&parts)
        .unwrap()
        .snapshot_to_make(clock())
        .unwrap();
    let id = server.snapshot.public().id().clone();
    assert_eq!(draft.keys(), [server.snapshot.public().clone()]);
    assert_eq!(
        (draft.threshold(), draft.version(), draft.role()),
        (1, 1, &Role::Snapshot)
    );
    let good = server.snapshot.sign(draft.message()).unwrap();
    let stranger = (server.timestamp.public().id().clone(), good.clone());
    let fault = draft
        .clone()
        .seal(vec![(id.clone(), b"bad".to_vec()), stranger])
        .unwrap_err();
    assert_eq!(
        (fault.good, fault.threshold, fault.refused.len()),
        (0, 1, 2)
    );
    let file = draft
        .seal(vec![(id.clone(), good.clone()), (id, good)])
        .unwrap();
    let signatures = String::from_utf8(file.bytes().to_vec())
        .unwrap()
        .matches("keyid")
        .count();
    assert_eq!(signatures, 1);
}

#[test]
fn a_threshold_above_the_number_of_keys_makes_a_draft_that_nothing_seals() {
    let server = Server::new();
    let mut owner = server.owner();
    owner.root.signed["roles"]["timestamp"]["threshold"] = json!(2);
    let accepted = server.judge(&owner.first_publish()).unwrap();
    let snapshot = server.seal(accepted.snapshot_to_make(clock()).unwrap());
    let draft = accepted.timestamp_to_make(&snapshot, clock());
    let signature = server.timestamp.sign(draft.message()).unwrap();
    let id = server.timestamp.public().id().clone();
    let fault = draft
        .seal(vec![(id.clone(), signature.clone()), (id, signature)])
        .unwrap_err();
    assert_eq!(
        (fault.role, fault.good, fault.threshold),
        (Role::Timestamp, 1, 2)
    );
}

#[test]
fn entries_with_odd_names_are_kept_readable_and_verifiable() {
    let mut server = Server::new();
    let mut owner = server.independent_owner();
    let mut parts = owner.first_publish();
    let keys = owner.snapshot.signers.clone();
    let snapshot = part(&mut parts, "snapshot");
    *snapshot = resign(snapshot, &keys, |signed| {
        signed["meta"]["a<b\u{e9}"] = signed["meta"]["root"].clone();
    });
    server.publish(&parts);
    let mut handed_over = owner.clone().holds_snapshot(false);
    let key = server.snapshot.public().public_bytes().to_vec();
    handed_over = handed_over.with_server_key("snapshot", &key, "ecdsa");
    let files = server.publish(&handed_over.next(&["root"]));
    let made = &files[1];
    assert!(
        SnapshotView::parse(MetadataFormat::NOTARY, made.bytes())
            .unwrap()
            .listed
            .sha256("a<b\u{e9}")
            .is_some()
    );
    let text = String::from_utf8(made.bytes().to_vec()).unwrap();
    assert!(text.contains(r"a\u003cb"), "{text}");
    let document = serde_json::from_slice(server.snapshot.public().document().as_bytes()).unwrap();
    assert!(verify(
        made.bytes(),
        &[fixtures::Named::from_document(&document)],
        1
    ));
}
