//! What a client is told when something is refused or fails: the only error type that knows HTTP.
//!
//! Bodies have the form the registry protocol uses and the Notary client reads: exactly one error
//! with `code`, `message` and, for some, `detail`. The client looks at `detail` of a 400 only,
//! where it expects `{"Name":…,"Error":…}`, and reads at most 1024 bytes of it.

mod detail;

use std::time::Duration;

use access::{Challenge, Scope, TokenFault};
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use detail::Detail;
pub(crate) use detail::html_safe;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use trust::{
    keys::KeyError,
    memory::NoSpace,
    publish::{Denied, PublishError},
    repository::ReadError,
    signer::SignerError,
    store::StoreError,
};
use tuf::Refusal;

use super::target::LONGEST_TARGET;

/// Everything a request can end with, other than success.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No route matches.
    #[error("no such route")]
    UnknownRoute,
    /// The target of the request is longer than any that means something.
    #[error("the request target has more than {LONGEST_TARGET} bytes")]
    TargetTooLong,
    /// The metadata asked for does not exist.
    #[error("no such metadata")]
    MetadataNotFound,
    /// A version in the path has more digits than any version can have.
    #[error("version {0} is out of range")]
    VersionOutOfRange(String),
    /// The GUN of a publish matches none of the configured prefixes.
    #[error("repositories.gun_prefixes does not allow this GUN; it allows only {0}")]
    InvalidGun(String),
    /// The GUN that a key is asked for matches none of the configured prefixes. A client asks for
    /// keys before its first publish, and shows its user this text.
    #[error("repositories.gun_prefixes does not allow this GUN; it allows only {0}")]
    NoKeyForGun(String),
    /// The GUN matches none of the configured prefixes, and so holds nothing.
    #[error("repositories.gun_prefixes does not allow this GUN; it allows only {0}")]
    GunNotServed(String),
    /// The GUN is one that cannot be stored.
    #[error("{0}")]
    UnusableGun(#[from] tuf::InvalidGun),
    /// The GUN is one that this database cannot store, or cannot tell from another one it stores.
    #[error("{0}")]
    GunNotStorable(StoreError),
    /// The body is not a multipart form, or it breaks off between parts.
    #[error("the body is not a complete multipart form")]
    MalformedUpload,
    /// A part has no usable file name.
    #[error("a part names no role")]
    NoFilename,
    /// A part is named after something that is no role.
    #[error("{0:?} is not a role")]
    InvalidRole(String),
    /// A part is not the JSON of a metadata file.
    #[error("the {role} part is not the JSON of a metadata file: {reason}")]
    MalformedJson {
        /// Whose file it would be.
        role: String,
        /// What is wrong with it, for the log: clients are not told.
        reason: String,
    },
    /// The body is larger than this server accepts; the limit in bytes.
    #[error("the body has more than {0} bytes")]
    TooLarge(u64),
    /// The stored files that an update has to be checked against are larger than this many bytes.
    #[error(
        "the stored files that this update is checked against have more than {0} bytes together: \
         publish fewer roles at once"
    )]
    TooMuchStored(u64),
    /// The update has more parts than this server accepts.
    #[error("the update has more than {0} parts")]
    TooManyParts(usize),
    /// Other uploads occupy all the memory there is for them.
    #[error("too many uploads at once")]
    Overloaded,
    /// The body came more slowly than this server waits for.
    #[error("the body came too slowly")]
    SlowBody,
    /// The client stopped sending before its body was complete.
    #[error("the body broke off")]
    BrokenBody,
    /// The update was refused by a rule of trust.
    #[error("{0}")]
    InvalidUpdate(Refusal),
    /// A file is beyond a limit; one that is no larger may replace a stored one all the same.
    #[error("{1}")]
    Oversized(tuf::Role, Refusal),
    /// A role has a version as high as the one sent.
    #[error("{0}")]
    VersionExists(StoreError),
    /// The database cannot do it at the moment; another attempt may succeed.
    #[error("{0}")]
    DatabaseUnavailable(StoreError),
    /// Storing an accepted update failed.
    #[error("{0}")]
    Updating(StoreError),
    /// A parameter of the changefeed is wrong; the detail to send.
    #[error("a parameter is wrong: {0}")]
    InvalidParameters(Value),
    /// The caller lacks the permission, or presented wrong credentials.
    #[error("{}", .0.reason)]
    Unauthorized(Box<Unauthorized>),
    /// Too much of something from one source; when to come back.
    #[error("too many requests")]
    TooManyRequests(Duration),
    /// The signer makes no more keys.
    #[error("{0}")]
    SignerFull(SignerError),
    /// The signer cannot be reached or refuses.
    #[error("{0}")]
    SignerUnavailable(SignerError),
    /// Others changed the same repository during each attempt.
    #[error("{0}")]
    Contended(String),
    /// This server's own fault; the client learns nothing of it.
    #[error("{0}")]
    Internal(String),
}

