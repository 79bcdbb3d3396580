//! What operators see of a repository, whole or damaged.

use std::{collections::BTreeMap, sync::LazyLock};

use bytes::Bytes;
use fixtures::{Key, clock, listing, resign, vectors};
use proptest::prelude::*;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use tuf::{
    Checksums, Digest, FileRequest, Gun, KeyId, MetadataFormat, Overview, ProblemKind, Role,
    RoleOverview, Severity, WalkError, overview,
};

use crate::{
    archive::{Archive, published, rotated, with_delegations},
    given::{GUN, file, part, role_named},
};

/// The overview with the bytes of one role's files replaced, however they are asked for.
fn look_with(archive: &Archive, replaced: &str, bytes: Option<Vec<u8>>) -> Overview {
    let (replaced, bytes) = (role_named(replaced), bytes.map(Bytes::from));
    let files = |role: &Role, wanted| match role {
        role if *role == replaced => bytes.clone(),
        role => archive.find(role, wanted),
    };
    overview(MetadataFormat::NOTARY, &GUN, &files, clock())
}

fn look_at(archive: &Archive, now: OffsetDateTime) -> Overview {
    let files = |role: &Role, wanted| archive.find(role, wanted);
    overview(MetadataFormat::NOTARY, &GUN, &files, now)
}

fn look(archive: &Archive) -> Overview {
    look_at(archive, clock())
}

fn names(overview: &Overview) -> Vec<&str> {
    let roles = overview.roles.iter();
    roles.map(|found| found.role.as_str()).collect()
}

fn find<'o>(overview: &'o Overview, role: &str) -> &'o RoleOverview {
    let mut roles = overview.roles.iter();
    let found = roles.find(|found| found.role.as_str() == role);
    found.expect("the overview has the role")
}

fn problems(overview: &Overview) -> Vec<String> {
    overview.problems.iter().map(ToString::to_string).collect()
}

/// Role, name, SHA-256 and length of each tag.
type Tags = Vec<(String, String, String, i64)>;

fn tags(overview: &Overview) -> Tags {
    let tags = overview.tags.iter().map(|tag| {
        let digest = tag.digest.to_string();
        (tag.role.to_string(), tag.name.clone(), digest, tag.length)
    });
    tags.collect()
}

/// What Notary's client lists of these roles, in their order: names outside of a role's paths are
/// left out, and its paths are those within its parent's.
fn list_as_clients(archive: &Archive, roles: &[Role]) -> Tags {
    let mut paths = BTreeMap::from([("targets".to_owned(), vec![String::new()])]);
    let mut tags = Tags::new();
    for role in roles.iter().filter(|role| role.is_in_targets_tree()) {
        let file: Value = serde_json::from_slice(&archive.newest(role.as_str())).unwrap();
        let signed = &file["signed"];
        let own = paths[role.as_str()].clone();
        for below in signed["delegations"]["roles"].as_array().unwrap() {
            let paths_below = below["paths"].as_array().unwrap().iter();
            let paths_below = paths_below.map(|path| path.as_str().unwrap().to_owned());
            let within = |path: &String| own.iter().any(|above| path.starts_with(above));
            let name = below["name"].as_str().unwrap().to_owned();
            paths.insert(name, paths_below.filter(within).collect());
        }
        let mut listed: Vec<_> = signed["targets"].as_object().unwrap().iter().collect();
        listed.retain(|(name, _)| own.iter().any(|path| name.starts_with(path)));
        listed.sort_by_key(|(name, _)| *name);
        for (name, target) in listed {
            let sha256 = fixtures::bytes(&target["hashes"]["sha256"]);
            tags.push((
                role.to_string(),
                name.clone(),
                Digest::Sha256(sha256.try_into().unwrap()).to_string(),
                target["length"].as_i64().unwrap(),
            ));
        }
    }
    tags
}

