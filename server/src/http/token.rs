//! The token service: the registry's token protocol (GET), its OAuth 2.0 form (POST), and its keys.
//!
//! Without credentials, the token is anonymous and lists what anonymous callers may do. A wrong
//! password or refresh token is a 401 in both forms: RFC 6749 (5.2) would have 400 for a POST, but
//! only a 401 makes clients of registries log in again. Its body has the members of both protocols.

mod request;

use std::time::Duration;

use access::{Authorization, Credentials, Identity};
use authn::{
    AuthenticationError, Presented,
    token_service::{Holder, IssueError, Issued, Scopes, TokenService},
};
use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header, request::Parts as Head};
use http_body_util::{BodyExt as _, Limited};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use zeroize::Zeroizing;

use self::request::{LONGEST, Proof, Wanted};
use super::{ApiError, error::SHORTLY, forbid_storing, origin::Origin, typed};
use crate::App;

/// How long a form may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);
/// How long caches may keep the keys; a new one may sign from its first moment on, but a client
/// that meets an unknown one asks again.
const KEYS_CACHE: &str = "public, max-age=300";

/// Answers a request for a token.
pub(super) async fn answer(
    app: &App,
    origin: &Origin,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let Some(tokens) = app.authenticator.token_service() else {
        return Err(ApiError::UnknownRoute);
    };
    let asked = TokenRequest {
        app,
        tokens,
        origin,
        now: app.now(),
    };
    let form = if request.method() == Method::POST {
        Form::OAuth
    } else {
        Form::Registry
    };
    let made = match form {
        Form::OAuth => asked.by_form(request).await,
        Form::Registry => asked.by_query(&request.into_parts().0).await,
    };
    match made {
        Ok(made) => Ok(forbid_storing(typed(
            StatusCode::OK,
            "application/json",
            made.body(form).to_string(),
        ))),
        Err(Refusal::Fault(text)) => Err(ApiError::Internal(text)),
        Err(Refusal::Later(wait)) => Err(ApiError::TooManyRequests(wait)),
        Err(refusal) => Ok(refusal.answer(form)),
    }
}

/// Answers the keys of the token service.
pub(super) fn jwks(app: &App) -> Result<Response, ApiError> {
    let tokens = app
        .authenticator
        .token_service()
        .ok_or(ApiError::UnknownRoute)?;
    let keys = tokens
        .jwks(app.now())
        .map_err(|error| ApiError::Internal(error.to_string()))?;
    let mut response = typed(StatusCode::OK, "application/json", keys.to_string());
    let caching = HeaderValue::from_static(KEYS_CACHE);
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, caching);
    Ok(response)
}

/// The two forms of the protocol.
#[derive(Clone, Copy)]
enum Form {
    /// GET, with the registry's own words.
    Registry,
    /// POST, with those of RFC 6749.
    OAuth,
}

/// Why there is no token.
#[derive(Debug)]
enum Refusal {
    /// The request makes no sense.
    Invalid(&'static str),
    /// It is for a service that is not served.
    UnknownService,
    /// It has a grant type that is not supported.
    UnsupportedGrant,
    /// What it shows is wrong.
    AuthenticationError,
    /// Not now.
    Later(Duration),
    /// It is our fault.
    Fault(String),
}

/// A request for a token, with what answers it.
struct TokenRequest<'r> {
    app: &'r App,
    tokens: &'r TokenService,
    origin: &'r Origin,
    now: OffsetDateTime,
}

impl TokenRequest<'_> {
    async fn by_query(&self, head: &Head) -> Result<Tokens, Refusal> {
        let (wanted, account) = request::query(head.uri.query().unwrap_or_default())?;
        self.check_service(&wanted)?;
        let holder = match read_authorization(&head.headers) {
            Authorization::Absent => Holder::anonymous(),
            Authorization::Basic(credentials)
                if account.is_none_or(|account| account == credentials.user) =>
            {
                self.by_password(credentials).await?
            }
            _ => return Err(Refusal::AuthenticationError),
        };
        let refresh = self.refresh(&holder, wanted.offline)?;
        self.make(&holder, &wanted, refresh)
    }

    /// A refresh token does not get another one: a stolen one would be good for ever.
    async fn by_form(&self, request: Request<Body>) -> Result<Tokens, Refusal> {
        let bytes = body(request).await?;
        let (wanted, proof) = request::form(&bytes)?;
        self.check_service(&wanted)?;
        match proof {
            Proof::Password(credentials) => {
                let holder = self.by_password(credentials).await?;
                let refresh = self.refresh(&holder, wanted.offline)?;
                self.make(&holder, &wanted, refresh)
            }
            Proof::Refresh(token) => {
                let holder = self.by_refresh_token(&token)?;
                self.make(&holder, &wanted, None)
            }
        }
    }

    /// Before authentication: a password is not checked for nothing.
    fn check_service(&self, wanted: &Wanted) -> Result<(), Refusal> {
        let is_served = self.tokens.serves(&wanted.service);
        is_served.then_some(()).ok_or(Refusal::UnknownService)
    }

    async fn by_password(&self, credentials: Credentials) -> Result<Holder, Refusal> {
        let authenticator = &self.app.authenticator;
        let fingerprint = authenticator.fingerprint(&credentials.user);
        let caller = authenticator
            .identify(Presented {
                authorization: Authorization::Basic(credentials),
                certificates: &[],
                address: self.origin.address,
                now: self.now,
            })
            .await?;
        match caller.identity {
            Identity::Anonymous => Err(Refusal::AuthenticationError),
            identity => self
                .tokens
                .holder(identity, fingerprint)
                .ok_or(Refusal::AuthenticationError),
        }
    }

    fn by_refresh_token(&self, token: &SecretString) -> Result<Holder, Refusal> {
        let authenticator = &self.app.authenticator;
        self.tokens
            .verify_refresh(token.expose_secret(), self.now, |user| {
                authenticator.fingerprint(user)
            })
            .map_err(|error| {
                tracing::warn!(address = %self.origin.address, "a refresh token is refused: {error}");
                Refusal::AuthenticationError
            })
    }

    fn refresh(&self, holder: &Holder, is_wanted: bool) -> Result<Option<SecretString>, Refusal> {
        if !is_wanted {
            return Ok(None);
        }
        Ok(self.tokens.issue_refresh(holder, self.now)?)
    }

    fn make(
        &self,
        holder: &Holder,
        wanted: &Wanted,
        refresh: Option<SecretString>,
    ) -> Result<Tokens, Refusal> {
        let policy = self.app.authenticator.policy();
        let (service, scopes): (&str, &Scopes) = (&wanted.service, &wanted.scopes);
        Ok(Tokens {
            issued: self
                .tokens
                .issue(holder, service, scopes, &policy, self.now)?,
            refresh,
        })
    }
}

