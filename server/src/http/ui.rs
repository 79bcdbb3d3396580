//! Pages for people: what is stored, what is wrong, what expires, and the commands to type.
//!
//! `visit` finds out who asks and what they may see, `pages` fills templates with answers of
//! `insight`, `failure` is the page of everything that goes wrong. `sign_in` and
//! `session` are the way in for browsers. Nothing here changes trust, or needs a script. Templates
//! escape what they are filled with; `text` makes visible what would hide in a name.

mod failure;
mod pages;
mod query;
mod session;
mod sign_in;
mod text;
mod visit;
mod welcome;

use std::{fs::File, io::Read as _, path::Path, sync::LazyLock};

use anyhow::{Context as _, Result, bail};
use askama::Template;
use axum::{Extension, Router, body::Body, extract::State, response::Response, routing::any};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use failure::Failure;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header, request::Parts as Head};
use ring::digest::{SHA256, digest};
use rustls_pki_types::pem::{PemObject as _, SectionKind};
use session::Ended;
use visit::Visit;

use super::{api, forbid_storing, origin::Origin, path::RouteDoc, typed, upload};
use crate::{App, config};

/// The largest file of CAs.
const LARGEST_CA_FILE: u64 = 1 << 20;

const STYLE: &str = include_str!("ui/style.css");
const ICON: &str = include_str!("ui/icon.svg");

/// Their addresses change with their content, so browsers may keep them.
static STYLE_PATH: LazyLock<String> = LazyLock::new(|| address("style", STYLE, "css"));
static ICON_PATH: LazyLock<String> = LazyLock::new(|| address("icon", ICON, "svg"));

fn address(name: &str, content: &str, kind: &str) -> String {
    let sum = digest(&SHA256, content.as_bytes());
    format!("/ui/{name}-{}.{kind}", hex::encode(&sum.as_ref()[..8]))
}

/// The pages of a server.
#[derive(Debug, Default)]
pub struct Ui {
    ca: Option<Ca>,
    ended: Ended,
}

/// The CA of the server's certificate.
#[derive(Debug)]
struct Ca {
    pem: String,
    /// The SHA-256 of each certificate.
    fingerprints: Vec<String>,
}

impl Ui {
    /// Reads what the pages offer.
    ///
    /// # Errors
    ///
    /// If the file of CAs cannot be read, or holds something else.
    pub fn load(pages: &config::Pages) -> Result<Self> {
        let ca = pages.ca_file.as_deref().map(Ca::load);
        Ok(Self {
            ca: ca.transpose().context("ui.ca_file")?,
            ended: Ended::default(),
        })
    }
}

impl Ca {
    fn load(path: &Path) -> Result<Self> {
        let read = || format!("cannot read {}", path.display());
        let file = File::open(path).with_context(read)?;
        let mut text = Vec::new();
        file.take(LARGEST_CA_FILE + 1)
            .read_to_end(&mut text)
            .with_context(read)?;
        if text.len() as u64 > LARGEST_CA_FILE {
            bail!("{} is larger than 1 MiB", path.display());
        }
        Self::parse(&text).with_context(|| format!("cannot offer {}", path.display()))
    }

    /// What visitors get is written again from the certificates: nothing else of the file gets out.
    fn parse(text: &[u8]) -> Result<Self> {
        const NAME: &[u8] = b"PRIVATE KEY";
        if text.windows(NAME.len()).any(|part| part == NAME) {
            bail!("it holds a private key, which must stay secret: name a file of certificates");
        }
        let mut ca = Self {
            pem: String::new(),
            fingerprints: Vec::new(),
        };
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(text) {
            match section {
                Ok((SectionKind::Certificate, der)) => ca.add(&der),
                Ok(_) => bail!("it holds something that is no certificate"),
                Err(error) => bail!("it is not PEM: {error}"),
            }
        }
        if ca.fingerprints.is_empty() {
            bail!("it holds no certificate in PEM");
        }
        Ok(ca)
    }

    fn add(&mut self, der: &[u8]) {
        self.pem.push_str("-----BEGIN CERTIFICATE-----\n");
        let mut rest = BASE64_STANDARD.encode(der);
        while !rest.is_empty() {
            let tail = rest.split_off(rest.len().min(64));
            self.pem.push_str(&rest);
            self.pem.push('\n');
            rest = tail;
        }
        self.pem.push_str("-----END CERTIFICATE-----\n");
        let sum = digest(&SHA256, der);
        let pairs: Vec<_> = sum
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect();
        self.fingerprints.push(pairs.join(":"));
    }
}