/// Why a caller may not do something, and how they might. It is 401 in every case, as in Notary
/// 0.7: clients have a message for no other status.
#[derive(Debug)]
pub struct Unauthorized {
    /// How to authenticate; `None` while authentication is off.
    pub challenge: Option<Challenge>,
    /// What it takes, in the words of tokens.
    pub scope: Scope,
    /// Whether the caller proved who they are, and it is a matter of permission alone.
    pub is_known: bool,
    /// What is wrong with the token that was shown.
    pub fault: Option<TokenFault>,
    /// Why, for the log alone.
    pub reason: String,
}

/// When to come back to a server that is busy for a moment.
pub(super) const SHORTLY: Duration = Duration::from_secs(1);

/// Status, code and message of one kind of error.
pub type ErrorKind = (StatusCode, &'static str, &'static str);

/// Makes a constant of each kind, and the list of them all.
macro_rules! kinds {
    ($($name:ident = $status:ident $code:literal $message:expr;)+) => {
        $(const $name: ErrorKind = (StatusCode::$status, $code, $message);)+

        /// Every kind of error, for the reference in `docs/http.md`.
        #[must_use]
        pub fn error_kinds() -> &'static [ErrorKind] {
            &[$($name),+]
        }
    };
}

kinds! {
    INVALID_GUN = BAD_REQUEST "INVALID_GUN"
        "The server does not support actions on images of this name.";
    INVALID_PARAMETERS = BAD_REQUEST "INVALID_PARAMETERS"
        "The parameters provided are not valid.";
    INVALID_ROLE = BAD_REQUEST "INVALID_ROLE"
        "The role you are attempting to operate on is invalid.";
    INVALID_UPDATE = BAD_REQUEST "INVALID_UPDATE" "Update sent by the client is invalid.";
    MALFORMED_JSON = BAD_REQUEST "MALFORMED_JSON"
        "JSON sent by the client could not be parsed by the server";
    MALFORMED_UPLOAD = BAD_REQUEST "MALFORMED_UPLOAD" "The body of your request is malformed.";
    NO_FILENAME = BAD_REQUEST "NO_FILENAME" "No file/role name provided.";
    VERSION = BAD_REQUEST "VERSION" "A newer version of metadata is already available.";
    UNAUTHORIZED = UNAUTHORIZED "UNAUTHORIZED" "authentication required";
    NOT_FOUND = NOT_FOUND "METADATA_NOT_FOUND" "You have requested metadata that does not exist.";
    URI_TOO_LONG = URI_TOO_LONG "URI_TOO_LONG" "request target too long";
    TOO_MANY_REQUESTS = TOO_MANY_REQUESTS "TOOMANYREQUESTS" "too many requests";
    UNKNOWN = INTERNAL_SERVER_ERROR "UNKNOWN" "unknown error";
    UPDATING = INTERNAL_SERVER_ERROR "UPDATING"
        "An error has occurred while updating the TUF repository.";
    UNAVAILABLE = SERVICE_UNAVAILABLE "UNAVAILABLE" "service unavailable";
    NO_MORE_KEYS = SERVICE_UNAVAILABLE "UNAVAILABLE"
        "too many repositories were begun and not published: no key can be made for another one now";
}

/// An update that a rule of trust forbids.
fn describe_refusal(refusal: &Refusal) -> (ErrorKind, Option<Detail>) {
    (INVALID_UPDATE, Some(Detail::refusal(refusal)))
}

