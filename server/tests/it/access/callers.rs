//! Every kind of caller, with what they prove it by, and the servers that ask them.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration as StdDuration,
};

use ::access::{
    Access, Credentials,
    token::{Claims, Mint},
};
use authn::{
    Authenticator,
    settings::{
        AuthenticationSettings, IssuerSettings, OutsideTokenSettings, PasswordSettings,
        SchemeSettings, TokenServiceSettings,
    },
};
use axum::body::Body;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use daemon::Peer;
use fixtures::{Part, Publisher};
use http::{Request, request::Builder};
use rustls_pki_types::CertificateDer;
use serde_json::{Value, json};
use tempfile::TempDir;
use time::Duration;

use crate::support::{Answer, Settings, TestServer};

/// Users whose password is `right`.
pub(super) const USERS: &str = "\
alice:$2y$04$rii40iOuCfnFj.Xft5.b0ehuPVtv7zn0IbHlZCgCZFrLO1QrNsIiC
ci:$2y$04$F8gGOUlASGvl5xfFissWPuDWtpwM.USHNgdwdtM8KWcKK7OGyMEce
";

/// What the rules of these tests let users, certificates and strangers do.
pub(super) fn rules() -> Value {
    json!({"rules": [
        {"who": "anonymous", "may": "pull", "on": "public/"},
        {"who": "user:alice", "may": ["pull", "push", "delegate", "rotate", "delete"], "on": "**"},
        {"who": "user:ci", "may": ["pull", "push"], "on": "app", "roles": ["targets/releases"]},
        {"who": "certificate:robot", "may": "pull", "on": "app"},
    ]})
}

/// What they let holders of outside tokens do.
pub(super) fn outside_rules() -> Value {
    json!({"rules": [
        {"who": "anonymous", "may": "pull", "on": "public/"},
        {"who": "subject:builder", "may": "*", "on": "**"},
        {"who": "subject:reader", "may": "pull", "on": "**"},
    ]})
}

/// A server, and what its callers show.
pub(super) struct Stage {
    pub(super) server: TestServer,
    folder: TempDir,
    authenticator: Arc<Authenticator>,
    certificate: CertificateDer<'static>,
    tokens: BTreeMap<&'static str, String>,
    strangers: AtomicU32,
}

impl Stage {
    /// Passwords are asked for with every request.
    pub(super) async fn with_passwords(rules: Option<Value>, settings: Settings) -> Self {
        let folder = TempDir::new().unwrap();
        let scheme = passwords(folder.path(), false);
        Self::new(folder, scheme, rules, settings).await
    }

    /// Passwords are shown to the server's own token service, or to it all the same.
    pub(super) async fn with_token_service(rules: Option<Value>) -> Self {
        let folder = TempDir::new().unwrap();
        let scheme = passwords(folder.path(), true);
        let mut stage = Self::new(folder, scheme, rules, Settings::default()).await;
        for (name, who, actions) in [
            ("t-pull", "alice", "pull"),
            ("t-push", "alice", "pull,push"),
            ("t-star", "alice", "*"),
            ("t-none", "nobody", "pull,push"),
        ] {
            let path = format!(
                "/auth/token?service=notary-server&scope=repository:app:{actions}\
                 &scope=repository:public/app:{actions}"
            );
            let answer = stage.ask(who, "GET", &path).await.ok().json();
            let token = answer["token"].as_str().unwrap().to_owned();
            stage.tokens.insert(name, token);
        }
        stage
    }

    /// Tokens of another issuer are asked for.
    pub(super) async fn with_outside_tokens(rules: Option<Value>) -> Self {
        let folder = TempDir::new().unwrap();
        let (scheme, tokens) = outside(folder.path());
        let mut stage = Self::new(folder, scheme, rules, Settings::default()).await;
        stage.tokens = tokens;
        stage
    }

    async fn new(
        folder: TempDir,
        scheme: SchemeSettings,
        rules: Option<Value>,
        settings: Settings,
    ) -> Self {
        let rules_file = rules.map(|rules| {
            let file = folder.path().join("rules.json");
            fs::write(&file, rules.to_string()).unwrap();
            file
        });
        let access = AuthenticationSettings {
            scheme,
            rules_file,
            client_certificates: true,
        };
        let authenticator = Arc::new(
            Authenticator::new(&access, fixtures::clock())
                .await
                .unwrap(),
        );
        let settings = Settings {
            authenticator: authenticator.clone(),
            ..settings
        };
        Self {
            server: TestServer::with(settings).await,
            folder,
            authenticator,
            certificate: certificate("robot").0,
            tokens: BTreeMap::new(),
            strangers: AtomicU32::new(0),
        }
    }

