//! Signing in and out.
//!
//! Both are forms that only a page of this server can send: the browser says that it does
//! (`Origin`), and the form brings what a cookie of this server brings too. Passwords are checked
//! as those in a header are, with the same throttle and the same lines in the audit log.

use std::time::Duration as StdDuration;

use access::Credentials;
use askama::Template;
use authn::AuthenticationError;
use axum::{body::Body, response::Response};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts as Head};
use http_body_util::{BodyExt as _, Limited};
use secrecy::SecretString;
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use super::{
    Failure, Frame, html,
    query::Query,
    redirect,
    session::{FORM, LONGEST_NAME, SESSION, Session, random},
    text::link,
    visit::{Opened, is_secure},
};
use crate::{
    App,
    http::{grant::Auth, origin::Origin, upload},
};

/// No form is longer, in bytes.
const LONGEST_FORM: usize = 16 << 10;

/// The most fields of a form.
const MOST_FIELDS: usize = 16;

/// How long a form may take to arrive.
const FORM_TIME: StdDuration = StdDuration::from_secs(10);

/// How long the form for signing in may be open, in seconds.
const FORM_LIFE: i64 = 60 * 60;

/// How many bytes of an address are kept to lead back to.
const LONGEST_WAY_BACK: usize = 2 << 10;

#[derive(Template)]
#[template(path = "ui/sign-in.html")]
struct Page<'p> {
    frame: Frame,
    problem: Option<&'p str>,
    token: &'p str,
    to: &'p str,
    user: &'p str,
}

/// What a form brought.
#[derive(Default)]
struct Form {
    user: String,
    password: SecretString,
    token: String,
    to: String,
}

/// Where a visitor signs in who asked for a page first.
pub(super) fn address(head: &Head) -> String {
    let to = head.uri.path_and_query().map_or("", |to| to.as_str());
    match way_back(to) {
        "/ui/" => "/ui/sign-in".to_owned(),
        to => link("/ui/sign-in", [("to", to)]),
    }
}

/// `to`, if it is a page of this server; else the first one.
fn way_back(to: &str) -> &str {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
    let is_page = to.starts_with("/ui/")
        && !to.starts_with("/ui/sign-")
        && to.len() <= LONGEST_WAY_BACK
        && to.bytes().all(is_plain);
    if is_page { to } else { "/ui/" }
}

/// The form.
pub(super) fn form(app: &App, origin: &Origin, head: &Head) -> Response {
    let query = head.uri.query().unwrap_or_default();
    let to = match Query::read(query, &["to"]) {
        Ok(query) => query.text("to").map_or("/ui/", way_back).to_owned(),
        Err(failure) => return failure.answer(&Frame::bare()),
    };
    if !app.authenticator.takes_passwords() {
        return Failure::NoPage.answer(&Frame::bare());
    }
    show(app, origin, StatusCode::OK, None, &to, "")
}