/// Roles whose paths narrow from one to the next, and tags inside and outside of them.
fn with_paths() -> Archive {
    let mut archive = Archive::new();
    let mut owner = archive.server.owner();
    let key = [Key::throw_away_ecdsa()];
    owner.delegate("targets", "a", &key, &["a/", "b", "a/x"], 1);
    owner.delegate("targets/a", "c", &key, &["", "a/c", "b", "z"], 1);
    owner.delegate("targets", "none", &key, &[], 1);
    for role in ["targets", "targets/a", "targets/a/c", "targets/none"] {
        for name in ["a/1", "a/c1", "a0", "b2", "b", "z", "A/1", "é\u{2028}\""] {
            let content = format!("{role}{name}");
            owner.add_target(role, name, content.as_bytes());
        }
    }
    archive.publish(&owner.first_publish());
    archive
}

#[test]
fn a_new_repository_is_told_from_root_to_targets_without_a_problem() {
    let (mut archive, mut owner) = published();
    owner.add_target("targets", "1.0", b"content");
    archive.publish(&owner.next(&["targets"]));
    let seen = look(&archive);
    assert_eq!(names(&seen), ["root", "timestamp", "snapshot", "targets"]);
    assert_eq!(seen.problems, []);
    assert_eq!(seen.severity(), None);
    for found in &seen.roles {
        let bytes = archive.newest(found.role.as_str());
        assert_eq!(found.sha256, Checksums::of(&bytes).sha256);
        assert_eq!(found.bytes, bytes.len() as u64);
        assert_eq!((found.threshold, found.keys.len()), (1, 1));
        assert_eq!(found.signed_by, found.keys);
        assert!(found.is_believed && !found.is_skipped);
    }
    let targets = find(&seen, "targets");
    assert_eq!(targets.version, 2);
    assert_eq!(targets.paths, [""]);
    assert!(targets.expires > Some(clock() + Duration::days(365)));
    assert!(find(&seen, "root").paths.is_empty());

    let signers: Vec<_> = seen.signers.iter().map(|one| one.role.as_str()).collect();
    assert_eq!(signers, ["root", "timestamp", "snapshot", "targets"]);
    let certificate = seen.signers[0].certificate.as_ref().expect("a certificate");
    assert_eq!(&*certificate.common_name, GUN.as_str());
    assert!(certificate.expires > clock());
    let algorithms: Vec<_> = seen
        .signers
        .iter()
        .map(|one| one.algorithm.as_str())
        .collect();
    assert_eq!(algorithms, ["ecdsa-x509", "ed25519", "ecdsa", "ecdsa"]);

    let sha256 = Checksums::of(b"content").sha256;
    assert_eq!(seen.tags.len(), 1);
    assert_eq!(seen.tags[0].name, "1.0");
    assert_eq!(seen.tags[0].digest, Digest::Sha256(sha256));
    assert_eq!(seen.tags[0].length, 7);
}

#[test]
fn nested_delegations_list_what_their_paths_and_those_above_cover() {
    let archive = with_paths();
    let seen = look(&archive);
    assert_eq!(find(&seen, "targets/a").paths, ["a/", "b"]);
    assert_eq!(find(&seen, "targets/a/c").paths, ["a/c", "b"]);
    assert_eq!(find(&seen, "targets/none").paths, [""; 0]);
    let roles: Vec<_> = seen.roles.iter().map(|found| found.role.clone()).collect();
    assert_eq!(tags(&seen), list_as_clients(&archive, &roles));
    let a: Vec<_> = seen
        .tags
        .iter()
        .filter(|tag| tag.role.as_str() == "targets/a")
        .collect();
    let a: Vec<_> = a.iter().map(|tag| tag.name.as_str()).collect();
    assert_eq!(a, ["a/1", "a/c1", "b", "b2"]);
    let outside = problems(&seen);
    assert_eq!(outside.len(), 3, "{outside:?}");
    assert_eq!(seen.severity(), Some(Severity::Warning));
    assert!(outside[0].starts_with("targets/a lists targets that its paths do not cover"));
    assert!(outside[0].contains(": 4, among them "), "{outside:?}");
}

