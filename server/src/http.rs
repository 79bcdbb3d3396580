//! HTTP: from a request to a [`Route`], to an answer, and the log line and metrics of each.

mod audited;
mod changefeed;
mod error;
mod grant;
mod health;
mod keys;
mod metadata;
mod multipart;
mod observe;
mod origin;
mod path;
mod state;
mod token;
mod upload;

use std::{convert::Infallible, panic::AssertUnwindSafe, time::Instant};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt as _;
use grant::{Admitted, Authenticated, Granted, Open};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header, request::Parts as Head};
use origin::{Origin, Surroundings};
use tracing::Instrument as _;
use trust::signer::REQUEST_ID;

pub use error::ApiError;
pub(crate) use observe::register as register_metrics;
pub use path::{GunName, RoleName, Route, route};
pub use state::{App, Parts};

/// Which listener a request came in by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listener {
    Main,
    Monitoring,
}

/// Answers one request. A fault of ours, a panic included, ends in an answer and never in a dropped
/// connection or a dead process.
pub async fn answer(app: App, request: Request<Body>) -> Result<Response, Infallible> {
    Ok(respond(app, request, Listener::Main).await)
}

/// Answers one request of the listener that is there for health and metrics alone.
pub async fn answer_monitoring(app: App, request: Request<Body>) -> Result<Response, Infallible> {
    Ok(respond(app, request, Listener::Monitoring).await)
}

async fn respond(app: App, request: Request<Body>, listener: Listener) -> Response {
    let started = Instant::now();
    let route = path::route(
        request.method(),
        request.uri().path(),
        request.uri().query(),
    );
    let (head, body) = request.into_parts();
    let origin = Origin::of(&head, surroundings(&app));
    let observed = observe::Observed::new(&head, &body, &route, origin.address);
    let id = observed.request_id().to_owned();
    let span = observed.span();
    let work = async {
        let outcome = AssertUnwindSafe(routed(&app, listener, route, head, body, &origin))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err(ApiError::Internal("a request handler panicked".into())));
        let mut response = outcome.unwrap_or_else(IntoResponse::into_response);
        let headers = response.headers_mut();
        for (name, value) in ON_EVERY_ANSWER {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if let Ok(id) = HeaderValue::from_str(&id) {
            headers.insert("x-request-id", id);
        }
        observed.finish(&response, started.elapsed());
        response
    };
    REQUEST_ID.scope(id.clone(), work.instrument(span)).await
}

/// Answers are data. A browser that is led here shall neither guess a type, run anything nor tell where
/// it came from.
const ON_EVERY_ANSWER: [(HeaderName, &str); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
];

fn surroundings(app: &App) -> Surroundings<'_> {
    Surroundings {
        trusted_proxies: &app.trusted_proxies,
        public_url: app.public_url.as_deref(),
        is_tls: app.is_tls,
    }
}

async fn routed(
    app: &App,
    listener: Listener,
    route: Route,
    head: Head,
    body: Body,
    origin: &Origin,
) -> Result<Response, ApiError> {
    let admitted = match listener {
        Listener::Main => grant::admit(app, route, &head, origin).await,
        Listener::Monitoring => grant::admit_monitoring(&route),
    };
    match admitted {
        Ok(admitted) => dispatch(app, admitted, Request::from_parts(head, body), origin).await,
        Err(refusal) => {
            upload::discard(app, &head, body).await;
            Err(refusal)
        }
    }
}

async fn dispatch(
    app: &App,
    admitted: Admitted,
    request: Request<Body>,
    origin: &Origin,
) -> Result<Response, ApiError> {
    match admitted {
        Admitted::Ping(granted) => Ok(pong(&granted)),
        Admitted::Publish(granted) => upload::publish(app, granted, request).await,
        Admitted::Delete(granted) => metadata::delete(app, &granted).await,
        Admitted::ByChecksum(granted, role, sha256) => {
            metadata::by_checksum(app, &granted, &role, sha256.as_ref()).await
        }
        Admitted::ByVersion(granted, role, version) => {
            metadata::by_version(app, &granted, &role, &version).await
        }
        Admitted::Current(granted, role) => metadata::current(app, &granted, &role).await,
        Admitted::Key(granted, role) => keys::current(app, &granted, &role).await,
        Admitted::RotateKey(granted, role) => keys::rotate(app, &granted, &role).await,
        Admitted::Changes(granted) => {
            changefeed::of_one(app, &granted, request.uri().query()).await
        }
        Admitted::AllChanges(granted) => {
            changefeed::of_all(app, &granted, request.uri().query()).await
        }
        Admitted::Unknown(granted) => Err(nothing_here(&granted)),
        Admitted::Open(open) => open_to_all(app, open, request, origin).await,
    }
}

async fn open_to_all(
    app: &App,
    open: Open,
    request: Request<Body>,
    origin: &Origin,
) -> Result<Response, ApiError> {
    match open {
        Open::Health => Ok(health::report(app)),
        Open::Metrics => Ok(health::metrics(app)),
        Open::Token => token::answer(app, origin, request).await,
        Open::Jwks => token::jwks(app),
        Open::UnknownPlain => Ok(page_not_found()),
        Open::MethodNotAllowed => Ok(empty(StatusCode::METHOD_NOT_ALLOWED)),
        Open::TooLong => Err(ApiError::TargetTooLong),
        Open::Redirect(to) => redirect(&to),
    }
}

fn pong(_: &Granted<Authenticated>) -> Response {
    text("{}")
}

fn nothing_here(_: &Granted<Authenticated>) -> ApiError {
    ApiError::UnknownRoute
}

/// A body of text, with the type that Notary sends for everything that is not an error.
fn text(body: impl Into<Body>) -> Response {
    typed(StatusCode::OK, "text/plain; charset=utf-8", body)
}

fn typed(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn page_not_found() -> Response {
    typed(
        StatusCode::NOT_FOUND,
        "text/plain; charset=utf-8",
        "404 page not found\n",
    )
}

/// The answer, which nobody may keep: it is for this caller, or for this moment.
fn not_stored(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn redirect(to: &str) -> Result<Response, ApiError> {
    let to = HeaderValue::from_str(to).map_err(|_| ApiError::UnknownRoute)?;
    let mut response = empty(StatusCode::MOVED_PERMANENTLY);
    response.headers_mut().insert(header::LOCATION, to);
    Ok(response)
}

/// The name of a method in metrics: the known ones in lower case, so that no client can invent
/// labels.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "get",
        Method::POST => "post",
        Method::DELETE => "delete",
        Method::HEAD => "head",
        Method::PUT => "put",
        _ => "other",
    }
}
