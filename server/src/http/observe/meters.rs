//! The metrics of requests, each looked up in the recorder once.

use std::{array, sync::OnceLock, time::Duration};

use metrics::{Counter, Histogram};

use crate::http::path::{self, RouteDoc};

/// How often a permission was granted or not.
pub(super) const AUTH: &str = "notary_server_auth_total";

/// What the routes with an operation answer, with the text of the label. Others are looked up each
/// time.
const STATUSES: [(u16, &str); 9] = [
    (200, "200"),
    (301, "301"),
    (400, "400"),
    (401, "401"),
    (404, "404"),
    (414, "414"),
    (429, "429"),
    (500, "500"),
    (503, "503"),
];

/// How callers are known, or what credentials they presented.
const KINDS: [&str; 6] = [
    "anonymous",
    "user",
    "administrator",
    "certificate",
    "token",
    "unusable",
];

/// What was decided about a permission.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) enum Decided {
    /// The caller has it.
    Granted,
    /// The caller lacks it.
    Refused,
    /// The credentials are wrong.
    Failed,
}

/// The metrics of all routes, and of decisions. A counter is on the page of metrics from its first
/// count on.
pub(in crate::http) struct Meters {
    /// In the order of the table of routes.
    routes: Vec<Option<Meter>>,
    granted: [OnceLock<Counter>; KINDS.len()],
    refused: [OnceLock<Counter>; KINDS.len()],
    failed: [OnceLock<Counter>; KINDS.len()],
}

/// The metrics of one route.
pub(super) struct Meter {
    method: &'static str,
    operation: &'static str,
    requests: [OnceLock<Counter>; STATUSES.len()],
    seconds: Histogram,
    microseconds: Histogram,
    request_bytes: Histogram,
    response_bytes: Histogram,
}

impl Meters {
    /// To be made after the recorder was installed.
    pub(in crate::http) fn new() -> Self {
        Self {
            routes: path::docs().map(Meter::of).collect(),
            granted: Default::default(),
            refused: Default::default(),
            failed: Default::default(),
        }
    }

    /// The metrics of a row of the table of routes; `None` if it is not counted.
    pub(super) fn of_row(&self, row: usize) -> Option<&Meter> {
        self.routes.get(row)?.as_ref()
    }

    /// Counts a decision; `kind` is how the caller is known, or what credentials they presented.
    pub(in crate::http) fn count_decision(&self, decided: Decided, kind: &'static str) {
        let (outcome, counters) = match decided {
            Decided::Granted => ("granted", &self.granted),
            Decided::Refused => ("refused", &self.refused),
            Decided::Failed => ("failed", &self.failed),
        };
        let look_up = || metrics::counter!(AUTH, "outcome" => outcome, "kind" => kind);
        match KINDS.iter().position(|known| *known == kind) {
            Some(at) => counters[at].get_or_init(look_up).increment(1),
            None => look_up().increment(1),
        }
    }
}

impl Meter {
    fn of(route: &RouteDoc) -> Option<Self> {
        let operation = route.operation?;
        let histogram = |name| metrics::histogram!(name, "operation" => operation);
        Some(Self {
            method: match route.method {
                "GET" => "get",
                "POST" => "post",
                "DELETE" => "delete",
                _ => "other",
            },
            operation,
            requests: array::from_fn(|_| OnceLock::new()),
            seconds: histogram("notary_server_http_request_duration_seconds"),
            microseconds: histogram("notary_server_http_request_duration_microseconds"),
            request_bytes: histogram("notary_server_http_request_size_bytes"),
            response_bytes: histogram("notary_server_http_response_size_bytes"),
        })
    }

    /// Whether a success changes trust data.
    pub(super) fn is_change(&self) -> bool {
        self.method != "get"
    }

    /// Counts an answer.
    pub(super) fn count(&self, status: u16, size: u64, written: u64, took: Duration) {
        match STATUSES.iter().position(|(known, _)| *known == status) {
            Some(at) => {
                let counter = &self.requests[at];
                let code = STATUSES[at].1;
                counter
                    .get_or_init(|| self.counter(code.into()))
                    .increment(1);
            }
            None => self.counter(status.to_string().into()).increment(1),
        }
        self.seconds.record(took);
        self.microseconds.record(took.as_secs_f64() * 1e6);
        #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52 bytes")]
        {
            self.request_bytes.record(size as f64);
            self.response_bytes.record(written as f64);
        }
    }

    fn counter(&self, code: metrics::SharedString) -> Counter {
        metrics::counter!(
            "notary_server_http_requests_total",
            "code" => code, "method" => self.method, "operation" => self.operation,
        )
    }
}