#[test]
fn a_delegation_that_was_never_published_has_signers_and_no_file() {
    let (mut archive, mut owner) = published();
    let key = Key::throw_away_ecdsa();
    owner.delegate("targets", "new", std::slice::from_ref(&key), &[""], 1);
    archive.publish(&owner.next(&["targets"]));
    let seen = look(&archive);
    assert!(!names(&seen).contains(&"targets/new"));
    let signer = seen.signers.last().expect("there are signers");
    assert_eq!(
        (signer.role.as_str(), signer.key.as_str()),
        ("targets/new", key.id())
    );
    assert_eq!(signer.certificate, None);
    assert_eq!(seen.problems, []);
}

#[test]
fn all_who_signed_are_told_beyond_the_threshold_and_below_it() {
    let mut archive = Archive::new();
    let mut owner = archive.server.owner();
    let keys: Vec<Key> = (0..3).map(|_| Key::throw_away_ecdsa()).collect();
    owner.delegate("targets", "many", &keys, &[""], 2);
    owner.delegate("targets", "few", &keys, &[""], 2);
    archive.publish(&owner.first_publish());
    let mut ids: Vec<_> = keys.iter().map(Key::id).collect();
    ids.sort_unstable();
    let seen = look(&archive);
    for role in ["targets/many", "targets/few"] {
        let found = find(&seen, role);
        let told: Vec<_> = found.signed_by.iter().map(KeyId::as_str).collect();
        assert_eq!((told, found.threshold), (ids.clone(), 2));
    }

    // Two of the three keys are taken away from one role, and a stranger takes their place.
    let stranger = Key::throw_away_ecdsa();
    let named = [keys[0].id(), stranger.id()];
    let delegations = &mut owner.targets.signed["delegations"];
    delegations["keys"][stranger.id()] = stranger.public().document();
    let roles = delegations["roles"].as_array_mut().unwrap();
    let few = roles.iter_mut().find(|role| role["name"] == "targets/few");
    few.unwrap()["keyids"] = json!(named);
    archive.publish(&owner.next(&["targets"]));
    let seen = look(&archive);
    let few = find(&seen, "targets/few");
    assert!(few.is_skipped && !few.is_believed);
    assert_eq!(few.keys.len(), 2);
    assert_eq!(few.signed_by.len(), 1);
    assert_eq!(few.signed_by[0].as_str(), keys[0].id());
    assert_eq!(seen.severity(), Some(Severity::Warning));
    assert_eq!(seen.problems[0].role.as_str(), "targets/few");
    assert!(problems(&seen)[0].starts_with("clients pass over targets/few"));
}

#[test]
fn rotated_roots_are_told_by_the_one_in_force() {
    let archive = rotated();
    let seen = look(&archive);
    let root = find(&seen, "root");
    assert_eq!(root.version, 3);
    assert_eq!(root.keys.len(), 1);
    assert!(root.signed_by.contains(&root.keys[0]));
    assert_eq!(seen.problems, []);
}

#[test]
fn the_snapshot_of_a_publisher_is_told_as_well() {
    let mut archive = Archive::new();
    let mut owner = archive.server.independent_owner();
    owner.add_target("targets", "latest", b"1");
    archive.publish(&owner.first_publish());
    let seen = look(&archive);
    assert_eq!(
        find(&seen, "snapshot").signed_by[0].as_str(),
        owner.snapshot.signers[0].id()
    );
    assert_eq!(seen.tags.len(), 1);
    assert_eq!(seen.problems, []);
}

