//! Counts events, for Prometheus.

use super::{Cause, Event, Subscriber, What};

/// The metric.
const EVENTS: &str = "notary_server_events_total";

/// Counts every event by its kind.
pub(crate) struct Counts;

impl Subscriber for Counts {
    fn notice(&self, event: &Event<'_>) {
        metrics::counter!(EVENTS, "kind" => kind(event.what)).increment(1);
    }
}

fn kind(what: What<'_>) -> &'static str {
    match what {
        What::Published { cause, .. } => match cause {
            Cause::Publish => "published",
            Cause::Repeat => "repeated",
            Cause::Renewal => "renewed",
        },
        What::RenewalFailed(_) => "renewal_failed",
        What::Deleted { .. } => "deleted",
        What::KeyCreated(_) => "key_created",
        What::KeyRotated(_) => "key_rotated",
        What::Refused { .. } => "refused",
    }
}

/// Tells the recorder what the metric means.
pub(crate) fn describe() {
    metrics::describe_counter!(EVENTS, "What happened to trust data (labels: kind).");
}
