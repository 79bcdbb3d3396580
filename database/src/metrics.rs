//! The metrics of this crate, each with its help text.

/// Tells the recorder what the metrics of databases mean. Call it once, after the recorder was
/// installed.
pub fn describe_metrics() {
    metrics::describe_gauge!("database_connections", "Connections to the database.");
    metrics::describe_gauge!(
        "database_connections_idle",
        "Connections to the database that no statement uses."
    );
    metrics::describe_counter!(
        "database_failures_total",
        "Statements that the database failed, by what is wrong with it (labels: fault)."
    );
    metrics::describe_counter!(
        "database_retries_total",
        "Transactions that began again after a conflict with another."
    );
}
