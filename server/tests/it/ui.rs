//! Pages for browsers: what they say, to whom, and that no name and no other site can misuse them.

use std::{fs, sync::Arc};

use ::access::Credentials;
use audit_trail::Audit;
use authn::{
    Authenticator,
    settings::{AuthenticationSettings, PasswordSettings, SchemeSettings},
};
use axum::body::Body;
use daemon::Peer;
use database::Connected;
use http::{Request, StatusCode, request::Builder};
use inventory::Follower;
use serde_json::{Value, json};
use tempfile::TempDir;
use time::Duration;
use url::form_urlencoded;

use crate::support::{Answer, Settings, TestServer};

mod pages;
mod sessions;

/// Users whose password is `right`.
const USERS: &str = "\
alice:$2y$04$rii40iOuCfnFj.Xft5.b0ehuPVtv7zn0IbHlZCgCZFrLO1QrNsIiC
ci:$2y$04$F8gGOUlASGvl5xfFissWPuDWtpwM.USHNgdwdtM8KWcKK7OGyMEce
";

const SITE: &str = "https://notary.example.com";

/// Every page, by an address that there is something at.
const PAGES: [&str; 6] = [
    "/ui/",
    "/ui/repositories",
    "/ui/repository?gun=a%2Fapp",
    "/ui/signers",
    "/ui/expiry?within=1095",
    "/ui/expiry",
];

/// What the rules of these tests let users see.
fn rules() -> Value {
    json!({"rules": [
        {"who": "anonymous", "may": "pull", "on": "public/"},
        {"who": "user:alice", "may": "pull", "on": "a/"},
        {"who": "user:ci", "may": "pull", "on": "b/"},
    ]})
}

/// A server with users, and browsers that visit it.
struct Stage {
    server: TestServer,
    folder: TempDir,
    authenticator: Arc<Authenticator>,
}

/// A browser: its cookies, by name.
#[derive(Default)]
struct Browser(Vec<(String, String)>);

impl Browser {
    fn keep(&mut self, answer: &Answer) {
        for line in answer.headers.get_all("set-cookie") {
            let pair = line.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.0.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.0.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    fn cookies(&self) -> String {
        let pairs = self.0.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    }
}

impl Stage {
    async fn with(rules: Option<Value>) -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("htpasswd");
        fs::write(&file, USERS).unwrap();
        let rules_file = rules.map(|rules| {
            let file = folder.path().join("rules.json");
            fs::write(&file, rules.to_string()).unwrap();
            file
        });
        let settings = AuthenticationSettings {
            scheme: SchemeSettings::Passwords(PasswordSettings {
                realm: "trust".into(),
                file: Some(file),
                administrator: Some(Credentials {
                    user: "admin".into(),
                    password: "right".into(),
                }),
                token_service: None,
            }),
            rules_file,
            client_certificates: true,
        };
        let authenticator = Authenticator::new(&settings, fixtures::clock()).await;
        let authenticator = Arc::new(authenticator.unwrap());
        let server = TestServer::with(Settings {
            audit: Audit::to_file(&folder.path().join("audit.log")).unwrap(),
            authenticator: Arc::clone(&authenticator),
            ..Settings::default()
        })
        .await;
        Self {
            server,
            folder,
            authenticator,
        }
    }

    /// A server that knows no one and shows everybody everything.
    async fn open() -> Self {
        Self {
            server: TestServer::start().await,
            folder: TempDir::new().unwrap(),
            authenticator: Arc::new(Authenticator::open()),
        }
    }

    /// Publishes a repository, as somebody did on this database before.
    async fn publish(&self, gun: &str, tags: &[&str]) {
        let other = TestServer::stored_in(self.server.pool.clone());
        let mut publisher = other.published(gun).await;
        publisher.expire("targets", fixtures::clock() + days(3 * 365 - 1));
        for tag in tags {
            publisher.add_target("targets", tag, b"image");
        }
        other.publish(gun, &publisher.next(&["targets"])).await.ok();
        self.follow().await;
    }

    /// Brings the inventory up to date.
    async fn follow(&self) {
        let connected = Connected::Sqlite(self.server.pool.clone());
        inventory::migrate(&connected).await.unwrap();
        let now = self.server.now();
        let store = Arc::clone(&self.server.app.repositories.store);
        let follower = Follower::new(store, inventory::tables(&connected), move || now);
        follower.rebuild(&mut |_| ()).await.unwrap();
    }

    fn change(&self, file: &str, content: &str) {
        fs::write(self.folder.path().join(file), content).unwrap();
        // What was found once may be half-written.
        self.authenticator.poll();
        self.authenticator.poll();
    }

    fn request(browser: &Browser, method: &str, path: &str) -> Builder {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "notary.example.com")
            .header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
            .extension(Peer {
                addr: ([192, 0, 2, 1], 4711).into(),
                certificates: Vec::new(),
            });
        match browser.cookies() {
            cookies if cookies.is_empty() => request,
            cookies => request.header("cookie", cookies),
        }
    }

    async fn visit(&self, browser: &mut Browser, path: &str) -> Answer {
        let request = Self::request(browser, "GET", path).body(Body::empty());
        let answer = self.server.send(request.unwrap()).await;
        browser.keep(&answer);
        answer
    }

    async fn send(
        &self,
        browser: &mut Browser,
        path: &str,
        origin: Option<&str>,
        fields: &[(&str, &str)],
    ) -> Answer {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        let mut request = Self::request(browser, "POST", path)
            .header("content-type", "application/x-www-form-urlencoded");
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let answer = self
            .server
            .send(request.body(form.finish().into()).unwrap());
        let answer = answer.await;
        browser.keep(&answer);
        answer
    }

    /// Signs in as `user`, or fails to.
    async fn sign_in(&self, browser: &mut Browser, user: &str, password: &str) -> Answer {
        let form = self.visit(browser, "/ui/sign-in").await.ok();
        let token = hidden(&form.text(), "token");
        let fields = [("token", &*token), ("user", user), ("password", password)];
        self.send(browser, "/ui/sign-in", Some(SITE), &fields).await
    }

    /// A browser in which `user` is signed in.
    async fn browser_of(&self, user: &str) -> Browser {
        let mut browser = Browser::default();
        let answer = self.sign_in(&mut browser, user, "right").await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
        browser
    }
}

/// The value of a hidden field.
fn hidden(page: &str, name: &str) -> String {
    let field = format!(r#"<input type="hidden" name="{name}" value=""#);
    let (_, rest) = page.split_once(&field).unwrap_or_else(|| panic!("{page}"));
    rest.split_once('"').unwrap().0.to_owned()
}

/// Moves the clock on: what is stored has to be followed again.
fn days(days: i64) -> Duration {
    Duration::days(days)
}
