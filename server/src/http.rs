//! HTTP: from a request to a [`Route`], to an answer, and the log line and metrics of each.

mod changefeed;
mod error;
mod health;
mod keys;
mod metadata;
mod multipart;
mod observe;
mod path;
mod upload;

use std::{convert::Infallible, panic::AssertUnwindSafe, time::Instant};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt as _;
use http::{HeaderValue, Method, Request, StatusCode, header};
use tracing::Instrument as _;
use tuf::Gun;

pub use error::ApiError;
pub(crate) use observe::register as register_metrics;
pub use path::{GunName, RoleName, Route, route};

use crate::App;

tokio::task_local! {
    /// The id of the request being answered, for calls made on its behalf.
    pub(crate) static REQUEST_ID: String;
}

/// Answers one request. A fault of ours, a panic included, ends in an answer and never in a dropped
/// connection or a dead process.
pub async fn answer(app: App, request: Request<Body>) -> Result<Response, Infallible> {
    let started = Instant::now();
    let route = path::route(
        request.method(),
        request.uri().path(),
        request.uri().query(),
    );
    let observed = observe::Observed::new(&request, &route);
    let id = observed.request_id().to_owned();
    let span = observed.span();
    let work = async {
        let outcome = AssertUnwindSafe(dispatch(&app, &route, request))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err(ApiError::Internal("a request handler panicked".into())));
        let mut response = outcome.unwrap_or_else(IntoResponse::into_response);
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert("x-request-id", id);
        }
        observed.finish(&response, started.elapsed());
        response
    };
    Ok(REQUEST_ID.scope(id.clone(), work.instrument(span)).await)
}

async fn dispatch(app: &App, route: &Route, request: Request<Body>) -> Result<Response, ApiError> {
    if let Some(gun) = route.gun() {
        prefix_filter(app, route, gun)?;
    }
    match route {
        Route::Ping => Ok(text("{}")),
        Route::Publish(gun) => upload::publish(app, &gun.gun_to_write()?, request).await,
        Route::Delete(gun) => metadata::delete(app, gun).await,
        Route::ByChecksum(gun, role, sha256) => {
            metadata::by_checksum(app, gun, role, sha256.as_ref()).await
        }
        Route::ByVersion(gun, role, version) => metadata::by_version(app, gun, role, version).await,
        Route::Current(gun, role) => metadata::current(app, gun, role).await,
        Route::Key(gun, role) => keys::current(app, &gun.gun_to_write()?, role).await,
        Route::RotateKey(gun, role) => keys::rotate(app, &gun.gun_to_write()?, role).await,
        Route::Changes(gun) => changefeed::page(app, gun.as_ref(), request.uri().query()).await,
        Route::Health => Ok(health::report(app)),
        Route::Metrics => Ok(health::metrics(app)),
        Route::Unknown => Err(ApiError::UnknownRoute),
        Route::UnknownPlain => Ok(page_not_found()),
        Route::MethodNotAllowed => Ok(empty(StatusCode::METHOD_NOT_ALLOWED)),
        Route::Redirect(to) => redirect(to),
    }
}

/// Refuses GUNs outside of the configured prefixes, before anything else is looked at.
fn prefix_filter(app: &App, route: &Route, gun: &GunName) -> Result<(), ApiError> {
    let prefixes = &app.gun_prefixes;
    if prefixes.is_empty()
        || prefixes
            .iter()
            .any(|p| gun.as_str().starts_with(p.as_str()))
    {
        return Ok(());
    }
    match route {
        Route::Publish(_) => Err(ApiError::InvalidGun(format!("[{}]", prefixes.join(" ")))),
        _ => Err(ApiError::UnknownRoute),
    }
}

impl GunName {
    /// The GUN, for a request that would create something under it.
    fn gun_to_write(&self) -> Result<Gun, ApiError> {
        Ok(Gun::parse(self.as_str())?)
    }
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
    let mut response = typed(
        StatusCode::NOT_FOUND,
        "text/plain; charset=utf-8",
        "404 page not found\n",
    );
    response.headers_mut().insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
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
