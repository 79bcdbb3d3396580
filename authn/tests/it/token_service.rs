//! The built-in token service: the holders of its tokens, and when they end.

mod keys;
mod memory;

use std::{collections::BTreeMap, path::Path};

use access::{Caller, Credentials, Identity, Policy};
use authn::{
    settings,
    token_service::{Holder, OwnTokenError, Scopes, TokenService},
};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use time::{Duration, OffsetDateTime, macros::datetime};

const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);
const OLD_PASSWORD: [u8; 32] = [1; 32];
const NEW_PASSWORD: [u8; 32] = [2; 32];

fn settings(folder: &Path) -> settings::TokenServiceSettings {
    settings::TokenServiceSettings {
        issuer: "notary-server".to_owned(),
        audience: "notary-server".to_owned(),
        folder: Some(folder.to_owned()),
        lifetime: std::time::Duration::from_mins(5),
        registries: BTreeMap::from([("registry".to_owned(), "registry.example.com/".to_owned())]),
    }
}

fn open(folder: &Path, now: OffsetDateTime) -> TokenService {
    TokenService::open(settings(folder), None, now).unwrap()
}

fn alice() -> Identity {
    Identity::User("alice".to_owned())
}

fn known(fingerprint: [u8; 32]) -> impl Fn(&str) -> Option<[u8; 32]> {
    move |user| (user == "alice").then_some(fingerprint)
}

fn token_of(
    service: &TokenService,
    holder: &Holder,
    audience: &str,
    now: OffsetDateTime,
) -> String {
    let scopes = Scopes::parse(["repository:registry.example.com/app:pull,push"]);
    let issued = service
        .issue(holder, audience, &scopes, &Policy::Users, now)
        .unwrap();
    issued.access_token.expose_secret().to_owned()
}

fn alices(service: &TokenService, now: OffsetDateTime) -> String {
    let holder = service.holder(alice(), Some(OLD_PASSWORD)).unwrap();
    token_of(service, &holder, "notary-server", now)
}

fn alices_refresh(service: &TokenService, now: OffsetDateTime) -> String {
    let holder = service.holder(alice(), Some(OLD_PASSWORD)).unwrap();
    let token = service.issue_refresh(&holder, now).unwrap().unwrap();
    token.expose_secret().to_owned()
}

#[test]
fn a_token_is_believed_for_what_it_says() {
    let folder = TempDir::new().unwrap();
    let service = open(folder.path(), NOW);

    let caller = service
        .verify(&alices(&service, NOW), NOW, known(OLD_PASSWORD))
        .unwrap();

    assert_eq!(caller.identity, alice());
    let access = caller.access.unwrap();
    assert_eq!(access.len(), 1);
    assert_eq!(access[0].name, "registry.example.com/app");
    assert_eq!(access[0].actions, ["pull", "push"]);
}

#[test]
fn a_token_of_nobodys_is_nobodys_and_lists_an_empty_access() {
    let folder = TempDir::new().unwrap();
    let service = open(folder.path(), NOW);
    let token = token_of(&service, &Holder::anonymous(), "notary-server", NOW);

    let caller = service.verify(&token, NOW, |_| None).unwrap();

    let expected = Caller {
        access: Some(Vec::new()),
        ..Caller::anonymous()
    };
    assert_eq!(caller, expected);
}

#[test]
fn a_changed_password_and_a_removed_user_void_tokens_at_once() {
    let folder = TempDir::new().unwrap();
    let service = open(folder.path(), NOW);
    let (access, refresh) = (alices(&service, NOW), alices_refresh(&service, NOW));

    let revoked = OwnTokenError::Revoked("alice".to_owned());
    let is_revoked = |fingerprint| {
        let users = |_: &str| fingerprint;
        let caller = service.verify(&access, NOW, users);
        let holder = service.verify_refresh(&refresh, NOW, users);
        (caller.err(), holder.err()) == (Some(revoked.clone()), Some(revoked.clone()))
    };
    assert!(!is_revoked(Some(OLD_PASSWORD)));
    assert!(is_revoked(Some(NEW_PASSWORD)));
    assert!(is_revoked(None));
}

