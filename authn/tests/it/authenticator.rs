//! The authenticator by itself: who a caller is, what is refused, and what a changed file changes.

mod files;
mod guessing;
mod outside;

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
};

use access::{Authorization, Caller, Challenge, Credentials, Identity, Policy};
use authn::{
    AuthenticationError, Authenticator, Presented,
    settings::{AuthenticationSettings, PasswordSettings, SchemeSettings, TokenServiceSettings},
};
use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::CertificateDer;
use tempfile::TempDir;
use time::{OffsetDateTime, macros::datetime};

const NOW: OffsetDateTime = datetime!(2030-01-01 00:00 UTC);

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// `correct horse`
const ALICE: &str = "alice:$2y$04$A5DLl.hYMydCC/1MwOypWewqLtFnw9E8Z7QVEnkJpowYIdj/ne0gq\n";

/// `new password`
const ALICE_CHANGED: &str = "alice:$2y$04$QXT8cXU9EjiA/fyrnC2.s.zobdYb20xnmRCqv/0ZG9YxDiYm5CQea\n";

/// `bob's`
const BOB: &str = "bob:$2y$04$7pU03O9yVZDNaSGLKDsk5et32X1fkeOmzPDPWViLHJJofnmdIRgJy\n";

/// An authenticator with files of its own.
struct AuthSetup {
    folder: TempDir,
    authenticator: Authenticator,
}

impl AuthSetup {
    /// Passwords, with this password file and an administrator.
    async fn with_users(users: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("htpasswd"), users).unwrap();
        let access = passwords(&folder);
        Self::of(folder, &access).await
    }

    async fn of(folder: TempDir, access: &AuthenticationSettings) -> Self {
        let authenticator = Authenticator::new(access, NOW).await.unwrap();
        Self {
            folder,
            authenticator,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Twice, since what was found once may be half-written.
    fn poll(&self) {
        self.authenticator.poll();
        self.authenticator.poll();
    }

    async fn login(&self, user: &str, password: &str) -> Result<Caller, AuthenticationError> {
        self.login_at(user, password, ADDRESS, NOW).await
    }

    async fn login_at(
        &self,
        user: &str,
        password: &str,
        address: IpAddr,
        now: OffsetDateTime,
    ) -> Result<Caller, AuthenticationError> {
        let shown = Presented {
            authorization: basic(user, password),
            certificates: &[],
            address,
            now,
        };
        self.authenticator.identify(shown).await
    }

    async fn show(&self, authorization: Authorization) -> Result<Caller, AuthenticationError> {
        self.show_with(authorization, &[]).await
    }

    async fn show_with(
        &self,
        authorization: Authorization,
        certificates: &[CertificateDer<'static>],
    ) -> Result<Caller, AuthenticationError> {
        let shown = Presented {
            authorization,
            certificates,
            address: ADDRESS,
            now: NOW,
        };
        self.authenticator.identify(shown).await
    }
}

fn passwords(folder: &TempDir) -> AuthenticationSettings {
    AuthenticationSettings {
        scheme: SchemeSettings::Passwords(PasswordSettings {
            realm: "notary".to_owned(),
            file: Some(folder.path().join("htpasswd")),
            administrator: Some(credentials("root", "of all")),
            token_service: None,
        }),
        rules_file: None,
        client_certificates: false,
    }
}

fn credentials(user: &str, password: &str) -> Credentials {
    Credentials {
        user: user.to_owned(),
        password: password.into(),
    }
}

fn basic(user: &str, password: &str) -> Authorization {
    Authorization::Basic(credentials(user, password))
}

fn user(name: &str) -> Identity {
    Identity::User(name.to_owned())
}

#[tokio::test]
async fn passwords_identify_their_users_and_no_one_else() {
    let setup = AuthSetup::with_users(&[ALICE, BOB].concat()).await;
    for _ in ["checked", "remembered"] {
        let alice = setup.login("alice", "correct horse").await.unwrap();
        assert_eq!(alice, Caller::new(user("alice")));
        let bob = setup.login("bob", "bob's").await.unwrap();
        assert_eq!(bob.identity, user("bob"));
        let root = setup.login("root", "of all").await.unwrap();
        assert_eq!(root.identity, Identity::Administrator("root".to_owned()));
    }
    for (user, password) in [
        ("alice", "bob's"),
        ("alice", ""),
        ("Alice", "correct horse"),
        ("alicecorrect", " horse"),
        ("carol", "correct horse"),
        ("root", "correct horse"),
        ("", ""),
    ] {
        let refusal = setup.login(user, password).await.unwrap_err();
        assert!(
            matches!(refusal, AuthenticationError::WrongPassword(_)),
            "{user}: {refusal}"
        );
    }
}

#[tokio::test]
async fn unsupported_credentials_are_refused_and_missing_ones_are_anonymous() {
    let setup = AuthSetup::with_users(ALICE).await;
    let refusal = setup.show(Authorization::Bearer("token".into())).await;
    assert!(matches!(refusal, Err(AuthenticationError::Unsupported)));
    let refusal = setup.show(Authorization::Unreadable).await;
    assert!(matches!(refusal, Err(AuthenticationError::Unsupported)));
    let refusal = setup.show(Authorization::Several).await;
    assert!(matches!(refusal, Err(AuthenticationError::Unsupported)));
    let nobody = setup.show(Authorization::Absent).await.unwrap();
    assert_eq!(nobody, Caller::anonymous());
    let challenge = setup.authenticator.challenge("https://notary.example.com");
    assert_eq!(
        challenge,
        Some(Challenge::Basic {
            realm: "notary".to_owned()
        })
    );
    assert!(matches!(*setup.authenticator.policy(), Policy::Users));
}

#[tokio::test]
async fn without_authentication_every_caller_is_anonymous() {
    let none = AuthenticationSettings {
        scheme: SchemeSettings::None { is_written: true },
        rules_file: None,
        client_certificates: false,
    };
    let setup = AuthSetup::of(tempfile::tempdir().unwrap(), &none).await;
    let whoever = setup.login("alice", "whatever").await.unwrap();
    assert_eq!(whoever, Caller::anonymous());
    assert_eq!(
        setup.authenticator.challenge("https://notary.example.com"),
        None
    );
    assert!(matches!(*setup.authenticator.policy(), Policy::Open));
}

fn certificate(name: &str) -> CertificateDer<'static> {
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let key = KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().der().clone()
}

#[tokio::test]
async fn a_client_certificate_authenticates_its_holder_if_switched_on() {
    for is_to in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("htpasswd"), ALICE).unwrap();
        let access = AuthenticationSettings {
            client_certificates: is_to,
            ..passwords(&folder)
        };
        let setup = AuthSetup::of(folder, &access).await;
        let chain = [certificate("ci.example.com")];
        let caller = setup
            .show_with(Authorization::Absent, &chain)
            .await
            .unwrap();
        let names = || vec!["ci.example.com".to_owned()];
        let expected = is_to.then(|| Identity::Certificate(names()));
        let expected = expected.unwrap_or(Identity::Anonymous);
        assert_eq!(caller.identity, expected);

        let alice = basic("alice", "correct horse");
        let caller = setup.show_with(alice, &chain).await.unwrap();
        assert_eq!(caller.identity, user("alice"), "credentials come first");
        let wrong = basic("alice", "wrong");
        assert!(
            setup.show_with(wrong, &chain).await.is_err(),
            "and are not forgotten"
        );
    }
}

