//! Why there is no page, as a page that says what to do.

use askama::Template;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use insight::OverviewError;
use trust::store::StoreError;

use super::{Frame, html};
use crate::http::ApiError;

/// Why there is no page.
#[derive(Debug)]
pub(super) enum Failure {
    /// The visitor has to sign in first.
    SignIn,
    /// The visitor may see nothing.
    Forbidden,
    /// Credentials in the header do not do.
    Refused(ApiError),
    /// There is no such page.
    NoPage,
    /// There is no such repository or key, or the visitor may not see it.
    NotFound(&'static str),
    /// The address says something that means nothing.
    BadQuery(String),
    /// The form is not one that this server made for this browser.
    BadForm(&'static str),
    /// A method that the page does not have.
    Method,
    /// Others are being answered.
    Busy(String),
    /// The inventory has no answer.
    Overview(OverviewError),
    /// This program's own fault.
    Internal(String),
}

impl From<OverviewError> for Failure {
    fn from(error: OverviewError) -> Self {
        Self::Overview(error)
    }
}

/// What is told of a failure.
struct Told {
    status: StatusCode,
    title: &'static str,
    text: String,
    cure: String,
}

#[derive(Template)]
#[template(path = "ui/failure.html")]
struct Page<'p> {
    frame: &'p Frame,
    title: &'p str,
    text: &'p str,
    cure: &'p str,
}

impl Failure {
    /// The page of it.
    pub(super) fn answer(self, frame: &Frame) -> Response {
        let (told, headers) = match self {
            Self::Refused(error) => {
                let text = error.to_string();
                let answer = error.into_response();
                (refuse(answer.status(), text), answer.headers().clone())
            }
            failure => (failure.tell(), HeaderMap::new()),
        };
        let page = Page {
            frame,
            title: told.title,
            text: &told.text,
            cure: &told.cure,
        };
        let mut response = html(told.status, &page);
        for name in [header::WWW_AUTHENTICATE, header::RETRY_AFTER] {
            if let Some(value) = headers.get(&name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
        if told.status == StatusCode::SERVICE_UNAVAILABLE {
            let shortly = HeaderValue::from_static("10");
            response.headers_mut().insert(header::RETRY_AFTER, shortly);
        }
        response
    }

    fn tell(&self) -> Told {
        let (status, title, text, cure) = match self {
            Self::SignIn => (
                StatusCode::FORBIDDEN,
                "Sign in first",
                "This server shows its repositories to callers whom it knows.".to_owned(),
                "It has no form for that: it takes the tokens of another issuer, in the \
                 Authorization header, or a client certificate.",
            ),
            Self::Forbidden => (
                StatusCode::FORBIDDEN,
                "Nothing here for you",
                "No rule of this server permits you this.".to_owned(),
                "Ask its administrator for the permission “see” or “pull” in the rules file, or “audit” \
                 for the audit log.",
            ),
            Self::Refused(error) => return refuse(StatusCode::UNAUTHORIZED, error.to_string()),
            Self::NoPage => (
                StatusCode::NOT_FOUND,
                "There is no such page",
                "Nothing has this address.".to_owned(),
                "Check the address, or begin at the start.",
            ),
            Self::NotFound(what) => (
                StatusCode::NOT_FOUND,
                "Not found",
                format!("There is no such {what}, or you may not see it."),
                "Search for it among the repositories. What was published just now shows up within \
                 seconds.",
            ),
            Self::BadQuery(text) => (
                StatusCode::BAD_REQUEST,
                "This address says something wrong",
                text.clone(),
                "Begin at the start, and go on by links and forms.",
            ),
            Self::BadForm(text) => (
                StatusCode::FORBIDDEN,
                "This form does not do",
                (*text).to_owned(),
                "Open the page again and send its form from there. The browser has to accept the \
                 cookie of this server.",
            ),
            Self::Method => (
                StatusCode::METHOD_NOT_ALLOWED,
                "This page only reads",
                "It answers GET.".to_owned(),
                "Use the commands of notary and docker to change trust.",
            ),
            Self::Busy(text) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Not now",
                text.clone(),
                "Load this page again in a moment.",
            ),
            Self::Overview(error) => return tell(error),
            Self::Internal(error) => {
                tracing::error!(error, "a page failed");
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "This did not work",
                    "The fault is the server's.".to_owned(),
                    "Its log says more, under the request id that this answer carries.",
                )
            }
        };
        Told {
            status,
            title,
            text,
            cure: cure.to_owned(),
        }
    }
}

/// What is told of credentials that do not do.
fn refuse(status: StatusCode, text: String) -> Told {
    Told {
        status,
        title: "These credentials do not do",
        text,
        cure: "Ask again with other credentials, or without any to see what everybody may see."
            .to_owned(),
    }
}

/// What is told of an inventory without an answer.
fn tell(error: &OverviewError) -> Told {
    let (status, title, cure) = match error {
        OverviewError::Off => (
            StatusCode::NOT_FOUND,
            "There is no inventory",
            "Set inventory.enabled to true and start the server again.",
        ),
        OverviewError::NoTables => (
            StatusCode::SERVICE_UNAVAILABLE,
            "There is no inventory yet",
            "As an administrator of the database, run: notary-server migrate",
        ),
        OverviewError::NotReady => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The inventory is being made",
            "Load this page again in a moment.",
        ),
        OverviewError::Cursor(_) | OverviewError::Sort => (
            StatusCode::BAD_REQUEST,
            "This address says something wrong",
            "Begin with the first page.",
        ),
        OverviewError::Store(error) if !error.is_temporary() => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "The database failed",
            "The log of the server says more. notary-server doctor looks for the cause.",
        ),
        OverviewError::Internal(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "This did not work",
            "Its log says more, under the request id that this answer carries.",
        ),
        _ => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Not now",
            "Load this page again in a moment.",
        ),
    };
    let text = match error {
        OverviewError::Store(error) => describe(error),
        OverviewError::Internal(error) => {
            tracing::error!(error, "a page failed");
            "The fault is the server's.".to_owned()
        }
        error => error.to_string(),
    };
    Told {
        status,
        title,
        text,
        cure: cure.to_owned(),
    }
}

/// What a visitor learns of a failure of the database, which the log gets in full.
fn describe(error: &StoreError) -> String {
    tracing::error!(%error, "a page failed: the database has no answer");
    if error.is_temporary() {
        "The database does not answer.".to_owned()
    } else {
        "The database refuses a question that it should answer.".to_owned()
    }
}