/// The tokens of an answer.
struct Tokens {
    issued: Issued,
    refresh: Option<SecretString>,
}

impl Tokens {
    fn body(&self, form: Form) -> Value {
        let issued = &self.issued;
        let token = issued.access_token.expose_secret();
        let at = issued.issued_at.format(&Rfc3339).unwrap_or_default();
        // Under both names in both forms: portieris posts a form as OAuth has it, and reads
        // `token`.
        let mut body = json!({
            "token": token,
            "access_token": token,
            "expires_in": issued.lifetime.whole_seconds(),
            "issued_at": at,
        });
        if let Form::OAuth = form {
            body["token_type"] = "Bearer".into();
            body["scope"] = self.scope().into();
        }
        if let Some(refresh) = &self.refresh {
            body["refresh_token"] = refresh.expose_secret().into();
        }
        body
    }

    /// What was granted, which may be less than what was asked for (RFC 6749, 5.1).
    fn scope(&self) -> String {
        let entries = self.issued.access.iter();
        let scopes = entries.map(|it| format!("{}:{}:{}", it.kind, it.name, it.actions.join(",")));
        scopes.collect::<Vec<_>>().join(" ")
    }
}

impl Refusal {
    fn answer(&self, form: Form) -> Response {
        let (status, code, oauth, message) = match self {
            Self::Invalid(text) => (
                StatusCode::BAD_REQUEST,
                "INVALID_PARAMETERS",
                "invalid_request",
                *text,
            ),
            Self::UnknownService => (
                StatusCode::BAD_REQUEST,
                "INVALID_PARAMETERS",
                "invalid_request",
                "there is no service of that name here",
            ),
            Self::UnsupportedGrant => (
                StatusCode::BAD_REQUEST,
                "INVALID_PARAMETERS",
                "unsupported_grant_type",
                "grant_type is password or refresh_token",
            ),
            Self::AuthenticationError | Self::Later(_) | Self::Fault(_) => (
                StatusCode::UNAUTHORIZED,
                "UNAUTHORIZED",
                "invalid_grant",
                "wrong user or password, or a login that has ended",
            ),
        };
        let mut body = json!({"errors": [{"code": code, "message": message, "detail": null}]});
        if let Form::OAuth = form {
            body["error"] = oauth.into();
            body["error_description"] = message.into();
        }
        let mut response = forbid_storing(typed(status, "application/json", body.to_string()));
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static(r#"Basic realm="tokens",charset="UTF-8""#);
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl From<AuthenticationError> for Refusal {
    fn from(why: AuthenticationError) -> Self {
        match why {
            AuthenticationError::TooManyFailures(wait) => Self::Later(wait),
            AuthenticationError::Busy => Self::Later(SHORTLY),
            _ => Self::AuthenticationError,
        }
    }
}

impl From<IssueError> for Refusal {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::UnknownService => Self::UnknownService,
            error @ (IssueError::NoKey | IssueError::Mint(_)) => Self::Fault(error.to_string()),
        }
    }
}

fn read_authorization(headers: &HeaderMap) -> Authorization {
    let shown = headers.get_all(header::AUTHORIZATION);
    Authorization::of(shown.iter().map(HeaderValue::as_bytes))
}

/// A form, which holds a secret.
async fn body(request: Request<Body>) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let is_form = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| {
            kind.trim()
                .eq_ignore_ascii_case("application/x-www-form-urlencoded")
        });
    if !is_form {
        return Err(Refusal::Invalid("the body is not a form"));
    }
    let collected = Limited::new(request.into_body(), LONGEST).collect();
    match tokio::time::timeout(BODY_TIME, collected).await {
        Ok(Ok(body)) => Ok(Zeroizing::new(body.to_bytes().into())),
        _ => Err(Refusal::Invalid("the body is too long, or broke off")),
    }
}
