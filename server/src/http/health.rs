//! Health and metrics, which need no permission.

use axum::response::Response;
use http::StatusCode;

use super::{error::html_safe, typed};
use crate::App;

/// 200 if every check passed the last time, else 503 with the failing ones. What is limited
/// although the server serves (`"writes":"read-only"`) is named in either case.
pub(super) fn report(app: &App) -> Response {
    let failing = app.health.failing();
    let status = if failing.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let mut shown = app.health.limitations();
    shown.extend(failing);
    let json = serde_json::to_string(&shown).expect("a map of strings is JSON");
    typed(status, "application/json; charset=utf-8", html_safe(json))
}

/// What Prometheus scrapes.
pub(super) fn metrics(app: &App) -> Response {
    let pool = app.repositories.store.pool();
    metrics::gauge!("notary_server_db_connections", "state" => "open").set(f64::from(pool.open));
    metrics::gauge!("notary_server_db_connections", "state" => "idle").set(f64::from(pool.idle));
    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge is a float; the cache is far below 2^52 bytes"
    )]
    metrics::gauge!("notary_server_cache_bytes").set(app.repositories.cache.bytes() as f64);
    typed(
        StatusCode::OK,
        "text/plain; version=0.0.4; charset=utf-8",
        app.metrics.render(),
    )
}