#[test]
fn what_has_expired_is_a_problem_and_what_will_is_a_date() {
    let (mut archive, mut owner) = with_delegations();
    owner.expire("targets/a", clock() + Duration::DAY);
    owner.add_target("targets/a", "tag", b"1");
    archive.publish(&owner.next(&["targets/a"]));
    let seen = look(&archive);
    assert_eq!(seen.problems, []);
    assert_eq!(
        find(&seen, "targets/a").expires,
        Some(clock() + Duration::DAY)
    );
    assert_eq!(seen.tags.len(), 1);

    let seen = look_at(&archive, clock() + Duration::days(20));
    let kinds: Vec<_> = seen.problems.iter().map(|problem| &problem.kind).collect();
    assert!(
        matches!(
            kinds[..],
            [
                ProblemKind::NotRenewed { left: None, .. },
                ProblemKind::Expired { version: 2, .. }
            ]
        ),
        "{kinds:?}"
    );
    assert_eq!(seen.severity(), Some(Severity::Warning));
    assert!(!names(&seen).contains(&"targets/a/b"));
    assert_eq!(seen.tags.len(), 1, "a date does not take tags away");

    let seen = look_at(&archive, clock() + Duration::days(4_000));
    assert_eq!(seen.severity(), Some(Severity::Broken));
    let told = problems(&seen);
    for file in ["root version 1", "targets version 2"] {
        let beginning = format!("{file} has expired");
        assert!(
            told.iter().any(|text| text.starts_with(&beginning)),
            "{told:?}"
        );
    }
    let fresh = told
        .iter()
        .find(|text| text.starts_with("a fresh client refuses root"));
    assert!(fresh.is_some(), "{told:?}");
}

#[test]
fn a_damaged_file_leaves_what_can_be_read_and_believes_nothing_below_it() {
    let archive = with_paths();
    let whole = look(&archive);
    for role in ["root", "timestamp", "snapshot", "targets", "targets/a"] {
        for change in [change_version, append_x, empty] {
            let seen = look_with(&archive, role, Some(change(&archive.newest(role))));
            assert_eq!(seen.severity(), Some(Severity::Broken), "{role}");
            let ProblemKind::Unfollowable(error) = &seen.problems[0].kind else {
                panic!("{role}: {:?}", seen.problems)
            };
            assert!(
                matches!(error, WalkError::Refused { .. }),
                "{role}: {error}"
            );
            let others: Vec<_> = names(&whole)
                .into_iter()
                .filter(|name| *name != role)
                .collect();
            let found = names(&seen);
            let is_read = |name: &&str| {
                // Below a file that cannot be read, nothing tells which roles there are.
                found.contains(name)
                    || name.starts_with(&format!("{role}/"))
                    || role == "snapshot" && name.contains('/')
            };
            assert!(others.iter().all(is_read), "{role}: {found:?}");
            for below in seen.roles.iter().filter(|found| found.is_believed) {
                assert!(
                    !is_vouched_by(below.role.as_str(), role),
                    "{role}: {below:?}"
                );
            }
            let believed = |tag: &&tuf::TagOverview| find(&seen, tag.role.as_str()).is_believed;
            assert!(seen.tags.iter().all(|tag| believed(&tag)), "{role}");
        }
    }
}

fn change_version(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    text.replacen("\"version\":1", "\"version\":7", 1).into()
}

fn append_x(bytes: &[u8]) -> Vec<u8> {
    [bytes, b"x"].concat()
}

fn empty(_: &[u8]) -> Vec<u8> {
    Vec::new()
}

/// Whether a role is believed only if `above` is.
fn is_vouched_by(role: &str, above: &str) -> bool {
    match above {
        "root" | "timestamp" => role != "root",
        "snapshot" => role.starts_with("targets"),
        above => role.starts_with(above),
    }
}

#[test]
fn a_missing_file_is_named_and_the_rest_is_told() {
    let archive = with_paths();
    for role in ["root", "timestamp", "snapshot", "targets", "targets/a"] {
        let seen = look_with(&archive, role, None);
        let problem = &seen.problems[0];
        assert_eq!(problem.role.as_str(), role);
        assert_eq!(problem.severity, Severity::Broken);
        let text = problem.to_string();
        assert!(text.ends_with(" is missing"), "{text}");
        assert!(problem.cure().contains("backup"), "{}", problem.cure());
        assert!(!names(&seen).contains(&role));
        assert!(names(&seen).len() >= 3, "{role}: {:?}", names(&seen));
    }
    let nothing = |_: &Role, _: FileRequest| None;
    let seen = overview(MetadataFormat::NOTARY, &GUN, &nothing, clock());
    assert_eq!(
        (seen.roles.len(), seen.signers.len(), seen.tags.len()),
        (0, 0, 0)
    );
    assert_eq!(seen.severity(), Some(Severity::Broken));
}

