//! Keys in memory alone: tokens of one process are invalid at another.

use access::{Credentials, Identity};
use authn::{settings::TokenServiceSettings as Settings, token_service::TokenService};
use time::{Duration, OffsetDateTime};

use super::{NOW, OLD_PASSWORD, alice, alices, known, settings, token_of};

fn in_memory() -> Settings {
    Settings {
        folder: None,
        registries: std::collections::BTreeMap::new(),
        ..settings("unused".as_ref())
    }
}

fn open() -> TokenService {
    TokenService::open(in_memory(), None, NOW).unwrap()
}

fn key_count(service: &TokenService, now: OffsetDateTime) -> usize {
    service.jwks(now).unwrap()["keys"].as_array().unwrap().len()
}

#[test]
fn a_token_is_believed_by_the_process_that_made_it_and_by_no_other() {
    let (service, other) = (open(), open());
    let token = alices(&service, NOW);

    let caller = service.verify(&token, NOW, known(OLD_PASSWORD)).unwrap();

    assert_eq!(caller.identity, alice());
    assert!(other.verify(&token, NOW, known(OLD_PASSWORD)).is_err());
}

#[test]
fn no_refresh_token_is_issued_that_would_have_to_outlive_the_process() {
    let service = open();
    let holder = service.holder(alice(), Some(OLD_PASSWORD)).unwrap();
    assert!(service.issue_refresh(&holder, NOW).unwrap().is_none());
}

#[test]
fn keys_are_renewed_each_month_and_go_when_they_are_over() {
    let service = open();
    let token = alices(&service, NOW);
    service.refresh(NOW + Duration::days(29));
    assert_eq!(key_count(&service, NOW), 1);

    service.refresh(NOW + Duration::days(31));

    assert_eq!(key_count(&service, NOW + Duration::days(31)), 2);
    assert!(service.verify(&token, NOW, known(OLD_PASSWORD)).is_ok());
    let much_later = NOW + Duration::days(400);
    service.refresh(much_later);
    assert_eq!(key_count(&service, much_later), 1);
    let token = alices(&service, much_later);
    let caller = service.verify(&token, much_later, known(OLD_PASSWORD));
    assert!(caller.is_ok(), "the authority stays: {caller:?}");
}

#[test]
fn the_administrators_tokens_are_theirs() {
    let root = Credentials {
        user: "root".to_owned(),
        password: "p".to_owned().into(),
    };
    let service = TokenService::open(in_memory(), Some(&root), NOW).unwrap();
    let administrator = Identity::Administrator("root".to_owned());
    let holder = service.holder(administrator.clone(), None).unwrap();

    let token = token_of(&service, &holder, "notary-server", NOW);

    let caller = service.verify(&token, NOW, |_| None).unwrap();
    assert_eq!(caller.identity, administrator);
}

#[test]
fn there_is_nothing_to_inspect() {
    let state = TokenService::inspect(&in_memory(), NOW).unwrap();
    assert_eq!(state, None);
}
