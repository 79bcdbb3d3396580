//! What is answered when there is no answer: problems, as RFC 9457 writes them.

use std::time::Duration;

use access::{Challenge, Scope, TokenFault};
use axum::{body::Body, response::Response};
use http::{HeaderValue, StatusCode, header};
use insight::OverviewError;
use serde::Serialize;
use serde_json::json;
use trust::signer::REQUEST_ID;
use utoipa::ToSchema;

use crate::http::{
    ApiError,
    error::{SHORTLY, Unauthorized},
    grant::Refused,
};

/// Makes the kinds, and the list of them.
macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident = $status:ident $name:literal $title:literal;)+) => {
        /// What kind of problem it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Kind {
            $($(#[doc = $doc])+ $kind,)+
        }

        impl Kind {
            /// All of them.
            pub(super) const ALL: &[Self] = &[$(Self::$kind),+];

            /// Its status.
            pub(super) fn status(self) -> StatusCode {
                match self { $(Self::$kind => StatusCode::$status,)+ }
            }

            /// Its name, the end of its `type`.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }

            /// What it is, in a few words that are always the same.
            pub(super) fn title(self) -> &'static str {
                match self { $(Self::$kind => $title,)+ }
            }
        }
    };
}

kinds! {
    /// A parameter is unknown, missing, given twice, or not what it has to be.
    BadParameter = BAD_REQUEST "bad-parameter" "A parameter is wrong";
    /// The caller has to prove who they are, or what they presented is not believed.
    Unauthorized = UNAUTHORIZED "unauthorized" "Authentication is required";
    /// The caller is known, and may not.
    Forbidden = FORBIDDEN "forbidden" "Permission is lacking";
    /// There is no such thing, or none that the caller may see.
    NotFound = NOT_FOUND "not-found" "There is no such thing";
    /// The API has no such path.
    NoSuchRoute = NOT_FOUND "no-such-route" "There is no such route";
    /// The server keeps no inventory.
    InventoryOff = NOT_FOUND "inventory-off" "This server keeps no inventory";
    /// The audit log has no file.
    AuditElsewhere = NOT_FOUND "audit-elsewhere" "The audit log is not in a file of this server";
    /// The API only reads.
    MethodNotAllowed = METHOD_NOT_ALLOWED "method-not-allowed" "The API only reads";
    /// The feed that a cursor belongs to is no more.
    FeedReplaced = GONE "feed-replaced" "The changefeed is another one";
    /// The target of the request is too long.
    TooLong = URI_TOO_LONG "too-long" "The request target is too long";
    /// Too many failed logins, or too many who wait.
    TooMany = TOO_MANY_REQUESTS "too-many-requests" "Too many requests";
    /// This server's own fault.
    Internal = INTERNAL_SERVER_ERROR "internal" "The server failed";
    /// The tables of the inventory have to be made.
    TablesMissing = SERVICE_UNAVAILABLE "inventory-tables-missing" "The tables of the inventory are missing";
    /// The inventory is being computed for the first time.
    NotReady = SERVICE_UNAVAILABLE "inventory-not-ready" "The inventory is being computed";
    /// The database is away, or too much is asked at once.
    Unavailable = SERVICE_UNAVAILABLE "unavailable" "The server cannot answer now";
}

/// The body of a problem.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemView {
    /// What kind of problem it is: `urn:countersign:problem:` and its name.
    #[serde(rename = "type")]
    kind: String,
    /// The same in a few words.
    title: String,
    /// The status of the answer.
    status: u16,
    /// What is wrong, and what to do about it.
    detail: String,
    /// Names the request; its id also stands in the log, and in `X-Request-Id`.
    instance: String,
    /// The parameter that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Problem {
    kind: Kind,
    detail: String,
    parameter: Option<String>,
    challenge: Option<Box<(Challenge, Scope, Option<TokenFault>)>>,
    retry_after: Option<Duration>,
}