#[test]
fn a_token_ends_with_its_time() {
    let folder = TempDir::new().unwrap();
    let service = open(folder.path(), NOW);
    let (access, refresh) = (alices(&service, NOW), alices_refresh(&service, NOW));
    let minutes = |n| NOW + Duration::minutes(n);
    let days = |n| NOW + Duration::days(n);

    assert!(
        service
            .verify(&access, minutes(4), known(OLD_PASSWORD))
            .is_ok()
    );
    assert!(
        service
            .verify(&access, minutes(7), known(OLD_PASSWORD))
            .is_err()
    );
    assert!(
        service
            .verify_refresh(&refresh, days(89), known(OLD_PASSWORD))
            .is_ok()
    );
    assert!(
        service
            .verify_refresh(&refresh, days(91), known(OLD_PASSWORD))
            .is_err()
    );
}

#[test]
fn each_token_serves_where_it_is_meant_to_and_nowhere_else() {
    let folder = TempDir::new().unwrap();
    let service = open(folder.path(), NOW);
    let holder = service.holder(alice(), Some(OLD_PASSWORD)).unwrap();
    let of_registry = token_of(&service, &holder, "registry", NOW);
    let (access, refresh) = (alices(&service, NOW), alices_refresh(&service, NOW));

    assert!(
        service
            .verify(&of_registry, NOW, known(OLD_PASSWORD))
            .is_err()
    );
    assert!(service.verify(&refresh, NOW, known(OLD_PASSWORD)).is_err());
    assert!(
        service
            .verify_refresh(&access, NOW, known(OLD_PASSWORD))
            .is_err()
    );
    assert!(
        service
            .verify_refresh(&of_registry, NOW, known(OLD_PASSWORD))
            .is_err()
    );
    assert!(!service.serves("notary-server/refresh") && !service.serves(""));
}

#[test]
fn tokens_of_another_installation_are_not_believed() {
    let (ours, theirs) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let token = alices(&open(theirs.path(), NOW), NOW);
    assert!(
        open(ours.path(), NOW)
            .verify(&token, NOW, known(OLD_PASSWORD))
            .is_err()
    );
}

#[test]
fn the_administrators_tokens_are_bound_to_their_password() {
    let folder = TempDir::new().unwrap();
    let root = |password: &str| Credentials {
        user: "root".to_owned(),
        password: password.to_owned().into(),
    };
    let open =
        |password| TokenService::open(settings(folder.path()), Some(&root(password)), NOW).unwrap();
    let service = open("first");
    let administrator = Identity::Administrator("root".to_owned());
    let holder = service.holder(administrator.clone(), None).unwrap();
    let token = token_of(&service, &holder, "notary-server", NOW);

    assert_eq!(
        service.verify(&token, NOW, |_| None).unwrap().identity,
        administrator
    );
    assert!(open("second").verify(&token, NOW, |_| None).is_err());
    let no_longer = TokenService::open(settings(folder.path()), None, NOW).unwrap();
    assert!(
        no_longer
            .verify(&token, NOW, |_| Some(OLD_PASSWORD))
            .is_err()
    );
}

#[test]
fn a_user_cannot_become_the_administrator_by_having_their_name() {
    let folder = TempDir::new().unwrap();
    let root = Credentials {
        user: "alice".to_owned(),
        password: "p".to_owned().into(),
    };
    let service = TokenService::open(settings(folder.path()), Some(&root), NOW).unwrap();
    let caller = service
        .verify(&alices(&service, NOW), NOW, known(OLD_PASSWORD))
        .unwrap();
    assert_eq!(caller.identity, alice());
}

#[test]
fn one_audience_cannot_be_taken_for_another() {
    let folder = TempDir::new().unwrap();
    let with = |change: fn(&mut settings::TokenServiceSettings)| {
        let mut settings = settings(folder.path());
        change(&mut settings);
        TokenService::open(settings, None, NOW).is_err()
    };
    assert!(with(|it| it.audience = "notary-server/refresh".to_owned()));
    assert!(with(|it| {
        it.registries
            .insert("notary-server/refresh".to_owned(), "a/".to_owned());
    }));
    assert!(with(|it| {
        it.registries
            .insert("notary-server".to_owned(), "a/".to_owned());
    }));
}