impl ApiError {
    /// The status, code, message and detail that clients match on.
    fn wire(&self) -> (ErrorKind, Option<Detail>) {
        match self {
            Self::UnknownRoute => (NOT_FOUND, None),
            Self::TargetTooLong => (URI_TOO_LONG, Some(Detail::text(&self.to_string()))),
            Self::MetadataNotFound => (NOT_FOUND, Some(Detail::empty())),
            Self::VersionOutOfRange(version) => (
                NOT_FOUND,
                Some(Detail(format!(
                    r#"{{"Func":"Atoi","Num":{},"Err":{{}}}}"#,
                    json!(version)
                ))),
            ),
            Self::InvalidGun(prefixes) => (
                INVALID_GUN,
                Some(Detail::text(&format!(
                    "Require GUNs with prefix: {prefixes}"
                ))),
            ),
            Self::NoKeyForGun(prefixes) => {
                let text = format!("this server only accepts names that begin with {prefixes}");
                (INVALID_GUN, Some(Detail::with_name("ErrValidation", &text)))
            }
            Self::GunNotServed(prefixes) => {
                let text = format!("Require GUNs with prefix: {prefixes}");
                (NOT_FOUND, Some(Detail::text(&text)))
            }
            Self::UnusableGun(error) => (INVALID_GUN, Some(Detail::text(&error.to_string()))),
            Self::GunNotStorable(error) => (INVALID_GUN, Some(Detail::text(&error.to_string()))),
            Self::MalformedUpload | Self::BrokenBody | Self::SlowBody => (MALFORMED_UPLOAD, None),
            Self::NoFilename => (NO_FILENAME, None),
            Self::InvalidRole(role) => (INVALID_ROLE, Some(Detail::text(role))),
            Self::MalformedJson { .. } => (MALFORMED_JSON, None),
            Self::TooLarge(_) | Self::TooManyParts(_) | Self::TooMuchStored(_) => (
                INVALID_UPDATE,
                Some(Detail::with_name("ErrValidation", &self.to_string())),
            ),
            Self::InvalidUpdate(refusal) | Self::Oversized(_, refusal) => describe_refusal(refusal),
            Self::VersionExists(_) => (VERSION, Some(Detail::empty())),
            Self::Updating(_) => (UPDATING, None),
            Self::InvalidParameters(detail) => {
                (INVALID_PARAMETERS, Some(Detail(detail.to_string())))
            }
            Self::Unauthorized(why) => (UNAUTHORIZED, Some(Detail::scope(&why.scope))),
            Self::TooManyRequests(_) => (TOO_MANY_REQUESTS, None),
            Self::SignerFull(_) => (NO_MORE_KEYS, Some(Detail::empty())),
            Self::SignerUnavailable(_)
            | Self::DatabaseUnavailable(_)
            | Self::Overloaded
            | Self::Contended(_) => (UNAVAILABLE, Some(Detail::empty())),
            Self::Internal(_) => (UNKNOWN, Some(Detail::empty())),
        }
    }
}

impl ApiError {
    /// What to answer to an update that was not published. A denial comes back: its answer takes
    /// the challenge for the caller.
    pub(super) fn of_publish(error: PublishError) -> Result<Self, Box<Denied>> {
        Ok(match error {
            PublishError::Denied(denied) => return Err(denied),
            PublishError::Refused(Refusal::Stored(damaged)) => Self::Internal(damaged.to_string()),
            PublishError::Refused(refusal) => Self::InvalidUpdate(refusal),
            PublishError::Read(error) => error.into(),
            PublishError::Signer(error) => error.into(),
            error @ PublishError::Contended(_) => Self::Contended(error.to_string()),
            PublishError::Store(error @ StoreError::Database(_)) if !error.is_temporary() => {
                Self::Updating(error)
            }
            PublishError::Store(error) => error.into(),
        })
    }

