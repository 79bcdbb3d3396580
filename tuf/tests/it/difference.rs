//! What an update changed, by name: for people who read an audit log.

use fixtures::{Key, Part, Publisher};
use serde_json::json;
use tuf::{Difference, MOST_NAMED, Signer};

use crate::given::Server;

/// A repository with a tag, and with a delegation to one key.
fn published() -> (Server, Publisher, String) {
    let mut server = Server::new();
    let mut owner = server.owner();
    let key = Key::throw_away_ecdsa();
    let id = key.id().to_owned();
    owner.delegate("targets", "a", &[key], &[""], 1);
    owner.add_target("targets", "1.0", b"one");
    owner.add_target("targets", "2.0", b"two");
    server.publish(&owner.first_publish());
    (server, owner, id)
}

fn difference(server: &Server, parts: &[Part]) -> Difference {
    let accepted = server.judge(parts).expect("the update is accepted");
    accepted.difference()
}

fn ids(signers: &[Signer]) -> Vec<(&str, &str)> {
    signers
        .iter()
        .map(|signer| (signer.role.as_str(), signer.key_id.as_str()))
        .collect()
}

/// The SHA-256 of `content`, as it is shown.
fn shown(content: &[u8]) -> String {
    let sha256 = tuf::Checksums::of(content).sha256;
    format!("sha256:{}", hex::encode(sha256))
}

#[test]
fn tags_that_are_new_moved_or_gone_are_named_with_their_digests() {
    let (server, mut owner, _) = published();
    owner.add_target("targets", "1.0", b"another");
    owner.add_target("targets", "3.0", b"three");
    let targets = owner.targets.signed["targets"].as_object_mut().unwrap();
    targets.remove("2.0");
    let found = difference(&server, &owner.next(&["targets"]));

    let [added] = &found.added.first[..] else {
        panic!("{found:?}")
    };
    assert_eq!(
        (
            added.role.as_str(),
            added.name.as_str(),
            added.digest.to_string()
        ),
        ("targets", "3.0", shown(b"three"))
    );
    let [moved] = &found.moved.first[..] else {
        panic!("{found:?}")
    };
    assert_eq!(
        (
            moved.name.as_str(),
            moved.from.to_string(),
            moved.to.to_string()
        ),
        ("1.0", shown(b"one"), shown(b"another"))
    );
    let [removed] = &found.removed.first[..] else {
        panic!("{found:?}")
    };
    assert_eq!(
        (removed.name.as_str(), removed.digest.to_string()),
        ("2.0", shown(b"two"))
    );
    assert!(found.signers_added.first.is_empty() && found.unreadable.is_empty());
}

#[test]
fn a_target_without_a_sha256_is_told_by_what_it_has() {
    let (server, mut owner, _) = published();
    for (name, kept) in [("1.0", "sha512"), ("2.0", "none")] {
        let hashes = &mut owner.targets.signed["targets"][name]["hashes"];
        hashes
            .as_object_mut()
            .unwrap()
            .retain(|algorithm, _| algorithm == kept);
    }
    let found = difference(&server, &owner.next(&["targets"]));
    let to: Vec<String> = found
        .moved
        .first
        .iter()
        .map(|tag| tag.to.to_string())
        .collect();
    assert!(
        to[0].starts_with("sha512:") && to[0].ends_with('…'),
        "{to:?}"
    );
    assert_eq!(to[1], "unknown");
}

#[test]
fn signers_of_a_delegation_that_come_and_go_are_named() {
    let (server, mut owner, old) = published();
    let new = Key::throw_away_ed25519();
    let id = new.id().to_owned();
    let delegations = &mut owner.targets.signed["delegations"];
    delegations["roles"][0]["keyids"] = json!([id]);
    delegations["keys"] = json!({ id.as_str(): new.public().document() });
    let found = difference(&server, &owner.next(&["targets"]));
    assert_eq!(
        ids(&found.signers_added.first),
        [("targets/a", id.as_str())]
    );
    assert_eq!(
        ids(&found.signers_removed.first),
        [("targets/a", old.as_str())]
    );
    assert_eq!((found.added.count, found.removed.count), (0, 0));
}