impl Problem {
    /// A problem of a kind, with what is wrong.
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            parameter: None,
            challenge: None,
            retry_after: None,
        }
    }

    /// A parameter is wrong.
    pub(super) fn parameter(name: &str, detail: impl std::fmt::Display) -> Self {
        Self {
            parameter: Some(name.to_owned()),
            ..Self::new(Kind::BadParameter, format!("{name}: {detail}"))
        }
    }

    /// It is worth trying again after a while.
    pub(super) fn after(self, wait: Duration) -> Self {
        Self {
            retry_after: Some(wait),
            ..self
        }
    }

    /// The answer.
    pub(super) fn into_response(self) -> Response {
        let (status, kind) = (self.kind.status(), self.kind.name());
        if self.kind == Kind::Internal {
            tracing::error!(problem = kind, error = %self.detail, "request failed");
        } else {
            tracing::info!(problem = kind, reason = %self.detail, "request refused");
        }
        let id = REQUEST_ID.try_with(Clone::clone).unwrap_or_default();
        let view = ProblemView {
            kind: format!("urn:countersign:problem:{kind}"),
            title: self.kind.title().to_owned(),
            status: status.as_u16(),
            detail: if self.kind == Kind::Internal {
                "the log of the server says why, under this request id".to_owned()
            } else {
                self.detail
            },
            instance: format!("urn:countersign:request:{id}"),
            parameter: self.parameter,
        };
        let mut response = Response::new(Body::from(json!(view).to_string() + "\n"));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let content_type = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, content_type);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.kind == Kind::MethodNotAllowed {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        if let Some((challenge, scope, fault)) = self.challenge.as_deref()
            && let Ok(challenge) = HeaderValue::from_str(&challenge.header(scope, *fault))
        {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, seconds.max(1).into());
        }
        response
    }
}

impl From<OverviewError> for Problem {
    fn from(error: OverviewError) -> Self {
        let text = error.to_string();
        match error {
            OverviewError::Off => Self::new(Kind::InventoryOff, text),
            OverviewError::NoTables => Self::new(Kind::TablesMissing, text),
            OverviewError::NotReady => Self::new(Kind::NotReady, text).after(SHORTLY * 10),
            OverviewError::Busy => Self::new(Kind::Unavailable, text).after(SHORTLY),
            OverviewError::TooManyWaiting => Self::new(Kind::TooMany, text).after(SHORTLY * 10),
            OverviewError::OtherFeed => Self::new(Kind::FeedReplaced, text),
            OverviewError::Cursor(_) => Self::parameter("after", text),
            OverviewError::Sort => Self::parameter("sort", text),
            OverviewError::Internal(_) => Self::new(Kind::Internal, text),
            OverviewError::Store(error) => ApiError::from(error).into(),
        }
    }
}

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Unauthorized(why) if why.is_known || why.challenge.is_none() => {
                Self::new(Kind::Forbidden, "nothing grants this to the caller")
            }
            ApiError::Unauthorized(why) => {
                let Unauthorized {
                    challenge,
                    scope,
                    fault,
                    ..
                } = *why;
                Self {
                    challenge: challenge.map(|challenge| Box::new((challenge, scope, fault))),
                    ..Self::new(
                        Kind::Unauthorized,
                        "present the credentials of a user, or a token",
                    )
                }
            }
            ApiError::TooManyRequests(wait) => {
                Self::new(Kind::TooMany, "too many failed logins").after(wait)
            }
            ApiError::DatabaseUnavailable(_) => {
                // The pool tells of it once, not with every request.
                let text = "the database does not answer; its state is in the health of the server";
                Self::new(Kind::Unavailable, text).after(SHORTLY)
            }
            error => Self::new(Kind::Internal, error.to_string()),
        }
    }
}

impl From<Refused> for Problem {
    fn from(Refused(error): Refused) -> Self {
        error.into()
    }
}
