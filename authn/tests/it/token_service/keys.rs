//! The folder of keys: what is made in it, by whom it may be read, and what happens as time goes
//! by.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use access::Policy;
use authn::token_service::{Holder, IssueError, Scopes, TokenService};
use serde_json::Value;
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};

use super::{NOW, OLD_PASSWORD, alices, alices_refresh, known, open, settings};

fn refused(folder: &Path, now: OffsetDateTime) -> String {
    match TokenService::open(settings(folder), None, now) {
        Ok(_) => panic!("it started"),
        Err(error) => error.to_string(),
    }
}

/// What those are told who only poll at such a folder.
fn inspected(folder: &Path, now: OffsetDateTime) -> String {
    let state = TokenService::inspect(&settings(folder), now);
    state.unwrap_err().to_string()
}

/// The files of the folder that sign, by their ending.
fn leafs(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut leafs: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == ending))
        .filter(|path| {
            !path
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("ca.")
        })
        .collect();
    leafs.sort();
    leafs
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn key_ids(service: &TokenService, now: OffsetDateTime) -> Vec<String> {
    let set = service.jwks(now).unwrap();
    let keys = set["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_first_start_makes_an_authority_and_a_key_that_others_cannot_read() {
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("tokens");

    let service = open(&folder, NOW);

    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("ca.key")), 0o600);
    let keys = leafs(&folder, "key");
    assert_eq!((keys.len(), mode(&keys[0])), (1, 0o600));
    assert_eq!(leafs(&folder, "crt").len(), 1);
    assert!(service.ca_expires() > NOW + Duration::days(29 * 365));
    let pem = fs::read_to_string(folder.join("ca.key")).unwrap();
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----"));
    assert_eq!(
        fs::read_dir(&folder).unwrap().count(),
        4,
        "nothing is left over"
    );
}

#[test]
fn a_new_key_takes_over_after_a_month_and_the_old_ones_tokens_stay_good() {
    let folder = TempDir::new().unwrap();
    let service = open(folder.path(), NOW);
    let before = alices_refresh(&service, NOW);
    let first = key_ids(&service, NOW);
    let later = NOW + Duration::days(31);

    service.refresh(NOW + Duration::days(29));
    assert_eq!(key_ids(&service, NOW), first);
    service.refresh(later);

    let ids = key_ids(&service, later);
    assert_eq!((ids.len(), &ids[1]), (2, &first[0]));
    assert!(
        service
            .verify_refresh(&before, later, known(OLD_PASSWORD))
            .is_ok()
    );
    let header = |token: &str| token.split('.').next().unwrap().to_owned();
    assert_ne!(header(&alices(&service, later)), header(&before));
    assert!(
        service
            .verify(&alices(&service, later), later, known(OLD_PASSWORD))
            .is_ok()
    );
}

#[test]
fn keys_are_removed_a_day_after_their_end_and_not_before() {
    let folder = TempDir::new().unwrap();
    let service = open(folder.path(), NOW);
    let old = leafs(folder.path(), "crt").remove(0);
    let key = fs::File::open(old.with_extension("key")).unwrap();
    key.set_modified(NOW.into()).unwrap();
    let end = NOW + Duration::days(130);

    service.refresh(end + Duration::hours(23));
    assert!(old.exists() && leafs(folder.path(), "crt").len() == 2);
    assert_eq!(
        key_ids(&service, end).len(),
        1,
        "nothing is published that is over"
    );
    service.refresh(end + Duration::hours(25));
    assert!(!old.exists());
    assert!(!old.with_extension("key").exists());
}

#[test]
fn servers_that_share_a_folder_agree_on_one_authority() {
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("tokens");
    let services: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| open(&folder, NOW))).collect();
        threads.into_iter().map(|it| it.join().unwrap()).collect()
    });
    for one in &services {
        let token = alices(one, NOW);
        for other in &services {
            assert!(other.verify(&token, NOW, known(OLD_PASSWORD)).is_ok());
        }
    }
    services[0].refresh(NOW);
    services[1].refresh(NOW);
    assert_eq!(
        key_ids(&services[0], NOW).len(),
        key_ids(&services[1], NOW).len()
    );
}

#[test]
fn a_private_key_that_others_can_read_is_refused_with_the_cure() {
    for name in ["ca.key", "leaf"] {
        let folder = TempDir::new().unwrap();
        open(folder.path(), NOW);
        let key = match name {
            "leaf" => leafs(folder.path(), "key").remove(0),
            name => folder.path().join(name),
        };
        chmod(&key, 0o604);
        for text in [refused(folder.path(), NOW), inspected(folder.path(), NOW)] {
            assert!(
                text.contains(key.to_str().unwrap()) && text.contains("chmod 600"),
                "{text}"
            );
        }
    }
}

#[test]
fn a_folder_that_the_world_can_write_to_is_refused_with_the_cure() {
    for mode in [0o777, 0o1777, 0o702] {
        for has_keys in [true, false] {
            let folder = TempDir::new().unwrap();
            if has_keys {
                open(folder.path(), NOW);
            }
            chmod(folder.path(), mode);
            for text in [refused(folder.path(), NOW), inspected(folder.path(), NOW)] {
                let place = folder.path().to_str().unwrap();
                assert!(text.contains(place) && text.contains("chmod 700"), "{text}");
            }
            chmod(folder.path(), 0o755);
            open(folder.path(), NOW);
        }
    }
}

#[test]
fn keys_that_the_group_of_a_volume_may_read_and_write_go_on_signing() {
    let folder = TempDir::new().unwrap();
    let token = alices(&open(folder.path(), NOW), NOW);
    for file in fs::read_dir(folder.path()).unwrap() {
        chmod(&file.unwrap().path(), 0o660);
    }
    let service = open(folder.path(), NOW);
    assert!(service.verify(&token, NOW, known(OLD_PASSWORD)).is_ok());
}