#[test]
fn the_keys_of_a_new_root_are_named_and_so_are_both_that_signed_it() {
    let (server, mut owner, _) = published();
    let old = owner.root.signers[0].id().to_owned();
    owner.rotate_root();
    let new = owner.root.signers.iter().map(Key::id);
    let new: Vec<String> = new.filter(|id| *id != old).map(str::to_owned).collect();
    let found = difference(&server, &owner.next(&["root"]));
    assert_eq!(ids(&found.signers_added.first), [("root", new[0].as_str())]);
    assert_eq!(ids(&found.signers_removed.first), [("root", old.as_str())]);
    let mut signed: Vec<&str> = ids(&found.signed_by.first)
        .iter()
        .map(|(_, id)| *id)
        .collect();
    signed.sort_unstable();
    let mut both = [old.as_str(), new[0].as_str()];
    both.sort_unstable();
    assert_eq!(signed, both);
}

#[test]
fn the_first_publish_adds_everything() {
    let server = Server::new();
    let mut owner = server.owner();
    owner.add_target("targets", "1.0", b"one");
    let found = difference(&server, &owner.first_publish());
    assert_eq!(found.added.count, 1);
    let mut roles: Vec<&str> = ids(&found.signers_added.first)
        .iter()
        .map(|(role, _)| *role)
        .collect();
    roles.dedup();
    assert_eq!(roles, ["root", "snapshot", "targets", "timestamp"]);
}

#[test]
fn only_keys_whose_signatures_are_right_are_said_to_have_signed() {
    let mut server = Server::new();
    let mut owner = server.owner();
    let (honest, framed) = (Key::throw_away_ecdsa(), Key::throw_away_ecdsa());
    let keys = [honest.clone(), framed.clone()];
    owner.delegate("targets", "a", &keys, &[""], 1);
    server.publish(&owner.first_publish());
    let forged = Key::throw_away_ecdsa().claiming(framed.id());
    owner.document_mut("targets/a").signers = vec![forged, honest.clone()];
    let found = difference(&server, &owner.next(&["targets/a"]));
    assert_eq!(ids(&found.signed_by.first), [("targets/a", honest.id())]);
}

#[test]
fn keys_that_the_threshold_does_not_need_are_said_to_have_signed_too() {
    let mut server = Server::new();
    let mut owner = server.owner();
    let keys = [Key::throw_away_ecdsa(), Key::throw_away_ecdsa()];
    owner.delegate("targets", "a", &keys, &[""], 1);
    server.publish(&owner.first_publish());
    owner.document_mut("targets/a").signers = keys.to_vec();
    let found = difference(&server, &owner.next(&["targets/a"]));
    let mut signed = ids(&found.signed_by.first);
    signed.sort_unstable();
    let mut expected = keys.each_ref().map(|key| ("targets/a", key.id()));
    expected.sort_unstable();
    assert_eq!(signed, expected);
}

#[test]
fn of_many_changes_the_first_are_named_and_all_are_counted() {
    let (server, mut owner, _) = published();
    owner.big_targets(1_000);
    let found = difference(&server, &owner.next(&["targets"]));
    assert_eq!(found.added.count, 1_000);
    assert_eq!(found.added.first.len(), MOST_NAMED);
    assert_eq!(found.added.unnamed(), 1_000 - MOST_NAMED);
}

#[test]
fn an_update_that_only_signs_again_changes_nothing() {
    let (server, mut owner, _) = published();
    let found = difference(&server, &owner.next(&["targets"]));
    let expected = Difference {
        signed_by: found.signed_by.clone(),
        ..Difference::default()
    };
    assert_eq!(found, expected);
    assert_eq!(found.signed_by.count, 1);
}

#[test]
fn a_file_with_more_targets_than_its_length_allows_is_not_compared() {
    let (server, mut owner, _) = published();
    let targets = owner.targets.signed["targets"].as_object_mut().unwrap();
    for number in 0..1000 {
        targets.insert(format!("{number:05}"), json!({}));
    }
    let found = difference(&server, &owner.next(&["targets"]));
    assert_eq!(found.unreadable, [tuf::Role::Targets]);
    assert_eq!((found.added.count, found.removed.count), (0, 0));
}
