//! What webhooks tell of themselves. Names of receivers come from the configuration, so there are
//! few.

use metrics::{counter, describe_counter, describe_gauge, gauge};

/// How a delivery ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    Delivered,
    Failed,
    /// Best effort was not enough.
    Dropped,
}

/// Describes the metrics, once the recorder is installed.
pub fn describe_metrics() {
    describe_counter!(
        "notary_server_webhook_deliveries_total",
        "Attempts to deliver an event to a webhook (labels: outcome, webhook)."
    );
    describe_gauge!(
        "notary_server_webhook_oldest_seconds",
        "Age of the oldest event that a webhook did not take yet; 0 where another server delivers (labels: webhook)."
    );
    describe_gauge!(
        "notary_server_webhook_parked",
        "Repositories and deadlines whose events are no longer tried for a webhook, until `webhook retry` (labels: webhook)."
    );
}

pub(crate) fn count(webhook: &str, ending: Ending) {
    let outcome = match ending {
        Ending::Delivered => "delivered",
        Ending::Failed => "failed",
        Ending::Dropped => "dropped",
    };
    let webhook = webhook.to_owned();
    counter!("notary_server_webhook_deliveries_total", "webhook" => webhook, "outcome" => outcome)
        .increment(1);
}

#[expect(
    clippy::cast_precision_loss,
    reason = "ages and numbers of rows are far below 2^52"
)]
pub(crate) fn tell(webhook: &str, oldest: i64, parked: usize) {
    let name = webhook.to_owned();
    gauge!("notary_server_webhook_oldest_seconds", "webhook" => name).set(oldest.max(0) as f64);
    let name = webhook.to_owned();
    gauge!("notary_server_webhook_parked", "webhook" => name).set(parked as f64);
}