#[test]
fn an_old_root_that_is_gone_takes_no_tags_away() {
    let mut archive = Archive::new();
    let mut owner = archive.server.owner();
    owner.add_target("targets", "1.0", b"1");
    archive.publish(&owner.first_publish());
    for _ in 0..3 {
        owner.rotate_root();
        archive.publish(&owner.next(&["root"]));
    }
    archive.lose("root", 2);
    let seen = look(&archive);
    assert_eq!(seen.severity(), Some(Severity::Broken));
    assert_eq!(problems(&seen).len(), 1);
    assert_eq!(seen.tags.len(), 1);
    assert!(seen.roles.iter().all(|found| found.is_believed));

    archive.lose("root", 1);
    let seen = look(&archive);
    assert_eq!(seen.severity(), Some(Severity::Warning));
    let told = "roots before version 3 are gone: clients that hold one cannot follow";
    assert_eq!(problems(&seen), [told]);
}

#[test]
fn a_root_that_the_one_before_did_not_sign_is_not_believed() {
    let mut archive = Archive::new();
    let mut owner = archive.server.independent_owner();
    owner.add_target("targets", "1.0", b"1");
    let first = owner.first_publish();
    archive.publish(&first);
    // Another owner of the same name, as an attacker who can write to the database.
    let mut other = archive.server.independent_owner();
    other.add_target("targets", "1.0", b"evil");
    other.root.set_version(2);
    other.targets.set_version(2);
    archive.keep(&other.first_publish());
    let seen = look(&archive);
    let ProblemKind::Unfollowable(WalkError::Refused { role, .. }) = &seen.problems[0].kind else {
        panic!("{:?}", seen.problems)
    };
    assert_eq!(*role, Role::Root);
    assert_eq!(names(&seen), ["root", "timestamp", "snapshot", "targets"]);
    assert!(seen.roles.iter().all(|found| !found.is_believed));
    assert_eq!((seen.tags.len(), seen.signers.len()), (0, 0));
}

/// Stored before uploads were checked for it.
#[test]
fn a_file_that_go_cannot_decode_is_named_with_its_cure_and_lists_nothing() {
    let mut archive = Archive::new();
    let mut owner = archive.server.independent_owner();
    owner.add_target("targets", "1.0", b"1");
    let mut parts = owner.first_publish();
    let targets = part(&mut parts, "targets");
    let text = String::from_utf8(targets.clone()).unwrap();
    *targets = text
        .replacen("\"version\":", "\"version\":0,\"version\":", 1)
        .into();
    owner.snapshot.signed["meta"]["targets"] = listing(part(&mut parts, "targets"));
    *part(&mut parts, "snapshot") = owner.snapshot.seal();
    archive.keep(&parts);
    let seen = look(&archive);
    let text = problems(&seen).remove(0);
    assert!(
        text.starts_with("clients cannot read targets version 1"),
        "{text}"
    );
    assert!(
        seen.problems[0]
            .cure()
            .starts_with("publish a corrected version")
    );
    assert_eq!(seen.tags.len(), 0);
    assert!(!find(&seen, "targets").is_believed);
    assert!(find(&seen, "snapshot").is_believed);
}

#[test]
fn tiny_entries_are_left_out_beyond_what_the_size_allows_for() {
    let mut archive = Archive::new();
    let mut owner = archive.server.owner();
    for number in 0..5_000 {
        owner.targets.signed["targets"][format!("{number}")] = json!({});
    }
    archive.publish(&owner.first_publish());
    let seen = look(&archive);
    let length = archive.newest("targets").len();
    assert_eq!(seen.tags.len(), length / 32);
    let [problem] = &seen.problems[..] else {
        panic!("{:?}", seen.problems)
    };
    let ProblemKind::Crowded { left_out, .. } = problem.kind else {
        panic!("{problem}")
    };
    assert_eq!(left_out + seen.tags.len(), 5_000);
}

