//! What clients would meet in a repository: the walk from root down over stored files.

use std::sync::LazyLock;

use fixtures::{Key, Part, clock, listing, resign};
use proptest::prelude::*;
use serde_json::json;
use time::Duration;
use tuf::{
    CertificateDates, ClientOutcome, Fault, FileRequest, MetaFault, MetadataFormat, Role,
    RootFault, WalkError, walk,
};

use crate::{
    archive::{Archive, published, rotated, with_delegations},
    given::{GUN, part, role_named, shortfall},
};

fn names(walked: &ClientOutcome) -> Vec<&str> {
    walked.files.iter().map(|met| met.role.as_str()).collect()
}

fn reason(walked: Result<ClientOutcome, WalkError>) -> (String, Fault) {
    match walked {
        Err(WalkError::Refused { role, reason, .. }) => (role.to_string(), *reason),
        other => panic!("not a refusal: {other:?}"),
    }
}

#[test]
fn a_whole_repository_is_met_from_root_to_nested_delegations() {
    let (archive, _) = with_delegations();
    let walked = archive.walk();
    let expected = [
        "root",
        "timestamp",
        "snapshot",
        "targets",
        "targets/a",
        "targets/a/b",
    ];
    assert_eq!(names(&walked), expected);
    assert_eq!(walked.skipped, []);
    assert_eq!(walked.expired_files().count(), 0);
    assert_eq!(walked.files[1].version, 2);
    assert_eq!(walked.check_new_client(clock()), Ok(()));
}

#[test]
fn a_delegation_that_was_never_published_is_not_missed() {
    let (mut archive, mut owner) = published();
    owner.delegate("targets", "a", &[Key::throw_away_ecdsa()], &[""], 1);
    archive.publish(&owner.next(&["targets"]));
    assert_eq!(
        names(&archive.walk()),
        ["root", "timestamp", "snapshot", "targets"]
    );
}

#[test]
fn clients_with_any_stored_root_catch_up_over_those_in_between() {
    let walked = rotated().walk();
    assert_eq!((walked.first_root(), walked.root().version()), (1, 3));
    for from in 1..=3 {
        assert_eq!(
            walked.check_returning_client(from, clock()),
            Ok(()),
            "{from}"
        );
    }
}

#[test]
fn a_gap_between_roots_is_found_and_a_lost_beginning_is_told() {
    let mut archive = rotated();
    archive.lose("root", 2);
    let missing = WalkError::Missing {
        role: Role::Root,
        wanted: FileRequest::Version(2),
    };
    assert_eq!(archive.walk_at(clock()).unwrap_err(), missing);
    assert_eq!(missing.to_string(), "version 2 of root is missing");

    let mut archive = rotated();
    archive.lose("root", 1);
    let walked = archive.walk();
    assert_eq!(walked.first_root(), 2);
    let missing = WalkError::Missing {
        role: Role::Root,
        wanted: FileRequest::Version(1),
    };
    assert_eq!(walked.check_returning_client(1, clock()), Err(missing));
}

#[test]
fn a_client_whose_key_signed_the_newest_root_does_not_read_those_in_between() {
    let (mut archive, mut owner) = published();
    let first = owner.root.signers[0].clone();
    let ended = clock() + Duration::days(30);
    let short = Key::certified(GUN.as_str(), clock() - Duration::DAY, ended);
    owner.name_keys("root", &[short.public()], 1);
    owner.root.signers.push(short);
    archive.publish(&owner.next(&["root"]));
    owner.name_keys("root", &[first.public()], 1);
    archive.publish(&owner.next(&["root"]));
    let later = ended + Duration::DAY;
    let walked = archive.walk_at(later).unwrap();
    assert_eq!(walked.check_returning_client(1, later), Ok(()));
    assert!(walked.check_returning_client(2, later).is_err());
}

#[test]
fn the_root_that_the_snapshot_names_is_the_one_of_its_version() {
    let mut archive = rotated();
    let mut stranger = archive.server.owner();
    stranger.root.set_version(3);
    let other = crate::given::file("root", &stranger.root.seal());
    archive.files.insert(0, other);
    let (role, fault) = reason(archive.walk_at(clock()));
    assert_eq!(role, "root");
    assert_eq!(fault, RootFault::NotTheListed.into());
}

#[test]
fn a_root_that_does_not_continue_the_one_before_is_refused() {
    let mut archive = rotated();
    archive.lose("root", 2);
    let mut stranger = archive.server.owner();
    stranger.root.set_version(2);
    let root = stranger.root.seal();
    archive.files.push(crate::given::file("root", &root));
    let (role, fault) = reason(archive.walk_at(clock()));
    assert_eq!(role, "root");
    assert_eq!(fault, RootFault::NotSignedByPrevious.into());
}