    /// A request of `who`: `nobody`, `robot` (a certificate), `wrong`, `garbled`, `forged`, the
    /// name of a token, or of a user.
    pub(super) fn sent_by(&self, who: &str, method: &str, path: &str) -> Builder {
        let mut peer = Peer {
            addr: ([192, 0, 2, 1], 4711).into(),
            certificates: Vec::new(),
        };
        let mut authorization = None;
        match who {
            "nobody" => {}
            "robot" => peer.certificates.push(self.certificate.clone()),
            "garbled" => authorization = Some("Basic ?".to_owned()),
            "forged" => authorization = Some("Bearer a.b.c".to_owned()),
            "wrong" => {
                // From somewhere else each time, so that nothing slows it down.
                let stranger = 0x0a00_0000 + self.strangers.fetch_add(1, Ordering::SeqCst);
                peer.addr = (stranger.to_be_bytes(), 4711).into();
                authorization = Some(basic("alice", "wrong"));
            }
            "guesser" => authorization = Some(basic("alice", "wrong")),
            name => {
                let token = self.tokens.get(name).map(|token| format!("Bearer {token}"));
                authorization = Some(token.unwrap_or_else(|| basic(name, "right")));
            }
        }
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "notary.example.com")
            .extension(peer);
        match authorization {
            Some(value) => request.header("authorization", value),
            None => request,
        }
    }

    pub(super) async fn ask(&self, who: &str, method: &str, path: &str) -> Answer {
        let request = self.sent_by(who, method, path).body(Body::empty());
        self.server.send(request.unwrap()).await
    }

    pub(super) async fn publish(&self, who: &str, gun: &str, parts: &[Part]) -> Answer {
        let (content_type, body) = fixtures::multipart(parts);
        let path = format!("/v2/{gun}/_trust/tuf/");
        let request = self.sent_by(who, "POST", &path);
        let request = request.header("content-type", content_type);
        self.server
            .send(request.body(Body::from(body)).unwrap())
            .await
    }

    /// What, once called, writes `htpasswd` or `rules.json` and has the server take it up.
    pub(super) fn change(&self, file: &str, content: String) -> impl FnOnce() + Send + 'static {
        let (path, authenticator) = (self.folder.path().join(file), self.authenticator.clone());
        move || {
            fs::write(path, content).unwrap();
            // What was found once may be half-written.
            authenticator.poll();
            authenticator.poll();
        }
    }

    /// A publisher whose keys for timestamp and snapshot `who` had the server make.
    pub(super) async fn publisher(&self, who: &str, gun: &str) -> Publisher {
        let mut publisher = Publisher::new(gun);
        for role in ["timestamp", "snapshot"] {
            let path = format!("/v2/{gun}/_trust/tuf/{role}.key");
            let key = self.ask(who, "GET", &path).await.ok();
            publisher = publisher.with_server_key_document(role, &key.body);
        }
        publisher
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

fn passwords(folder: &Path, has_tokens: bool) -> SchemeSettings {
    let file = folder.join("htpasswd");
    fs::write(&file, USERS).unwrap();
    let token_service = TokenServiceSettings {
        issuer: "notary-server".into(),
        audience: "notary-server".into(),
        folder: Some(folder.join("tokens")),
        lifetime: StdDuration::from_mins(5),
        registries: BTreeMap::new(),
    };
    SchemeSettings::Passwords(PasswordSettings {
        realm: "trust".into(),
        file: Some(file),
        administrator: Some(Credentials {
            user: "admin".into(),
            password: "right".into(),
        }),
        token_service: has_tokens.then_some(token_service),
    })
}

/// A self-signed certificate for `name`, and its key.
fn certificate(name: &str) -> (CertificateDer<'static>, rcgen::KeyPair) {
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    (certificate.der().clone(), key)
}

/// The settings of Notary's recordings, for an issuer of our own, and some of its tokens.
fn outside(folder: &Path) -> (SchemeSettings, BTreeMap<&'static str, String>) {
    let (certificate, key) = certificate("auth.example.com");
    let bundle = folder.join("bundle.pem");
    let text = STANDARD.encode(&certificate);
    let pem = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
    fs::write(&bundle, pem).unwrap();
    let scheme = SchemeSettings::OutsideTokens(OutsideTokenSettings {
        realm: "https://auth.example.com/token".into(),
        service: "notary-server".into(),
        autoredirect: false,
        issuers: vec![IssuerSettings {
            name: "auth.example.com".into(),
            audience: "notary-server".into(),
            bundle: Some(bundle),
            jwks: None,
        }],
    });
    let mint = Mint::new(&key.serialize_der(), vec![certificate.to_vec()]).unwrap();
    let app = |actions: &[&str]| vec![entry("repository", "app", actions)];
    let tokens = [
        ("pull", "reader", app(&["pull"])),
        ("push", "builder", app(&["push", "pull"])),
        ("star", "builder", app(&["*"])),
        (
            "catalog",
            "builder",
            vec![entry("registry", "catalog", &["*"])],
        ),
        ("limited", "reader", app(&["*"])),
        ("empty", "builder", Vec::new()),
        ("unnamed", "", app(&["pull"])),
    ]
    .map(|(name, subject, access)| (name, minted(&mint, subject, access)));
    (scheme, tokens.into())
}

fn entry(kind: &str, name: &str, actions: &[&str]) -> Access {
    Access {
        kind: kind.into(),
        name: name.into(),
        actions: actions.iter().map(ToString::to_string).collect(),
    }
}

fn minted(mint: &Mint, subject: &str, access: Vec<Access>) -> String {
    use secrecy::ExposeSecret as _;
    let claims = Claims {
        issuer: "auth.example.com".into(),
        subject: subject.into(),
        audience: "notary-server".into(),
        access: Some(access),
        issued_at: fixtures::clock(),
        expires: fixtures::clock() + Duration::HOUR,
        id: "1".into(),
        other: Vec::new(),
    };
    mint.sign(&claims).unwrap().expose_secret().to_owned()
}
