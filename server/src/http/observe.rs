//! What is written down about each request: one log line, and the metrics Notary has.
//!
//! Most requests leave no line, so nothing here makes text before a line is written; and the
//! metrics of every route are looked up once.

mod meters;
mod request_id;

use std::{
    fmt::{self, Display},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use axum::{body::Body, response::Response};
use daemon::logging::{Context, context};
use database::Lane;
use http::{HeaderValue, Method, Uri, header, request::Parts as Head};
use http_body::Body as _;
use meters::{AUTH, Meter};
pub(super) use meters::{Decided, Meters};
use tracing::Level;
use trust::signer::REQUEST_ID;

use super::{Route, method_label, path};
use crate::health;

/// A request on its way to an answer.
pub(super) struct Observed {
    request: Arc<Asked>,
    row: Option<usize>,
    gun: Option<path::GunName>,
    role: Option<path::RoleText>,
    size: u64,
    is_quiet: bool,
}

/// What the lines of a request say of it.
pub(super) struct Asked {
    id: Arc<str>,
    method: Method,
    uri: Uri,
    /// Whether the query is logged. Where it means nothing, it may hold a misplaced password.
    shows_query: bool,
    host: Option<HeaderValue>,
    user_agent: Option<HeaderValue>,
    remote: IpAddr,
}

impl Observed {
    /// Health and metrics are asked for all the time: `is_quiet` keeps them out of the log.
    pub(super) fn new(
        head: &Head,
        body: &Body,
        route: &Route,
        remote: IpAddr,
        is_quiet: bool,
    ) -> Self {
        Self {
            request: Arc::new(Asked::new(head, route, remote)),
            row: route.row(),
            gun: route.gun().cloned(),
            role: route.role(),
            size: request_size(head, body),
            is_quiet,
        }
    }

    pub(super) fn request_id(&self) -> &Arc<str> {
        &self.request.id
    }

    /// What every log line of this request says.
    pub(super) fn context(&self) -> Arc<dyn Context> {
        Arc::clone(&self.request) as Arc<dyn Context>
    }

    /// Writes the line of the request, and counts it.
    pub(super) fn finish(&self, meters: &Meters, response: &Response, took: Duration) {
        let status = response.status();
        let written = response.body().size_hint().exact().unwrap_or_default();
        let meter = self.row.and_then(|row| meters.of_row(row));
        if meter.is_some_and(Meter::is_change) && status == 200 {
            // It has a line of its own, with the same request id.
            tracing::debug!(http.response.duration = ?took, "response completed");
        } else if !self.is_quiet && tracing::enabled!(Level::INFO) {
            self.tell(status.as_u16(), written, took);
        }
        if let Some(meter) = meter {
            meter.count(status.as_u16(), self.size, written, took);
        }
    }

    fn tell(&self, status: u16, written: u64, took: Duration) {
        let request = &self.request;
        let operation = self.row.and_then(path::operation);
        tracing::info!(
            gun = self.gun.as_ref().map(path::GunName::as_str).unwrap_or_default(),
            role = self.role.as_ref().map(path::RoleText::as_str).unwrap_or_default(),
            operation = operation.unwrap_or_default(),
            http.request.host = request.host(),
            http.request.useragent = text(request.user_agent.as_ref()),
            http.response.status = status,
            http.response.written = written,
            http.response.duration = ?took,
            "response completed"
        );
    }
}

impl Asked {
    fn new(head: &Head, route: &Route, remote: IpAddr) -> Self {
        // Shares the memory of the request's head.
        let header = |name| head.headers.get(name).cloned();
        Self {
            id: request_id::of(&head.headers),
            method: head.method.clone(),
            uri: head.uri.clone(),
            shows_query: matches!(route, Route::Changes(_) | Route::AllChanges),
            host: header(header::HOST),
            user_agent: header(header::USER_AGENT),
            remote,
        }
    }

    fn host(&self) -> &str {
        let authority = self.uri.authority().map(http::uri::Authority::as_str);
        authority.unwrap_or_else(|| text(self.host.as_ref()))
    }

    fn loggable_uri(&self) -> &str {
        let whole = self.uri.path_and_query().filter(|_| self.shows_query);
        whole.map_or(self.uri.path(), http::uri::PathAndQuery::as_str)
    }
}

impl Context for Asked {
    fn tell(&self, field: &mut dyn FnMut(&'static str, &dyn Display)) {
        field("http.request.id", &self.id);
        field("http.request.method", &method_label(&self.method));
        field("http.request.uri", &self.loggable_uri());
        field("http.request.remoteaddr", &self.remote);
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Asked").field(&self.id).finish()
    }
}

/// Runs `work`, which writes, to its end, even if the client hangs up: what is committed is also
/// told and remembered.
pub(super) async fn finish<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let id = REQUEST_ID.try_with(Clone::clone).unwrap_or_default();
    let work = REQUEST_ID.scope(id, Lane::Write.within(work));
    let task = match context::current() {
        Some(context) => tokio::spawn(context::within(context, work)),
        None => tokio::spawn(work),
    };
    task.await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// The text of a header; empty if it is none, or not there.
fn text(value: Option<&HeaderValue>) -> &str {
    value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// Tells the recorder what the metrics of this crate mean, and registers those of all operations,
/// so that they are there from the start. Call it once, after the recorder was installed.
pub fn describe_metrics() {
    webhooks::describe_metrics();
    metrics::describe_counter!(
        "notary_server_http_requests_total",
        "Total number of HTTP requests made (labels: code, method, operation)."
    );
    for (name, help) in [
        (
            "notary_server_http_request_duration_microseconds",
            "The HTTP request latencies in microseconds (labels: operation).",
        ),
        (
            "notary_server_http_request_size_bytes",
            "The HTTP request sizes in bytes (labels: operation).",
        ),
        (
            "notary_server_http_response_size_bytes",
            "The HTTP response sizes in bytes (labels: operation).",
        ),
        (
            "notary_server_http_request_duration_seconds",
            "The HTTP request latencies in seconds (labels: operation).",
        ),
    ] {
        metrics::describe_histogram!(name, help);
        for operation in path::docs().filter_map(|route| route.operation) {
            let _ = metrics::histogram!(name, "operation" => operation);
        }
    }
    metrics::describe_counter!(
        AUTH,
        "Requests by whether they were authorized, and by how the caller authenticated \
         (labels: outcome, kind)."
    );
    metrics::describe_counter!(
        "notary_server_audit_failures_total",
        "Lines that could not be written to the audit file."
    );
    metrics::describe_counter!(
        "notary_server_audit_chain_failures_total",
        "Attempts to store the newest line of the audit log in the database that failed."
    );
    metrics::describe_gauge!(
        "notary_server_certificate_seconds_left",
        "Seconds until the server's own certificate expires; negative once it has."
    );
    metrics::describe_gauge!(
        "notary_server_signer_client_certificate_seconds_left",
        "Seconds until the certificate that the server shows its signer expires; negative once it has."
    );
    metrics::describe_gauge!("notary_server_build_info", "1 (labels: version).");
    metrics::gauge!("notary_server_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    health::describe_metrics();
    metrics::describe_gauge!(
        "notary_server_cache_bytes",
        "Bytes of metadata held in memory."
    );
    metrics::describe_gauge!(
        "notary_server_db_connections",
        "Connections to the database (labels: state)."
    );
}

/// The size of a request, roughly as the Go client library of Prometheus counts it.
fn request_size(head: &Head, body: &Body) -> u64 {
    let headers: usize = head
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    let line = head.uri.path().len() + head.method.as_str().len();
    (headers + line) as u64 + body.size_hint().lower()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::http::route;

    fn logged(uri: &str) -> String {
        let (head, ()) = Request::get(uri).body(()).unwrap().into_parts();
        let route = route(&head.method, head.uri.path(), head.uri.query());
        let asked = Asked::new(&head, &route, [192, 0, 2, 1].into());
        asked.loggable_uri().to_owned()
    }

    #[test]
    fn no_password_in_a_query_gets_into_the_log() {
        for path in ["/auth/token", "/auth/token/", "//auth/token", "/v2/", "/x"] {
            assert_eq!(logged(&format!("{path}?password=secret")), path);
        }
        let changes = "/v2/_trust/changefeed?page_size=7";
        assert_eq!(logged(changes), changes);
    }
}