/// What stands around the content of every page.
#[derive(Clone, Debug, Default)]
pub(super) struct Frame {
    style: &'static str,
    icon: &'static str,
    /// Where the name of the program leads.
    home: &'static str,
    /// Whether it leads to the other pages.
    has_pages: bool,
    /// Whether the audit log is among them.
    has_audit: bool,
    /// The path of the page among those of the menu, or of the one that it belongs to.
    current: &'static str,
    /// Who is known to be visiting.
    name: Option<String>,
    /// What the form for signing out has to bring, if there is a session.
    sign_out: Option<String>,
    /// Whether visitors may sign in.
    offers_sign_in: bool,
}

/// A page of the menu.
struct Item {
    title: &'static str,
    path: &'static str,
    is_current: bool,
}

impl Frame {
    /// Of a page that says nothing about who visits.
    fn bare() -> Self {
        Self {
            style: &STYLE_PATH,
            icon: &ICON_PATH,
            home: "/ui/",
            ..Self::default()
        }
    }

    fn items(&self) -> impl Iterator<Item = Item> {
        [
            ("Overview", "/ui/"),
            ("Repositories", "/ui/repositories"),
            ("Keys", "/ui/signers"),
            ("Expiry", "/ui/expiry"),
            ("Audit", "/ui/audit"),
        ]
        .into_iter()
        .take(if self.has_audit { 5 } else { 4 })
        .map(|(title, path)| Item {
            title,
            path,
            is_current: path == self.current,
        })
    }
}

/// A row of the table of routes.
const fn doc(
    method: &'static str,
    path: &'static str,
    permission: &'static str,
    summary: &'static [&'static str],
) -> RouteDoc {
    RouteDoc {
        method,
        path,
        permission,
        operation: None,
        codes: &[],
        summary,
    }
}

/// What visitors of the pages need: each sees what the API answers them.
const SEES: &str = "none; what is shown is what the caller may see";

/// What the table of routes says of the pages.
pub(super) const DOCS: &[RouteDoc] = &[
    doc(
        "GET",
        "/",
        "none",
        &[
            "For browsers (`Accept: text/html`) a page that says how clients use this server.",
            "Everybody else gets what every unknown path gets.",
        ],
    ),
    doc("GET", "/ui/", SEES, &["What is wrong, and what is due."]),
    doc(
        "GET",
        "/ui/repositories?prefix=&tag=&digest=&signer=&expires=&unhealthy=&after=",
        SEES,
        &["A page of the repositories that match."],
    ),
    doc(
        "GET",
        "/ui/repository?gun=&after=",
        SEES,
        &["One repository: roles, keys, tags, versions, problems and commands."],
    ),
    doc(
        "GET",
        "/ui/tag?gun=&tag=&role=&below=",
        SEES,
        &["What a tag named before, and whose keys moved it."],
    ),
    doc("GET", "/ui/signers?after=", SEES, &["A page of all keys."]),
    doc(
        "GET",
        "/ui/key?id=&after=",
        SEES,
        &["What one key may sign."],
    ),
    doc(
        "GET",
        "/ui/expiry?within=&after=",
        SEES,
        &["What expires, by month, and who has to act."],
    ),
    doc(
        "GET",
        "/ui/audit?gun=&after=",
        "audit",
        &["The newest lines of the audit log, if it has a file."],
    ),
    doc(
        "GET",
        "/ui/sign-in?to=",
        "none",
        &["The form for signing in, where passwords are asked for."],
    ),
    doc(
        "POST",
        "/ui/sign-in",
        "none",
        &["Begins a session, which is a cookie."],
    ),
    doc("POST", "/ui/sign-out", "none", &["Ends it."]),
    doc(
        "GET",
        "/ui/ca.pem",
        "none",
        &["The CA of the server's certificate, if `ui.ca_file` names one."],
    ),
];

/// The router of the pages.
pub(super) fn router(app: &App) -> Router {
    Router::new()
        .route("/", any(root))
        .route("/ui", any(answer))
        .route("/ui/", any(answer))
        .route("/ui/{*page}", any(answer))
        .with_state(app.clone())
}

/// Greets browsers; clients get here what they always got.
async fn root(
    State(app): State<App>,
    origin: Extension<Origin>,
    request: Request<Body>,
) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if reads && welcome::is_wanted(request.headers()) {
        return dress(welcome::page(&app, &origin));
    }
    let mut response = api::answer_unknown(State(app), origin, request).await;
    if reads {
        let accept = HeaderValue::from_static("Accept");
        response.headers_mut().append(header::VARY, accept);
    }
    response
}

