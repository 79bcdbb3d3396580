//! Whom a token is taken for.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use access::{Hashing, Identity, PasswordFile, Policy};
use authn::{
    settings,
    token_service::{Scopes, TokenService},
};
use daemon::clock;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Setup, text};

/// The folder of a token service, a password file, and a token in `token`.
struct Tokens {
    folder: TempDir,
    htpasswd: String,
}

impl Tokens {
    /// A token for alice that lists reading `app`.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hash = access::hash(&"secret".into(), Hashing::Bcrypt).unwrap();
        let htpasswd = format!("alice:{hash}\n");
        let users = PasswordFile::parse(&htpasswd).unwrap();
        let service = TokenService::open(settings(folder.path()), None, clock::now()).unwrap();
        let alice = Identity::User("alice".to_owned());
        let holder = service.holder(alice, users.fingerprint("alice")).unwrap();
        let scopes = Scopes::parse(["repository:app:pull"]);
        let issued = service
            .issue(
                &holder,
                "notary-server",
                &scopes,
                &Policy::Users,
                clock::now(),
            )
            .unwrap();
        let token = format!("{}\n", issued.access_token.expose_secret());
        fs::write(folder.path().join("token"), token).unwrap();
        Self { folder, htpasswd }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// A server with this token service.
    fn own(&self) -> Setup {
        let auth = json!({
            "type": "htpasswd",
            "htpasswd_file": "htpasswd",
            "token_service": true,
            "token_folder": self.path(""),
        });
        Setup::new(&auth).file("htpasswd", &self.htpasswd)
    }

    /// A server that trusts this service as an outside issuer.
    fn outside(&self) -> Setup {
        Setup::new(&json!({"type": "token", "options": {
            "realm": "https://auth.example.com/token",
            "service": "notary-server",
            "issuer": "notary-server",
            "rootcertbundle": self.path("ca.crt"),
        }}))
    }

    fn ask(&self, setup: &Setup, action: &str) -> Value {
        let token = self.path("token");
        let question = format!("explain --json --token {token} --gun app --action {action}");
        let output = setup.run(&question);
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", text(&output.stderr)))
    }
}

fn settings(folder: &Path) -> settings::TokenServiceSettings {
    settings::TokenServiceSettings {
        issuer: "notary-server".to_owned(),
        audience: "notary-server".to_owned(),
        folder: Some(folder.to_owned()),
        lifetime: Duration::from_mins(5),
        registries: BTreeMap::new(),
    }
}

#[test]
fn a_token_of_ours_is_its_users_within_what_it_lists() {
    let tokens = Tokens::new();
    let setup = tokens.own();
    let answer = tokens.ask(&setup, "pull");
    assert_eq!(answer["caller"], "user \"alice\"");
    assert_eq!(answer["granted"], true);
    let answer = tokens.ask(&setup, "delete");
    assert_eq!(answer["granted"], false);
    assert_eq!(
        answer["reason"],
        "the token does not list repository:app:*; it lists repository:app:pull"
    );
}

#[test]
fn a_token_whose_user_has_another_password_is_refused() {
    let mut tokens = Tokens::new();
    let hash = access::hash(&"another".into(), Hashing::Bcrypt).unwrap();
    tokens.htpasswd = format!("alice:{hash}\n");
    let answer = tokens.ask(&tokens.own(), "pull");
    assert_eq!(answer["granted"], false);
    let reason = answer["reason"].as_str().unwrap();
    assert!(reason.contains("has changed since"), "{reason}");
}

#[test]
fn explaining_makes_no_keys() {
    let tokens = Tokens::new();
    for file in fs::read_dir(tokens.folder.path()).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        if !["ca.crt", "token"].contains(&name.as_str()) {
            fs::remove_file(tokens.path(&name)).unwrap();
        }
    }
    assert_eq!(tokens.ask(&tokens.own(), "pull")["granted"], true);
    assert_eq!(fs::read_dir(tokens.folder.path()).unwrap().count(), 2);
}

#[test]
fn a_token_whose_keys_are_in_the_servers_memory_cannot_be_explained() {
    let tokens = Tokens::new();
    let setup = Setup::new(&json!({"type": "htpasswd", "htpasswd_file": "htpasswd"}))
        .file("htpasswd", &tokens.htpasswd);
    let token = tokens.path("token");
    let output = setup.run(&format!("explain --token {token} --gun app --action pull"));
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(said.contains("without auth.token_folder"), "{said}");
}

#[test]
fn a_token_of_an_outside_issuer_is_its_subjects_within_what_it_lists() {
    let tokens = Tokens::new();
    let setup = tokens.outside();
    let answer = tokens.ask(&setup, "pull");
    assert_eq!(answer["caller"], "subject \"alice\" of \"notary-server\"");
    assert_eq!(answer["granted"], true);
    assert_eq!(tokens.ask(&setup, "push")["granted"], false);
}

#[test]
fn what_is_no_token_is_refused_with_the_reason_and_not_repeated() {
    let tokens = Tokens::new();
    fs::write(tokens.path("token"), "xyzzy.xyzzy").unwrap();
    for setup in [tokens.own(), tokens.outside()] {
        let answer = tokens.ask(&setup, "pull");
        assert_eq!(answer["granted"], false);
        let reason = answer["reason"].as_str().unwrap();
        assert!(reason.contains("does not have three parts"), "{reason}");
    }
}

#[test]
fn a_token_may_come_from_standard_input() {
    let tokens = Tokens::new();
    let token = fs::read_to_string(tokens.path("token")).unwrap();
    let question = "explain --token - --gun app --action pull";
    let output = tokens.own().run_with(&token, question);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}
