//! Tokens of outside issuers: Notary's own set-up, and JWK sets in files and at addresses.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
};

use access::{
    Authorization, Challenge, Identity,
    token::{Claims, Mint, jwks_document},
};
use authn::{
    AuthenticationError, Authenticator,
    settings::{
        AuthenticationSettings, IssuerSettings, JwksSettings, OutsideTokenSettings, SchemeSettings,
    },
};
use axum::{Router, extract::State, http::StatusCode, routing::get};
use rcgen::{CertificateParams, KeyPair};
use secrecy::SecretString;
use time::Duration;

use super::{AuthSetup, NOW, basic};

fn access(issuers: Vec<IssuerSettings>, autoredirect: bool) -> AuthenticationSettings {
    AuthenticationSettings {
        scheme: SchemeSettings::OutsideTokens(OutsideTokenSettings {
            realm: "https://auth.example.com/token".to_owned(),
            service: "notary-server".to_owned(),
            autoredirect,
            issuers,
        }),
        rules_file: None,
        client_certificates: false,
    }
}

fn issuer(name: &str, bundle: Option<&Path>, jwks: Option<JwksSettings>) -> IssuerSettings {
    IssuerSettings {
        name: name.to_owned(),
        audience: "notary-server".to_owned(),
        bundle: bundle.map(Path::to_owned),
        jwks,
    }
}

/// A key of an issuer.
struct Key(Mint);

impl Key {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::default().self_signed(&key).unwrap();
        let chain = vec![certificate.der().to_vec()];
        Self(Mint::new(&key.serialize_der(), chain).unwrap())
    }

    fn set(&self) -> String {
        jwks_document(&[self.0.chain().to_vec()])
            .unwrap()
            .to_string()
    }

    fn token(&self, issuer: &str) -> SecretString {
        let claims = Claims {
            issuer: issuer.to_owned(),
            subject: "joe".to_owned(),
            audience: "notary-server".to_owned(),
            access: None,
            issued_at: NOW,
            expires: NOW + Duration::minutes(5),
            id: "1".to_owned(),
            other: Vec::new(),
        };
        self.0.sign(&claims).unwrap()
    }
}

#[tokio::test]
async fn what_notary_believed_is_believed_and_what_it_did_not_is_not() {
    let recorded = fixtures::vectors("auth_tokens");
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle.pem");
    fs::write(&bundle, recorded["rootcertbundle_pem"].as_str().unwrap()).unwrap();
    let issuers = vec![issuer("auth.example.com", Some(&bundle), None)];
    let setup = AuthSetup::of(folder, &access(issuers, false)).await;
    for case in recorded["tokens"].as_array().unwrap() {
        let token = case["token"].as_str().unwrap();
        let outcome = setup.show(Authorization::Bearer(token.into())).await;
        let is_believed = case["result"] != "invalid_token" || is_read_here_alone(case);
        assert_eq!(
            outcome.is_ok(),
            is_believed,
            "{}: {outcome:?}",
            case["name"]
        );
        if let Ok(caller) = outcome {
            assert!(caller.access.is_some());
        }
    }
    let caller = setup.show(Authorization::Absent).await.unwrap();
    assert_eq!(caller.identity, Identity::Anonymous);
    for other in [
        basic("joe", "secret"),
        Authorization::Unreadable,
        Authorization::Several,
    ] {
        let outcome = setup.show(other).await;
        assert!(
            matches!(outcome, Err(AuthenticationError::Unsupported)),
            "{outcome:?}"
        );
    }
}

/// Notary refused lists of audiences and fractions of seconds, which RFC 7519 allows.
fn is_read_here_alone(case: &serde_json::Value) -> bool {
    case["name"] == "audience-list" || case["name"] == "exp-fraction"
}