async fn answer(
    State(app): State<App>,
    Extension(origin): Extension<Origin>,
    request: Request<Body>,
) -> Response {
    let (head, body) = request.into_parts();
    let reads = matches!(head.method, Method::GET | Method::HEAD);
    let is_post = head.method == Method::POST;
    let response = match head.uri.path() {
        "/ui" => redirect("/ui/"),
        path if reads && path == *STYLE_PATH => asset("text/css; charset=utf-8", STYLE),
        path if reads && path == *ICON_PATH => asset("image/svg+xml", ICON),
        "/ui/ca.pem" if reads => match ca(&app) {
            Some(ca) => typed(StatusCode::OK, "application/x-pem-file", ca.pem.clone()),
            None => Failure::NoPage.answer(&Frame::bare()),
        },
        "/ui/sign-in" if is_post => return dress(sign_in::begin(&app, &origin, head, body).await),
        "/ui/sign-out" if is_post => return dress(sign_in::end(&app, &origin, head, body).await),
        "/ui/sign-in" if reads => sign_in::form(&app, &origin, &head),
        _ if reads => page(&app, &origin, &head).await,
        _ => Failure::Method.answer(&Frame::bare()),
    };
    upload::discard(&app, &head, body).await;
    dress(response)
}

/// A page that depends on who asks.
async fn page(app: &App, origin: &Origin, head: &Head) -> Response {
    let visit = match Visit::of(app, origin, head).await {
        Ok(visit) => visit,
        Err(Failure::SignIn) if app.authenticator.takes_passwords() => {
            return redirect(&sign_in::address(head));
        }
        Err(failure) => return failure.answer(&Frame::bare()),
    };
    let query = head.uri.query().unwrap_or_default();
    let answer = match head.uri.path() {
        "/ui/" => pages::start(&visit, query).await,
        "/ui/repositories" => pages::repositories(&visit, query).await,
        "/ui/repository" => pages::repository(&visit, query).await,
        "/ui/tag" => pages::tag(&visit, query).await,
        "/ui/signers" => pages::signers(&visit, query).await,
        "/ui/key" => pages::key(&visit, query).await,
        "/ui/expiry" => pages::expiry(&visit, query).await,
        "/ui/audit" => pages::audit(&visit, query).await,
        _ => Err(Failure::NoPage),
    };
    let mut response = answer.unwrap_or_else(|failure| failure.answer(&visit.frame("")));
    if let Some(cookie) = visit.renewed {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

fn ca(app: &App) -> Option<&Ca> {
    app.ui.as_ref()?.ca.as_ref()
}

/// Sends a browser on by GET.
fn redirect(to: &str) -> Response {
    let mut response = typed(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", "");
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    forbid_storing(response)
}

/// A file that its address names for ever.
fn asset(kind: &'static str, content: &'static str) -> Response {
    let mut response = typed(StatusCode::OK, kind, content);
    let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, forever);
    response
}

/// A page, which no cache keeps.
fn html(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => forbid_storing(typed(status, "text/html; charset=utf-8", text)),
        Err(error) => {
            tracing::error!(%error, "a template failed");
            let text = "This did not work: the log of the server says more.\n";
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            forbid_storing(typed(status, "text/plain; charset=utf-8", text))
        }
    }
}

/// What browsers are told of everything here: load nothing from elsewhere, run nothing, send forms
/// to this server alone, and let no other site frame or follow it.
///
/// The policy for referrers is not the strictest one: with that, browsers would not say where a
/// form comes from.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

fn dress(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::new(vec!["ca.example".to_owned()]).unwrap();
        parameters.self_signed(&key).unwrap().pem()
    }

    #[test]
    fn nothing_but_certificates_is_offered_to_visitors() {
        let (one, other) = (certificate(), certificate());
        let ca = Ca::parse(format!("my note\n{one}{other}").as_bytes()).unwrap();
        assert_eq!(ca.fingerprints.len(), 2);
        assert_eq!(ca.fingerprints[0].len(), 32 * 3 - 1);
        assert_eq!(ca.pem.matches("BEGIN CERTIFICATE").count(), 2);
        assert!(!ca.pem.contains("my note"));
        assert_eq!(Ca::parse(ca.pem.as_bytes()).unwrap().pem, ca.pem);
        let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
        for text in [
            format!("{one}{key}"),
            // In two pieces, since no file of this project holds what looks like a key.
            format!("{one}-----BEGIN ENCRYPTED {}-----\nAA==\n", "PRIVATE KEY"),
            format!("{one}-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n"),
            "nothing".to_owned(),
        ] {
            assert!(Ca::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