#[test]
fn a_folder_of_good_keys_does_without_the_authoritys_key_until_the_next_is_due() {
    let folder = TempDir::new().unwrap();
    open(folder.path(), NOW);
    fs::remove_file(folder.path().join("ca.key")).unwrap();

    let service = open(folder.path(), NOW + Duration::days(60));
    assert!(
        service
            .verify(&alices(&service, NOW), NOW, known(OLD_PASSWORD))
            .is_ok()
    );

    let later = NOW + Duration::days(131);
    for text in [
        refused(folder.path(), later),
        inspected(folder.path(), later),
    ] {
        assert!(text.contains("ca.key is needed"), "{text}");
    }
}

#[test]
fn a_folder_that_cannot_be_made_stops_the_start() {
    let parent = TempDir::new().unwrap();
    let in_the_way = parent.path().join("file");
    fs::write(&in_the_way, b"").unwrap();
    for folder in [in_the_way.clone(), in_the_way.join("tokens")] {
        for text in [refused(&folder, NOW), inspected(&folder, NOW)] {
            assert!(text.contains(folder.to_str().unwrap()), "{text}");
        }
    }
}

#[test]
fn a_key_that_is_broken_is_left_aside_for_a_new_one() {
    let folder = TempDir::new().unwrap();
    open(folder.path(), NOW);
    fs::write(leafs(folder.path(), "key").remove(0), b"rubbish").unwrap();

    let service = open(folder.path(), NOW);

    assert_eq!(leafs(folder.path(), "crt").len(), 2);
    assert!(
        service
            .verify(&alices(&service, NOW), NOW, known(OLD_PASSWORD))
            .is_ok()
    );
}

#[test]
fn an_authority_that_is_over_or_no_certificate_stops_the_start() {
    let folder = TempDir::new().unwrap();
    open(folder.path(), NOW);
    let text = refused(folder.path(), NOW + Duration::days(31 * 365));
    assert!(text.contains("it has expired"), "{text}");
    fs::write(folder.path().join("ca.crt"), b"rubbish").unwrap();
    let text = refused(folder.path(), NOW);
    assert!(
        text.contains("not the certificate of an authority"),
        "{text}"
    );
}

#[test]
fn an_authoritys_key_that_is_of_no_use_stops_the_start_when_it_is_needed() {
    let folder = TempDir::new().unwrap();
    open(folder.path(), NOW);
    let key = folder.path().join("ca.key");
    let other = TempDir::new().unwrap();
    open(other.path(), NOW);
    fs::copy(other.path().join("ca.key"), &key).unwrap();
    let later = NOW + Duration::days(131);
    for text in [
        refused(folder.path(), later),
        inspected(folder.path(), later),
    ] {
        assert!(text.contains("ca.key is not the key of"), "{text}");
    }
    fs::remove_file(folder.path().join("ca.crt")).unwrap();
    fs::write(&key, b"rubbish").unwrap();
    for text in [refused(folder.path(), NOW), inspected(folder.path(), NOW)] {
        assert!(text.contains("could not be made"), "{text}");
    }
}

#[test]
fn keys_of_another_authority_do_not_sign() {
    let (ours, theirs) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    open(theirs.path(), NOW);
    open(ours.path(), NOW);
    for ending in ["crt", "key"] {
        let foreign = leafs(theirs.path(), ending).remove(0);
        fs::copy(&foreign, ours.path().join(foreign.file_name().unwrap())).unwrap();
    }
    assert_eq!(key_ids(&open(ours.path(), NOW), NOW).len(), 1);
}

#[test]
fn the_last_good_keys_stay_in_force_while_the_folder_is_broken() {
    let folder = TempDir::new().unwrap();
    let service = open(folder.path(), NOW);
    fs::write(folder.path().join("ca.crt"), b"half").unwrap();
    service.refresh(NOW);
    assert!(
        service
            .verify(&alices(&service, NOW), NOW, known(OLD_PASSWORD))
            .is_ok()
    );
}

#[test]
fn the_published_keys_hold_no_private_part() {
    let folder = TempDir::new().unwrap();
    let set = open(folder.path(), NOW).jwks(NOW).unwrap();
    let key = &set["keys"][0];
    assert_eq!(key["kty"], "EC");
    assert_eq!(key["d"], Value::Null);
}

#[test]
fn a_folder_is_inspected_without_making_anything() {
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("tokens");
    let inspect = |now| TokenService::inspect(&settings(&folder), now).unwrap();
    assert_eq!(inspect(NOW), None);
    assert!(!folder.exists());

    let service = open(&folder, NOW);

    let state = inspect(NOW).unwrap();
    assert_eq!(state.ca_expires, service.ca_expires());
    assert!(state.key_expires > Some(NOW) && state.warnings.is_empty());
    let late = inspect(NOW + Duration::days(29 * 365 + 30)).unwrap();
    assert_eq!((late.key_expires, late.warnings.len()), (None, 1));
    assert_eq!(leafs(&folder, "crt").len(), 1);
}

#[test]
fn nothing_is_signed_with_a_key_that_is_over() {
    let folder = TempDir::new().unwrap();
    let service = open(folder.path(), NOW);
    let later = NOW + Duration::days(131);
    let issued = service.issue(
        &Holder::anonymous(),
        "notary-server",
        &Scopes::default(),
        &Policy::Users,
        later,
    );
    assert!(matches!(issued, Err(IssueError::NoKey)));
}