/// A signed change of one file, with a snapshot that lists it.
#[test]
fn a_tag_without_a_digest_is_listed_as_such() {
    let mut archive = Archive::new();
    let mut owner = archive.server.owner();
    let length = json!({"length": 3});
    owner.targets.signed["targets"]["no-digest"] = length;
    let key = owner.targets.signers.clone();
    let mut parts = owner.first_publish();
    let targets = part(&mut parts, "targets");
    *targets = resign(targets, &key, |signed| {
        signed["targets"]["only-sha512"] = json!({
            "hashes": {"sha512": listing(b"1")["hashes"]["sha512"]}, "length": 1,
        });
    });
    archive.publish(&parts);
    let seen = look(&archive);
    assert_eq!(seen.tags[0].digest, Digest::Unknown);
    assert_eq!(seen.tags[0].length, 3);
    assert!(matches!(seen.tags[1].digest, Digest::HalfOfSha512(_)));
}

/// The files that Notary stored of a repository, as recorded from its database.
fn look_at_recorded(name: &str) -> Overview {
    let recording = vectors("existing_db");
    let rows = recording["tuf_files"].as_array().unwrap().iter();
    let rows = rows.filter(|row| row["gun"] == name && row["deleted_at"].is_null());
    let files = rows.map(|row| {
        let role = row["role"].as_str().unwrap();
        file(role, &fixtures::bytes(&row["data_b64"]))
    });
    let archive = Archive {
        files: files.collect(),
        ..Archive::new()
    };
    let find = |role: &Role, wanted| archive.find(role, wanted);
    let gun = Gun::parse(name).unwrap();
    overview(MetadataFormat::NOTARY, &gun, &find, clock())
}

#[test]
fn what_notary_stored_is_told() {
    for (name, expected_tags, expected_roles) in [
        (
            "example.com/app",
            &[("targets", "app:1"), ("targets/a", "p/x")][..],
            &[
                ("root", 2),
                ("timestamp", 3),
                ("snapshot", 3),
                ("targets", 4),
                ("targets/a", 1),
            ][..],
        ),
        (
            "example.com/app2",
            &[("targets", "other")],
            &[
                ("root", 1),
                ("timestamp", 1),
                ("snapshot", 1),
                ("targets", 1),
            ],
        ),
    ] {
        let seen = look_at_recorded(name);
        assert_eq!(seen.problems, []);
        let tags = seen.tags.iter();
        let tags: Vec<_> = tags
            .map(|tag| (tag.role.as_str(), tag.name.as_str()))
            .collect();
        assert_eq!(tags, expected_tags);
        let roles = seen.roles.iter();
        let roles: Vec<_> = roles
            .map(|found| (found.role.as_str(), found.version))
            .collect();
        assert_eq!(roles, expected_roles);
        assert!(seen.roles.iter().all(|found| found.is_believed));
        assert_eq!(seen.signers.len(), expected_roles.len());
    }
}

static WHOLE: LazyLock<Archive> = LazyLock::new(with_paths);

proptest! {
    #[test]
    fn no_damage_panics_the_overview_or_makes_it_list_more_than_clients_do(
        which in 0..7_usize, at in any::<prop::sample::Index>(), byte in any::<u8>(), kind in 0..3_u8,
    ) {
        let whole = look(&WHOLE);
        let role = whole.roles[which].role.clone();
        let mut damaged = WHOLE.newest(role.as_str()).to_vec();
        let at = at.index(damaged.len());
        match kind {
            0 => damaged.truncate(at),
            1 => damaged[at] = byte,
            _ => damaged.insert(at, byte),
        }
        let seen = look_with(&WHOLE, role.as_str(), Some(damaged.clone()));
        let walked = WHOLE.walk_with(role.as_str(), Some(damaged));
        if let Ok(walked) = walked {
            let roles: Vec<_> = walked.files.iter().map(|file| file.role.clone()).collect();
            prop_assert_eq!(tags(&seen), list_as_clients(&WHOLE, &roles));
            prop_assert_ne!(seen.severity(), Some(Severity::Broken));
        } else {
            prop_assert_eq!(seen.severity(), Some(Severity::Broken));
            let all = tags(&whole);
            prop_assert!(tags(&seen).iter().all(|tag| all.contains(tag)));
        }
    }
}
