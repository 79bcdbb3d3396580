//! HTTP: from a request to a [`Route`], to an answer, and the log line and metrics of each.
//!
//! `path` finds the route and holds the table of routes; `api` grants what a route below `/v2/`
//! needs and calls its handler; `open` is everything else, as plain axum routers.

mod api;
mod audited;
mod changefeed;
mod error;
mod grant;
mod health;
mod keys;
mod metadata;
pub mod multipart;
mod observe;
mod open;
mod origin;
mod path;
mod state;
mod target;
mod token;
mod ui;
mod upload;
mod v1;

use std::{convert::Infallible, panic::AssertUnwindSafe, sync::Arc, time::Instant};

pub use audited::Audited;
use axum::{
    Router,
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use daemon::logging::context::within;
use database::Lane;
pub use error::{ApiError, ErrorKind, error_kinds};
use futures_util::FutureExt as _;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header, request::Parts as Head};
pub use observe::describe_metrics;
use origin::{Origin, Surroundings};
pub use path::{GunName, RoleName, RoleText, Route, RouteDoc, route};
pub use state::{App, Parts};
use tower::ServiceExt as _;
use trust::signer::REQUEST_ID;
pub use ui::Ui;

/// What a listener serves; cheap to clone.
#[derive(Clone)]
pub struct Endpoint {
    app: App,
    /// The trust API, or nothing of it.
    has_api: bool,
    /// Everything outside of `/v2/`.
    outside: Router,
}

impl Endpoint {
    /// The trust API and everything beside it.
    #[must_use]
    pub fn main(app: App) -> Self {
        Self {
            outside: open::main_router(&app),
            has_api: true,
            app,
        }
    }

    /// Health and metrics alone.
    #[must_use]
    pub fn monitoring(app: App) -> Self {
        Self {
            outside: open::monitoring_router(&app),
            has_api: false,
            app,
        }
    }

    /// Answers one request. A fault of ours, a panic included, ends in an answer and never in a
    /// dropped connection or a dead process.
    pub async fn answer(self, request: Request<Body>) -> Result<Response, Infallible> {
        let started = Instant::now();
        let route = path::route(
            request.method(),
            request.uri().path(),
            request.uri().query(),
        );
        let (head, body) = request.into_parts();
        let origin = Origin::of(&head, surroundings(&self.app));
        let is_quiet = open::is_monitoring(&head.method, &route);
        let observed = observe::Observed::new(&head, &body, &route, origin.address, is_quiet);
        let (id, context) = (Arc::clone(observed.request_id()), observed.context());
        let work = async {
            let mut response = AssertUnwindSafe(self.dispatch(route, head, body, &origin))
                .catch_unwind()
                .await
                .unwrap_or_else(|_| answer_panic());
            if let Ok(id) = HeaderValue::from_str(observed.request_id()) {
                response.headers_mut().insert(REQUEST_ID_HEADER, id);
            }
            observed.finish(self.app.meters(), &response, started.elapsed());
            response
        };
        Ok(within(context, REQUEST_ID.scope(id, work)).await)
    }

    async fn dispatch(&self, route: Route, head: Head, body: Body, origin: &Origin) -> Response {
        match route {
            Route::Outside(path) => {
                let request = open::request(&path, head, body, origin);
                let answer = self.outside.clone().oneshot(request).await;
                answer.unwrap_or_else(|never| match never {})
            }
            Route::Api if self.has_api && self.app.has_v1 => {
                Lane::Read
                    .within(v1::answer(&self.app, head, body, origin))
                    .await
            }
            route if self.has_api => {
                let lane = api::lane(&route);
                let answer = api::answer(&self.app, route, head, body, origin);
                lane.within(answer).await
            }
            _ => {
                let request = Request::from_parts(head, body);
                let mut response = open::nothing_else(State(self.app.clone()), request).await;
                add_data_headers(&mut response);
                response
            }
        }
    }
}

fn answer_panic() -> Response {
    let mut response = ApiError::Internal("a request handler panicked".into()).into_response();
    add_data_headers(&mut response);
    response
}

/// The id under which logs know the request.
const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Room for the headers of an ordinary answer, so that their map need not grow.
const MOST_HEADERS: usize = 12;

/// Headers of answers that are data. A browser that is led here must not guess a type, run anything
/// or tell where it came from.
const DATA_HEADERS: [(HeaderName, &str); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// For the routers whose answers are all data; pages for browsers need headers of their own.
fn add_data_headers(response: &mut Response) {
    for (name, value) in DATA_HEADERS {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
}

/// What the table of routes says of every route, for the reference in `docs/http.md`.
pub fn route_docs() -> impl Iterator<Item = &'static RouteDoc> {
    path::docs().chain(v1::docs()).chain(open::docs())
}

fn surroundings(app: &App) -> Surroundings<'_> {
    Surroundings {
        trusted_proxies: &app.trusted_proxies,
        is_tls: app.is_tls,
    }
}

/// A body of text, with the type that Notary sends for everything that is not an error.
fn text(body: impl Into<Body>) -> Response {
    typed(StatusCode::OK, "text/plain; charset=utf-8", body)
}

fn typed(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.reserve(MOST_HEADERS);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// The answer, which no cache may keep: it is for this caller, or for this moment.
fn forbid_storing(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
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