/// The form, with a new cookie to go with it.
fn show(
    app: &App,
    origin: &Origin,
    status: StatusCode,
    problem: Option<&str>,
    to: &str,
    user: &str,
) -> Response {
    let Some(token) = random() else {
        let failure = Failure::Internal("the random number generator failed".to_owned());
        return failure.answer(&Frame::bare());
    };
    let token = BASE64_URL_SAFE_NO_PAD.encode(token);
    let page = Page {
        frame: Frame::bare(),
        problem,
        token: &token,
        to,
        user,
    };
    let mut response = html(status, &page);
    if let Some(cookie) = FORM.set(&token, is_secure(app, origin), FORM_LIFE) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// Begins a session.
pub(super) async fn begin(app: &App, origin: &Origin, head: Head, body: Body) -> Response {
    match try_begin(app, origin, &head, body).await {
        Ok(response) => response,
        Err(failure) => failure.answer(&Frame::bare()),
    }
}

async fn try_begin(
    app: &App,
    origin: &Origin,
    head: &Head,
    body: Body,
) -> Result<Response, Failure> {
    if let Err(failure) = check_sender(app, origin, head) {
        upload::discard(app, head, body).await;
        return Err(failure);
    }
    let form = Form::receive(head, body).await?;
    let is_secure = is_secure(app, origin);
    let token = FORM.find(&head.headers, is_secure).unwrap_or_default();
    if token.is_empty() || token != form.token {
        return Err(Failure::BadForm(
            "It is too old, or this browser keeps no cookies of this server.",
        ));
    }
    if !app.authenticator.takes_passwords() {
        return Err(Failure::NoPage);
    }
    let to = way_back(&form.to).to_owned();
    if form.user.is_empty()
        || form.user.len() > LONGEST_NAME
        || form.user.contains(char::is_control)
    {
        let problem = "Enter the name of a user.";
        return Ok(show(
            app,
            origin,
            StatusCode::FORBIDDEN,
            Some(problem),
            &to,
            "",
        ));
    }
    // Before the password is checked: without it no session can begin.
    let key = app.overview.session_key().await?;
    let auth = Auth { app, head, origin };
    let user = form.user.clone();
    let credentials = Credentials {
        user: form.user,
        password: form.password,
    };
    let caller = match auth.sign_in(credentials).await {
        Ok(caller) => caller,
        Err(error) => return Ok(refuse(app, origin, &error, &to, &user)),
    };
    let internal = || Failure::Internal("a session could not be made".to_owned());
    let session = Session::begin(&caller.identity, app.now()).ok_or_else(internal)?;
    let binding = app.authenticator.binding(&caller.identity).await;
    let opened = Opened {
        binding: binding.ok_or_else(internal)?,
        session: session.clone(),
        key,
    };
    let cookie = opened.cookie(&session, is_secure).ok_or_else(internal)?;
    let mut response = redirect(&to);
    let headers = response.headers_mut();
    headers.append(header::SET_COOKIE, cookie);
    if let Some(cookie) = FORM.clear(is_secure) {
        headers.append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// The form again, after a password that does not do.
fn refuse(
    app: &App,
    origin: &Origin,
    error: &AuthenticationError,
    to: &str,
    user: &str,
) -> Response {
    let (status, problem, wait) = match error {
        AuthenticationError::TooManyFailures(wait) => (
            StatusCode::TOO_MANY_REQUESTS,
            "Too many attempts failed. Wait, and try again.",
            wait.as_secs().max(1),
        ),
        AuthenticationError::Busy => (
            StatusCode::TOO_MANY_REQUESTS,
            "Too many passwords are being checked. Try again in a moment.",
            1,
        ),
        _ => (
            StatusCode::FORBIDDEN,
            "The user or the password is wrong.",
            0,
        ),
    };
    let mut response = show(app, origin, status, Some(problem), to, user);
    if wait > 0 {
        let wait = HeaderValue::from(wait);
        response.headers_mut().insert(header::RETRY_AFTER, wait);
    }
    response
}

/// Ends a session.
pub(super) async fn end(app: &App, origin: &Origin, head: Head, body: Body) -> Response {
    match try_end(app, origin, &head, body).await {
        Ok(response) => response,
        Err(failure) => failure.answer(&Frame::bare()),
    }
}

async fn try_end(app: &App, origin: &Origin, head: &Head, body: Body) -> Result<Response, Failure> {
    if let Err(failure) = check_sender(app, origin, head) {
        upload::discard(app, head, body).await;
        return Err(failure);
    }
    let form = Form::receive(head, body).await?;
    if let Some(opened) = Opened::find(app, origin, head).await? {
        let Opened {
            session,
            key,
            binding,
        } = &opened;
        if !session.is_sign_out_token(&form.token, key, binding) {
            return Err(Failure::BadForm("It belongs to another session."));
        }
        if let Some(ui) = &app.ui {
            ui.ended.add(session, app.now());
        }
    }
    let mut response = redirect("/");
    if let Some(cookie) = SESSION.clear(is_secure(app, origin)) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Whether a form comes from a page of this server, as the browser says.
fn check_sender(app: &App, origin: &Origin, head: &Head) -> Result<(), Failure> {
    let site = origin.site(app.public_url.as_deref());
    let Some(sender) = single(&head.headers, &header::ORIGIN) else {
        return Err(Failure::BadForm(
            "The browser does not say where it comes from.",
        ));
    };
    let parse = |text: &str| Some(Url::parse(text).ok()?.origin()).filter(url::Origin::is_tuple);
    match (parse(sender), parse(&site)) {
        (Some(sender), Some(site)) if sender == site => Ok(()),
        (Some(sender), Some(site)) if is_unencrypted(&sender, &site) => Err(Failure::BadForm(
            "It came over plain HTTP, where anybody on the way can read the password. Reach this \
             server by https; if a proxy in front of it speaks TLS, name that proxy in \
             server.trusted_proxies or the address in server.public_url.",
        )),
        _ => Err(Failure::BadForm("It comes from a page of another site.")),
    }
}

/// Whether one is the other without TLS.
fn is_unencrypted(sender: &url::Origin, site: &url::Origin) -> bool {
    match (sender, site) {
        (url::Origin::Tuple(scheme, host, _), url::Origin::Tuple(_, expected, _)) => {
            scheme == "http" && host == expected
        }
        _ => false,
    }
}

/// The value of a header that is there once.
fn single<'h>(headers: &'h HeaderMap, name: &header::HeaderName) -> Option<&'h str> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next().filter(|_| lines.next().is_none())?;
    line.to_str().ok()
}

impl Form {
    async fn receive(head: &Head, body: Body) -> Result<Self, Failure> {
        let kind = single(&head.headers, &header::CONTENT_TYPE).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Failure::BadForm("It is not a form."));
        }
        let collected = Limited::new(body, LONGEST_FORM).collect();
        match tokio::time::timeout(FORM_TIME, collected).await {
            Ok(Ok(body)) => Self::read(&Zeroizing::new(Vec::from(body.to_bytes()))),
            _ => Err(Failure::BadForm("It is too long, or broke off.")),
        }
    }

    fn read(text: &[u8]) -> Result<Self, Failure> {
        let mut form = Self::default();
        let mut seen = Vec::new();
        for (name, value) in form_urlencoded::parse(text) {
            if seen.len() == MOST_FIELDS || seen.contains(&name) {
                return Err(Failure::BadForm("It says something twice, or too much."));
            }
            match name.as_ref() {
                "user" => form.user = value.into_owned(),
                "password" => form.password = value.into_owned().into(),
                "token" => form.token = value.into_owned(),
                "to" => form.to = value.into_owned(),
                _ => {}
            }
            seen.push(name);
        }
        Ok(form)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_visitor_is_led_back_to_pages_of_this_server_alone() {
        for to in ["/ui/", "/ui/repositories?prefix=a%2Fb", "/ui/key?id=00"] {
            assert_eq!(way_back(to), to);
        }
        for to in [
            "",
            "//evil.example/",
            "https://evil.example/",
            "/\\evil.example",
            "/ui/\\evil.example",
            "/v2/",
            "/ui/sign-out",
            "/ui/a b",
            "/ui/\r\nset-cookie: a=b",
        ] {
            assert_eq!(way_back(to), "/ui/", "{to}");
        }
    }

    #[test]
    fn a_form_has_few_fields_each_once() {
        let names: Vec<String> = (0..=MOST_FIELDS).map(|n| format!("f{n}=")).collect();
        assert!(Form::read(names[1..].join("&").as_bytes()).is_ok());
        assert!(Form::read(names.join("&").as_bytes()).is_err());
        assert!(Form::read(b"user=a&user=b").is_err());
    }

    proptest! {
        #[test]
        fn no_form_panics(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Form::read(&text);
        }
    }
}
