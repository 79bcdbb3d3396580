//! What is written down about each request: one log line, and the metrics Notary has.

use std::{net::IpAddr, time::Duration};

use axum::{body::Body, response::Response};
use http::{HeaderMap, header, request::Parts as Head};
use http_body::Body as _;
use tracing::Span;
use uuid::Uuid;

use super::{Route, method_label, path};

/// How often a permission was granted or not.
const AUTH: &str = "notary_server_auth_total";

/// The longest request id taken from a client; longer ones are replaced.
const LONGEST_ID: usize = 128;

/// A request on its way to an answer.
pub(super) struct Observed {
    request_id: String,
    operation: Option<&'static str>,
    method: &'static str,
    size: u64,
    gun: String,
    role: String,
    host: String,
    uri: String,
    user_agent: String,
    remote: String,
    is_quiet: bool,
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
        let text = |name| {
            text_header(&head.headers, name)
                .unwrap_or_default()
                .to_owned()
        };
        let host = head.uri.authority().map(ToString::to_string);
        Self {
            request_id: request_id(&head.headers),
            operation: route.operation(),
            method: method_label(&head.method),
            size: request_size(head, body),
            gun: route
                .gun()
                .map(|gun| gun.as_str().to_owned())
                .unwrap_or_default(),
            role: route.role().unwrap_or_default().to_owned(),
            host: host.unwrap_or_else(|| text(header::HOST.as_str())),
            uri: loggable_uri(head, route),
            user_agent: text(header::USER_AGENT.as_str()),
            remote: remote.to_string(),
            is_quiet,
        }
    }

    pub(super) fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The span that every log line of this request carries.
    pub(super) fn span(&self) -> Span {
        tracing::info_span!(
            "request",
            http.request.id = %self.request_id,
            http.request.method = self.method,
            http.request.uri = %self.uri,
            http.request.remoteaddr = %self.remote,
        )
    }

    /// Writes the line of the request, and counts it.
    pub(super) fn finish(&self, response: &Response, took: Duration) {
        let status = response.status().as_u16();
        let written = response.body().size_hint().exact().unwrap_or_default();
        if self.is_told_as_a_change(status) {
            tracing::debug!(http.response.duration = ?took, "response completed");
        } else if !self.is_quiet {
            tracing::info!(
                gun = %self.gun,
                role = %self.role,
                operation = self.operation.unwrap_or_default(),
                http.request.host = %self.host,
                http.request.useragent = %self.user_agent,
                http.response.status = status,
                http.response.written = written,
                http.response.duration = ?took,
                "response completed"
            );
        }
        if let Some(operation) = self.operation {
            self.count(operation, status, written, took);
        }
    }

    /// Whether the request changed trust data, which has a line of its own with the same request id.
    fn is_told_as_a_change(&self, status: u16) -> bool {
        let is_change = matches!(
            self.operation,
            Some("UpdateTUF" | "DeleteTUF" | "RotateKey")
        );
        is_change && status == 200
    }

    fn count(&self, operation: &'static str, status: u16, written: u64, took: Duration) {
        metrics::counter!(
            "notary_server_http_requests_total",
            "code" => status.to_string(), "method" => self.method, "operation" => operation,
        )
        .increment(1);
        metrics::histogram!("notary_server_http_request_duration_seconds", "operation" => operation)
            .record(took.as_secs_f64());
        summary(
            operation,
            "notary_server_http_request_duration_microseconds",
            took.as_secs_f64() * 1e6,
        );
        #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52 bytes")]
        {
            summary(
                operation,
                "notary_server_http_request_size_bytes",
                self.size as f64,
            );
            summary(
                operation,
                "notary_server_http_response_size_bytes",
                written as f64,
            );
        }
    }
}

/// A query is logged where it means something: elsewhere it may hold a misplaced password.
fn loggable_uri(head: &Head, route: &Route) -> String {
    match route {
        Route::Changes(_) | Route::AllChanges => head.uri.path_and_query().map(ToString::to_string),
        _ => None,
    }
    .unwrap_or_else(|| head.uri.path().to_owned())
}

fn summary(operation: &'static str, name: &'static str, value: f64) {
    metrics::histogram!(name, "operation" => operation).record(value);
}

/// Counts a decision: `outcome` is `granted`, `refused` (without the permission) or `failed` (wrong
/// credentials); `kind` is how the caller is known, or what credentials they presented.
pub(super) fn count_decision(outcome: &'static str, kind: &'static str) {
    metrics::counter!(AUTH, "outcome" => outcome, "kind" => kind).increment(1);
}

/// Tells the recorder what the metrics of this crate mean, and registers those of all operations,
/// so that they are there from the start. Call it once, after the recorder was installed.
pub fn describe_metrics() {
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
    metrics::describe_gauge!(
        "notary_server_certificate_seconds_left",
        "Seconds until the server's own certificate expires; negative once it has."
    );
    metrics::describe_gauge!(
        "notary_server_cache_bytes",
        "Bytes of metadata held in memory."
    );
    metrics::describe_gauge!(
        "notary_server_db_connections",
        "Connections to the database (labels: state)."
    );
}

/// The id the client or a proxy gave the request, if it is one that is safe to log; else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let is_safe = |id: &&str| {
        (1..=LONGEST_ID).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
    };
    text_header(headers, "x-request-id")
        .filter(is_safe)
        .map_or_else(|| Uuid::new_v4().to_string(), ToOwned::to_owned)
}

fn text_header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
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
        let (head, body) = Request::get(uri).body(Body::empty()).unwrap().into_parts();
        let route = route(&head.method, head.uri.path(), head.uri.query());
        Observed::new(&head, &body, &route, [192, 0, 2, 1].into(), false).uri
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