#[tokio::test]
async fn a_bundle_is_taken_up_when_it_changes() {
    let recorded = fixtures::vectors("auth_tokens");
    let first = recorded["tokens"][0]["token"].as_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle.pem");
    let other = super::certificate("other");
    let other = pem("CERTIFICATE", &other);
    fs::write(&bundle, &other).unwrap();
    let issuers = vec![issuer("auth.example.com", Some(&bundle), None)];
    let setup = AuthSetup::of(folder, &access(issuers, false)).await;
    let shown = || Authorization::Bearer(first.into());
    assert!(matches!(
        setup.show(shown()).await,
        Err(AuthenticationError::Token(_))
    ));
    fs::write(&bundle, recorded["rootcertbundle_pem"].as_str().unwrap()).unwrap();
    setup.poll();
    assert!(setup.show(shown()).await.is_ok());
    fs::write(&bundle, "no certificate").unwrap();
    setup.poll();
    assert!(
        setup.show(shown()).await.is_ok(),
        "a broken bundle is not taken up"
    );
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

#[tokio::test]
async fn bundles_that_are_of_no_use_stop_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle.pem");
    let start = async || {
        let issuers = vec![issuer("i", Some(&bundle), None)];
        let error = Authenticator::new(&access(issuers, false), NOW)
            .await
            .err()
            .unwrap();
        format!("{error:#}")
    };
    let missing = start().await;
    assert!(
        missing.contains("open token auth root certificate bundle file"),
        "{missing}"
    );
    fs::write(&bundle, "").unwrap();
    let empty = start().await;
    assert!(
        empty.contains("token auth requires at least one token signing root certificate"),
        "{empty}"
    );
}

#[tokio::test]
async fn with_autoredirect_the_realm_is_this_server() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("set.json");
    fs::write(&file, Key::new().set()).unwrap();
    let realm = async |autoredirect: bool| {
        let issuers = vec![issuer("i", None, Some(JwksSettings::File(file.clone())))];
        let authenticator = Authenticator::new(&access(issuers, autoredirect), NOW)
            .await
            .unwrap();
        match authenticator.challenge("http://notary.example.com:4443") {
            Some(Challenge::Bearer { realm, .. }) => realm,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        realm(true).await,
        "https://notary.example.com:4443/auth/token"
    );
    assert_eq!(realm(false).await, "https://auth.example.com/token");
}

#[tokio::test]
async fn each_issuer_is_believed_with_its_own_keys() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (Key::new(), Key::new());
    let file = |name: &str, key: &Key| {
        let path = folder.path().join(name);
        fs::write(&path, key.set()).unwrap();
        issuer(name, None, Some(JwksSettings::File(path)))
    };
    let issuers = vec![file("a", &a), file("b", &b)];
    let setup = AuthSetup::of(folder, &access(issuers, false)).await;
    for (key, name, is_right) in [
        (&a, "a", true),
        (&b, "b", true),
        (&a, "b", false),
        (&b, "c", false),
    ] {
        let caller = setup.show(Authorization::Bearer(key.token(name))).await;
        assert_eq!(caller.is_ok(), is_right, "{name}");
        if let Ok(caller) = caller {
            let Identity::Outside(token) = caller.identity else {
                panic!()
            };
            assert_eq!((&*token.issuer, &*token.subject), (name, "joe"));
        }
    }
}

/// What a provider answers.
type Answer = Arc<Mutex<(StatusCode, String)>>;

async fn provider(answer: &Answer) -> SocketAddr {
    let keys = |State(answer): State<Answer>| async move { answer.lock().unwrap().clone() };
    let app = Router::new()
        .route("/keys", get(keys))
        .with_state(answer.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = tower::service_fn(move |request| {
        let app = app.clone();
        async move { tower::ServiceExt::oneshot(app, request).await }
    });
    tokio::spawn(daemon::listener::serve(
        listener,
        None,
        service,
        daemon::Limits::default(),
        tokio_util::sync::CancellationToken::new(),
    ));
    address
}

#[tokio::test]
async fn a_set_at_an_address_is_fetched_at_the_start() {
    let key = Key::new();
    let answer = Answer::new(Mutex::new((StatusCode::OK, key.set())));
    let address = provider(&answer).await;
    let jwks = JwksSettings::Url {
        url: format!("http://{address}/keys"),
        ca: None,
    };
    let issuers = vec![issuer("idp", None, Some(jwks))];
    let setup = AuthSetup::of(tempfile::tempdir().unwrap(), &access(issuers, false)).await;
    let caller = setup
        .show(Authorization::Bearer(key.token("idp")))
        .await
        .unwrap();
    assert_eq!(caller.identity.name(), "joe");
    assert_eq!(caller.access, None);
    let stranger = setup
        .show(Authorization::Bearer(Key::new().token("idp")))
        .await;
    assert!(matches!(stranger, Err(AuthenticationError::Token(_))));
}
