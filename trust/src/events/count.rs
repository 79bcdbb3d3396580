//! Counts events, for Prometheus.

use tuf::Refusal;

use super::{Cause, Event, Failure, Subscriber, What};
use crate::{
    error::{PublishError, ReadError},
    store::StoreError,
};

/// What happened.
const EVENTS: &str = "notary_server_events_total";
/// Why nothing came of what was attempted.
const REFUSALS: &str = "notary_server_refusals_total";

/// Counts every event by its kind.
pub(crate) struct Counts;

impl Subscriber for Counts {
    fn notice(&self, event: &Event<'_>) {
        metrics::counter!(EVENTS, "kind" => kind(event.what)).increment(1);
        if let What::Refused { failure, .. } = event.what {
            metrics::counter!(REFUSALS, "reason" => reason(failure)).increment(1);
        }
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

/// The reason in one word, of which there are few: a label must not grow with what clients send.
fn reason(failure: Failure<'_>) -> &'static str {
    match failure {
        Failure::Publish(error) => publish_reason(error),
        Failure::Store(error) => store_reason(error),
        Failure::Signer(_) => "signer",
    }
}

fn publish_reason(error: &PublishError) -> &'static str {
    match error {
        PublishError::Refused(refusal) => match refusal {
            Refusal::Root(_) => "root",
            Refusal::Targets(_) => "targets",
            Refusal::Snapshot(_) => "snapshot",
            Refusal::Hierarchy(_) => "hierarchy",
            Refusal::Validation(_) => "validation",
            Refusal::Stored(_) => "damaged",
        },
        PublishError::Denied(_) => "denied",
        PublishError::Read(error) => read_reason(error),
        PublishError::Signer(_) => "signer",
        PublishError::Store(error) => store_reason(error),
        PublishError::Contended(_) => "conflict",
    }
}

fn read_reason(error: &ReadError) -> &'static str {
    match error {
        ReadError::Store(error) => store_reason(error),
        ReadError::Damaged { .. } => "damaged",
        ReadError::Outdated(_) | ReadError::Contended(_) => "conflict",
        ReadError::CannotRenew { .. } | ReadError::Signer(_) => "signer",
        ReadError::NoSpace(_) => "memory",
    }
}

fn store_reason(error: &StoreError) -> &'static str {
    match error {
        StoreError::VersionExists(_) | StoreError::Moved => "conflict",
        StoreError::OtherSpelling(_) | StoreError::Unstorable => "name",
        StoreError::Database(_) => "database",
    }
}

/// Tells the recorder what the metrics mean.
pub(crate) fn describe() {
    metrics::describe_counter!(EVENTS, "What happened to trust data (labels: kind).");
    metrics::describe_counter!(
        REFUSALS,
        "Attempts to publish, delete or make a key that came to nothing, by why (labels: reason)."
    );
}