#[tokio::test]
async fn checking_a_configuration_makes_no_keys_and_fails_as_the_start_does() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("htpasswd"), ALICE).unwrap();
    fs::write(folder.path().join("rules.yaml"), ANONYMOUS_PULL).unwrap();
    let mut access = AuthenticationSettings {
        rules_file: Some(folder.path().join("rules.yaml")),
        ..passwords(&folder)
    };
    let warnings = Authenticator::check(&access, NOW).await.unwrap();
    assert!(
        warnings[0].contains("leave out auth.token_service"),
        "{warnings:?}"
    );

    let keys = folder.path().join("keys");
    if let SchemeSettings::Passwords(passwords) = &mut access.scheme {
        passwords.token_service = Some(TokenServiceSettings {
            issuer: "i".to_owned(),
            audience: "a".to_owned(),
            folder: Some(keys.clone()),
            lifetime: std::time::Duration::from_mins(5),
            registries: std::collections::BTreeMap::new(),
        });
    }
    assert!(Authenticator::check(&access, NOW).await.unwrap().is_empty());
    assert!(!keys.exists());
    fs::write(&keys, "in the way").unwrap();
    for error in [
        Authenticator::check(&access, NOW).await.err(),
        Authenticator::new(&access, NOW).await.err(),
    ] {
        let error = error.unwrap().to_string();
        assert!(error.contains(keys.to_str().unwrap()), "{error}");
    }
    fs::remove_file(&keys).unwrap();
    let authenticator = Authenticator::new(&access, NOW).await.unwrap();
    assert!(keys.exists() && authenticator.token_service().is_some());
    assert_eq!(
        authenticator.challenge("https://notary.example.com:4443"),
        Some(Challenge::Bearer {
            realm: "https://notary.example.com:4443/auth/token".to_owned(),
            service: "a".to_owned(),
        })
    );
}

const ANONYMOUS_PULL: &str = "rules:\n- who: anonymous\n  may: pull\n  on: example.com/\n";