#[test]
fn a_file_that_others_vouch_for_must_be_there() {
    for lost in ["targets", "snapshot", "targets/a/b"] {
        let (archive, _) = with_delegations();
        let walked = archive.walk_with(lost, None);
        assert!(
            matches!(&walked, Err(WalkError::Missing { role, .. }) if role.as_str() == lost),
            "{lost}: {walked:?}"
        );
    }
    let nothing = walk(MetadataFormat::NOTARY, &GUN, &|_, _| None, clock()).unwrap_err();
    assert_eq!(
        nothing.to_string(),
        "newest version of timestamp is missing"
    );
}

#[test]
fn bytes_other_than_those_hashed_are_refused() {
    for changed in ["snapshot", "targets", "targets/a"] {
        let (archive, _) = with_delegations();
        let role = role_named(changed);
        let last = archive.files.iter().rfind(|file| *file.role() == role);
        let mut bytes = last.unwrap().bytes().to_vec();
        bytes.push(b'\n');
        let (role, fault) = reason(archive.walk_with(changed, Some(bytes)));
        assert_eq!(role, changed);
        let Fault::Meta(MetaFault::Checksum {
            role,
            algorithm: "sha256",
            ..
        }) = &fault
        else {
            panic!("{fault:?}")
        };
        assert_eq!(role.as_str(), changed);
    }
}

#[test]
fn a_strangers_timestamp_is_refused() {
    let (archive, _) = published();
    let mut other = Archive::new();
    let theirs = other.server.owner().first_publish();
    other.publish(&theirs);
    let timestamp = other.find(&Role::Timestamp, FileRequest::Newest).unwrap();
    let snapshot = archive.files[2].bytes().clone();
    let files = |role: &Role, wanted| match role {
        Role::Timestamp => Some(timestamp.clone()),
        Role::Snapshot => Some(snapshot.clone()),
        role => archive.find(role, wanted),
    };
    let (role, fault) = reason(walk(MetadataFormat::NOTARY, &GUN, &files, clock()));
    assert_eq!(role, "timestamp");
    assert_eq!(fault, shortfall("timestamp", 0, 1));
}

#[test]
fn a_file_longer_than_listed_is_refused_because_clients_stop_reading() {
    let mut archive = Archive::new();
    let mut owner = archive.server.independent_owner();
    let mut parts = owner.first_publish();
    let snapshot = crate::given::part(&mut parts, "snapshot");
    *snapshot = resign(snapshot, &owner.snapshot.signers, |signed| {
        signed["meta"]["targets"]["length"] = json!(3);
    });
    archive.publish(&parts);
    let (role, fault) = reason(archive.walk_at(clock()));
    assert_eq!(role, "targets");
    let is_too_long = matches!(fault, Fault::Meta(MetaFault::Length { listed: 3, .. }));
    assert!(is_too_long, "{fault:?}");
}

#[test]
fn a_delegation_whose_key_was_replaced_is_passed_over_with_all_below() {
    let (mut archive, mut owner) = with_delegations();
    let other = Key::throw_away_ecdsa();
    let delegations = &mut owner.targets.signed["delegations"];
    delegations["keys"] = json!({other.id(): other.public().document()});
    delegations["roles"][0]["keyids"] = json!([other.id()]);
    archive.publish(&owner.next(&["targets"]));
    let walked = archive.walk();
    assert_eq!(names(&walked), ["root", "timestamp", "snapshot", "targets"]);
    assert_eq!(walked.skipped.len(), 1);
    assert_eq!(walked.skipped[0].reason, shortfall("targets/a", 0, 1));
}

/// Files that were stored before uploads were checked for it.
#[test]
fn a_file_that_clients_cannot_read_is_named_even_a_root_that_is_no_longer_current() {
    let respelled = |parts: &mut [Part], role: &str, from: &str, to: &str| {
        let bytes = part(parts, role);
        let text = String::from_utf8(bytes.clone()).unwrap();
        *bytes = text.replacen(from, to, 1).into_bytes();
        assert_ne!(*bytes, text.into_bytes());
    };
    for (role, from, to, reason) in [
        (
            "root",
            r#""version":"#,
            r#""version":0,"version":"#,
            "signed has the member \"version\" twice",
        ),
        (
            "targets",
            r#""targets":"#,
            r#""Targets":7,"targets":"#,
            "signed has a member \"Targets\" at byte",
        ),
        (
            "targets/a",
            r#""private":null"#,
            r#""private":5"#,
            "is a number, not a string",
        ),
        (
            "snapshot",
            r#""length":"#,
            r#""length":"1","length":"#,
            "is a string, not a whole number",
        ),
    ] {
        let mut archive = Archive::new();
        let mut owner = archive.server.independent_owner();
        owner.delegate("targets", "a", &[Key::throw_away_ecdsa()], &[""], 1);
        owner.delegate("targets/a", "b", &[Key::throw_away_ecdsa()], &[""], 1);
        let mut parts = owner.first_publish();
        if role == "targets/a" {
            let keys = &mut owner.document_mut(role).signed["delegations"]["keys"];
            for key in keys.as_object_mut().unwrap().values_mut() {
                key["keyval"]["private"] = json!(5);
            }
            *part(&mut parts, role) = owner.document_mut(role).seal();
        } else {
            respelled(&mut parts, role, from, to);
        }
        if role != "snapshot" {
            let listed = listing(part(&mut parts, role));
            owner.snapshot.signed["meta"][role] = listed;
            *part(&mut parts, "snapshot") = owner.snapshot.seal();
        }
        archive.keep(&parts);
        let error = archive.walk_at(clock()).expect_err("clients stop there");
        let WalkError::Unreadable {
            role: found,
            reason: why,
            ..
        } = error
        else {
            panic!("{role}: {error}");
        };
        assert_eq!(found, role_named(role));
        let why = why.to_string();
        assert!(why.contains(reason), "{why}");

        if role == "root" {
            owner.rotate_root();
            archive.publish(&owner.next(&["root"]));
            let error = archive
                .walk_at(clock())
                .expect_err("old clients stop there");
            let expected = (Role::Root, 1);
            assert!(
                matches!(&error, WalkError::Unreadable { role, version, .. } if (role.clone(), *version) == expected),
                "{error}"
            );
        }
    }
}

