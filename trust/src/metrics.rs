//! The metrics of this crate, each with its help text.

use crate::{events::count, follower};

/// Tells the recorder what the metrics of trust data mean. Call it once, after the recorder was
/// installed.
pub fn describe_metrics() {
    count::describe();
    follower::describe();
    metrics::describe_counter!(
        "notary_server_cache_lookups_total",
        "Look-ups of remembered metadata (labels: kind, outcome)."
    );
    metrics::describe_counter!(
        "notary_server_renewals_total",
        "Timestamps renewed in the background (labels: outcome)."
    );
    metrics::describe_gauge!(
        "notary_server_renewals_failing",
        "Repositories whose timestamp could not be renewed in the last walk."
    );
    metrics::describe_gauge!(
        "notary_server_unreadable_repositories",
        "Repositories that clients cannot read, as found in the last walk."
    );
    metrics::describe_histogram!(
        "notary_server_signer_request_duration_seconds",
        "Seconds that the signer took for a signature, or for both of a publish (labels: role, outcome)."
    );
}