    /// The code that clients match on.
    pub(super) fn code(&self) -> &'static str {
        let ((_, code, _), _) = self.wire();
        code
    }

    /// What the headers say beyond the body.
    fn add_headers(&self, headers: &mut HeaderMap) {
        match self {
            Self::Unauthorized(why) => {
                headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
                if let Some(challenge) = why.challenge() {
                    headers.insert(header::WWW_AUTHENTICATE, challenge);
                }
            }
            Self::TooManyRequests(wait) => {
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                headers.insert(header::RETRY_AFTER, seconds.max(1).into());
            }
            Self::SignerUnavailable(_)
            | Self::DatabaseUnavailable(_)
            | Self::Overloaded
            | Self::Contended(_) => {
                headers.insert(header::RETRY_AFTER, SHORTLY.as_secs().into());
            }
            _ => {}
        }
    }
}

impl Unauthorized {
    fn challenge(&self) -> Option<HeaderValue> {
        let value = self.challenge.as_ref()?.header(&self.scope, self.fault);
        HeaderValue::from_bytes(value.as_bytes()).ok()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let ((status, code, message), detail) = self.wire();
        if let Self::DatabaseUnavailable(error) = &self {
            // The pool tells of it once, not with every request.
            tracing::debug!(code, %error, "the database is not available");
        } else if status.is_server_error() {
            tracing::error!(code, error = %self, "request failed");
        } else {
            tracing::info!(code, reason = %self, "request refused");
        }
        let mut response = Response::new(Body::from(body(code, message, detail.as_ref())));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=utf-8"),
        );
        self.add_headers(headers);
        response
    }
}

/// One error in one line, members in the order code, message, detail, and a newline.
fn body(code: &str, message: &str, detail: Option<&Detail>) -> String {
    let detail = detail.map_or_else(String::new, |Detail(json)| format!(r#","detail":{json}"#));
    let line = format!(
        r#"{{"errors":[{{"code":{},"message":{}{detail}}}]}}"#,
        json!(code),
        json!(message)
    );
    html_safe(line) + "\n"
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::VersionExists(_) => Self::VersionExists(error),
            StoreError::Moved => Self::Contended(error.to_string()),
            StoreError::Unstorable | StoreError::OtherSpelling(_) => Self::GunNotStorable(error),
            StoreError::Database(_) if error.is_temporary() => Self::DatabaseUnavailable(error),
            StoreError::Database(_) => Self::Internal(error.to_string()),
        }
    }
}

impl From<SignerError> for ApiError {
    fn from(error: SignerError) -> Self {
        match error {
            SignerError::Unavailable(_) | SignerError::KeyNotFound(_) => {
                Self::SignerUnavailable(error)
            }
            SignerError::Full(_) => Self::SignerFull(error),
            SignerError::Refused(_) | SignerError::BadAnswer(_) => {
                Self::Internal(error.to_string())
            }
        }
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Store(error) => error.into(),
            ReadError::Signer(error) => error.into(),
            ReadError::NoSpace(NoSpace::Busy) => Self::Overloaded,
            ReadError::NoSpace(NoSpace::TooMuch(bytes)) => Self::TooMuchStored(bytes),
            error @ (ReadError::Outdated(_) | ReadError::Contended(_)) => {
                Self::Contended(error.to_string())
            }
            error @ (ReadError::Damaged { .. } | ReadError::CannotRenew { .. }) => {
                Self::Internal(error.to_string())
            }
        }
    }
}

impl From<KeyError> for ApiError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Read(error) => error.into(),
            KeyError::Signer(error) => error.into(),
            error @ (KeyError::Damaged(_) | KeyError::TooMany { .. }) => {
                Self::Internal(error.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_as_go_escapes_them() {
        assert_eq!(
            body("INVALID_ROLE", "<&>", Some(&Detail::text("a\u{2028}é"))),
            "{\"errors\":[{\"code\":\"INVALID_ROLE\",\"message\":\"\\u003c\\u0026\\u003e\",\
             \"detail\":\"a\\u2028é\"}]}\n"
        );
    }

    #[test]
    fn a_refusal_stays_within_what_clients_read() {
        let unexpected = tuf::EnvelopeFault::UnexpectedMember("é".repeat(2000));
        let refusal = Refusal::Targets(unexpected.into());
        let ((_, code, message), detail) = ApiError::InvalidUpdate(refusal).wire();
        assert!(body(code, message, detail.as_ref()).len() <= 1024);
    }
}