#[test]
fn what_has_expired_is_listed_and_an_expired_delegation_is_not_followed() {
    let (mut archive, mut owner) = with_delegations();
    owner.expire("targets/a", clock() + Duration::DAY);
    archive.publish(&owner.next(&["targets/a"]));
    let walked = archive.walk_at(clock() + Duration::days(20)).unwrap();
    let expired: Vec<_> = walked
        .expired_files()
        .map(|met| met.role.as_str())
        .collect();
    assert_eq!(expired, ["timestamp", "targets/a"]);
    assert!(!names(&walked).contains(&"targets/a/b"));
}

#[test]
fn an_expired_certificate_stops_those_who_hold_or_need_it() {
    let mut archive = Archive::new();
    let mut owner = archive.server.owner();
    let short = Key::certified(
        GUN.as_str(),
        clock() - Duration::DAY,
        clock() + Duration::days(30),
    );
    owner.name_keys("root", &[short.public()], 1);
    owner.sign_with("root", short);
    archive.publish(&owner.first_publish());
    let later = clock() + Duration::days(40);

    let walked = archive.walk();
    assert_eq!(walked.check_new_client(clock()), Ok(()));
    let dates = CertificateDates {
        common_name: GUN.as_str().to_owned(),
        not_before: (clock() - Duration::DAY).unix_timestamp(),
        not_after: (clock() + Duration::days(30)).unix_timestamp(),
        now: later.unix_timestamp(),
    };
    let dates = Some(Box::new(dates));
    assert_eq!(
        walked.check_new_client(later),
        Err(RootFault::NoCertificate { dates }.into())
    );
    let certificates = walked.root_certificates(1);
    assert_eq!(certificates.len(), 1);
    assert_eq!(certificates[0].common_name, GUN.as_str());
    assert_eq!(certificates[0].expires, clock() + Duration::days(30));

    owner.rotate_root();
    archive.publish(&owner.next(&["root"]));
    let walked = archive.walk();
    assert_eq!(walked.check_new_client(later), Ok(()));
    assert_eq!(walked.check_returning_client(1, clock()), Ok(()));
    assert!(
        matches!(
            walked.check_returning_client(1, later),
            Err(WalkError::Refused { version: 1, .. })
        ),
        "a client looks at the dates of its own root"
    );
    assert_eq!(walked.check_returning_client(2, later), Ok(()));
}

#[test]
fn an_expired_root_turns_newcomers_away() {
    let mut archive = Archive::new();
    let mut owner = archive.server.owner();
    owner.expire("root", clock() + Duration::DAY);
    archive.publish(&owner.first_publish());
    let later = clock() + Duration::days(2);
    let walked = archive.walk_at(later).unwrap();
    let refused = walked.check_new_client(later);
    assert!(matches!(
        refused,
        Err(Fault::Expired {
            role: Role::Root,
            ..
        })
    ));
    assert!(walked.check_returning_client(1, later).is_err());
}

static WHOLE: LazyLock<Archive> = LazyLock::new(|| with_delegations().0);

proptest! {
    #[test]
    fn no_damage_to_a_stored_file_panics_the_walk_or_passes_for_it(
        which in 0..6_usize, at in any::<prop::sample::Index>(), byte in any::<u8>(), truncate in any::<bool>(),
    ) {
        let role = WHOLE.walk().files[which].role.clone();
        let file = WHOLE.files.iter().rfind(|file| *file.role() == role).unwrap();
        let mut damaged = file.bytes().to_vec();
        let at = at.index(damaged.len());
        if truncate { damaged.truncate(at) } else { damaged[at] = byte }
        let is_same = damaged == file.bytes()[..];
        let walked = WHOLE.walk_with(role.as_str(), Some(damaged));
        // Nothing pins the bytes of a timestamp; its signature covers what it says.
        prop_assert!(walked.is_err() || is_same || role == Role::Timestamp);
    }
}
