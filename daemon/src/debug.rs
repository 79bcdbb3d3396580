//! The listener of `-debug`: health and metrics in plain HTTP, for this machine only.

use std::{collections::BTreeMap, fmt, sync::Arc};

use axum::{
    Router,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, get},
};
use http::{StatusCode, header};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    listener::{self, BindError, Limits},
    metrics::MetricsHandle,
};

/// Where Notary's debug listener is, and cannot be moved from.
pub const ADDRESS: &str = "localhost:8080";

/// Answers the failing checks by name, each with what is wrong; none of them when all is well.
#[derive(Clone)]
pub struct Health(Arc<dyn Fn() -> BTreeMap<String, String> + Send + Sync>);

impl Health {
    /// Health as `failing` tells it, whenever it is asked.
    pub fn new(failing: impl Fn() -> BTreeMap<String, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(failing))
    }

    /// The failing checks, at this moment.
    #[must_use]
    pub fn failing(&self) -> BTreeMap<String, String> {
        (self.0)()
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Health").field(&self.failing()).finish()
    }
}

/// Serves `/debug/health` and `/metrics` on `address` (usually [`ADDRESS`]) until `shutdown`.
///
/// # Errors
///
/// If the port is taken: an operator who asked for the listener must not believe in one that is not
/// there.
pub async fn start(
    address: &str,
    health: Health,
    metrics: MetricsHandle,
    shutdown: CancellationToken,
) -> Result<JoinHandle<()>, BindError> {
    let listener = listener::bind(address).await?;
    let app = app(health, metrics);
    Ok(tokio::spawn(listener::serve(
        listener,
        None,
        app,
        Limits::default(),
        shutdown,
    )))
}

fn app(health: Health, metrics: MetricsHandle) -> Router {
    // As Notary's, the health page knows GET and nothing else, not even HEAD.
    let only_get = || async { StatusCode::NOT_FOUND };
    let health_page: MethodRouter<Health> = get(show_health).head(only_get).fallback(only_get);
    Router::new()
        .route("/debug/health", health_page.with_state(health))
        .route(
            "/metrics",
            get(move || async move { show_metrics(&metrics) }),
        )
}

async fn show_health(State(health): State<Health>) -> Response {
    let failing = health.failing();
    let status = if failing.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = serde_json::to_string(&failing).expect("a map from text to text is JSON");
    (
        status,
        [(header::CONTENT_TYPE, "application/json; charset=utf-8")],
        body,
    )
        .into_response()
}

fn show_metrics(metrics: &MetricsHandle) -> Response {
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        metrics.render(),
    )
        .into_response()
}
