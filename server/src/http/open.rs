//! Everything outside of `/v2/`, as plain axum routers: health and metrics, and the token service.
//!
//! Nothing here needs a permission. What is not found goes back to the trust API, which answers
//! unknown paths.

use axum::{
    Extension, Router,
    body::Body,
    extract::State,
    middleware::map_response,
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, any},
};
use http::{Method, Request, request::Parts as Head};

use super::{
    ApiError, Route, add_data_headers, api, health, origin::Origin, path::RouteDoc, target, token,
    ui, upload,
};
use crate::App;

/// A path, what the table of routes says of its methods, and their handlers.
struct OpenRoute {
    path: &'static str,
    docs: &'static [RouteDoc],
    serve: fn(MethodRouter<App>) -> MethodRouter<App>,
}

/// Health and metrics, which may have a listener of their own.
const MONITORING: [OpenRoute; 2] = [
    OpenRoute {
        path: "/_notary_server/health",
        docs: &[RouteDoc {
            method: "GET",
            path: "/_notary_server/health",
            permission: "none",
            operation: None,
            codes: &[],
            summary: &[
                "200 while every check passes, else 503; the body names what fails, and what is limited.",
            ],
        }],
        serve: |methods| methods.get(|State(app): State<App>| async move { health::report(&app) }),
    },
    OpenRoute {
        path: "/metrics",
        docs: &[RouteDoc {
            method: "GET",
            path: "/metrics",
            permission: "none",
            operation: None,
            codes: &[],
            summary: &["Metrics for Prometheus."],
        }],
        serve: |methods| methods.get(|State(app): State<App>| async move { health::metrics(&app) }),
    },
];

/// The token service, which authenticates by itself.
const TOKENS: [OpenRoute; 2] = [
    OpenRoute {
        path: "/auth/token",
        docs: &[
            RouteDoc {
                method: "GET",
                path: "/auth/token",
                permission: "none",
                operation: None,
                codes: &["INVALID_PARAMETERS", "UNAUTHORIZED", "TOOMANYREQUESTS"],
                summary: &[
                    "A token for the password in `Authorization`, or an anonymous one; the registry's protocol.",
                ],
            },
            RouteDoc {
                method: "POST",
                path: "/auth/token",
                permission: "none",
                operation: None,
                codes: &["INVALID_PARAMETERS", "UNAUTHORIZED", "TOOMANYREQUESTS"],
                summary: &["A token for the password or refresh token in a form; OAuth 2.0."],
            },
        ],
        serve: |methods| methods.get(issue_token).post(issue_token),
    },
    OpenRoute {
        path: "/auth/jwks.json",
        docs: &[RouteDoc {
            method: "GET",
            path: "/auth/jwks.json",
            permission: "none",
            operation: None,
            codes: &[],
            summary: &["The public keys of the token service, as a JWK set."],
        }],
        serve: |methods| methods.get(|State(app): State<App>| async move { token::jwks(&app) }),
    },
];

/// What the table of routes says of everything here.
pub(super) fn docs() -> impl Iterator<Item = &'static RouteDoc> {
    MONITORING
        .iter()
        .chain(&TOKENS)
        .flat_map(|route| route.docs)
        .chain(ui::DOCS)
}

/// Whether a request asks for health or metrics, which are asked for all the time.
pub(super) fn is_monitoring(method: &Method, route: &Route) -> bool {
    let Route::Outside(path) = route else {
        return false;
    };
    *method == Method::GET && MONITORING.iter().any(|known| known.path == path)
}

/// The router of the main listener.
pub(super) fn main_router(app: &App) -> Router {
    let mut routes: Vec<&OpenRoute> = Vec::new();
    if !app.monitoring_apart {
        routes.extend(&MONITORING);
    }
    if app.authenticator.token_service().is_some() {
        routes.extend(&TOKENS);
    }
    let data = finish(
        app,
        router(routes, || any(api::answer_unknown)).fallback(api::answer_unknown),
    );
    if app.ui.is_some() {
        data.merge(ui::router(app))
    } else {
        data
    }
}

/// The router of the listener for health and metrics.
pub(super) fn monitoring_router(app: &App) -> Router {
    let router = router(&MONITORING, || any(nothing_else));
    finish(app, router.fallback(nothing_else))
}

/// `others` answers methods that a path does not have.
fn router(
    routes: impl IntoIterator<Item = &'static OpenRoute>,
    others: fn() -> MethodRouter<App>,
) -> Router<App> {
    routes.into_iter().fold(Router::new(), |router, route| {
        router.route(route.path, (route.serve)(others()))
    })
}

fn finish(app: &App, router: Router<App>) -> Router {
    let headers = map_response(async |mut response: Response| {
        add_data_headers(&mut response);
        response
    });
    router.layer(headers).with_state(app.clone())
}

/// A request for a router here, by the path that the target means.
pub(super) fn request(path: &str, mut head: Head, body: Body, origin: &Origin) -> Request<Body> {
    if path != head.uri.path()
        && let Ok(uri) = target::location(path, head.uri.query()).parse()
    {
        head.uri = uri;
    }
    head.extensions.insert(origin.clone());
    Request::from_parts(head, body)
}

/// Answers a request to the listener for health and metrics that asks for something else.
pub(super) async fn nothing_else(State(app): State<App>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    upload::discard(&app, &head, body).await;
    ApiError::UnknownRoute.into_response()
}

async fn issue_token(
    State(app): State<App>,
    Extension(origin): Extension<Origin>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    token::answer(&app, &origin, request).await
}
