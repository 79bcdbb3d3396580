//! How much there is of everything, as gauges for Prometheus. No label names a repository: there is
//! no bound to their number, and their names may be confidential.

use std::{sync::Arc, time::Duration};

use time::OffsetDateTime;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use trust::{Clock, store::StoreError};

use crate::{Tables, Tally};

const REPOSITORIES: &str = "notary_server_inventory_repositories";
const EXPIRING: &str = "notary_server_inventory_expiring_roles";
const FIRST: &str = "notary_server_inventory_first_expiry_timestamp_seconds";
const AGE: &str = "notary_server_inventory_age_seconds";

/// How long to rest between two counts, at least.
const REST: Duration = Duration::from_secs(30);
/// How many times as long as a count took, at least: counting costs a large database no more than
/// one part in a hundred of one connection.
const REST_BY_COST: u32 = 100;

/// Tells the recorder what the metrics of the inventory mean.
pub fn describe_metrics() {
    metrics::describe_gauge!(
        REPOSITORIES,
        "Repositories in the inventory, by how they are (labels: health)."
    );
    metrics::describe_gauge!(
        EXPIRING,
        "Roles that expire within so many days, those that have expired included, by who renews them (labels: owner, days)."
    );
    metrics::describe_gauge!(
        FIRST,
        "When the first of these roles expires, in seconds since 1970; +Inf if there is none (labels: owner)."
    );
    metrics::describe_gauge!(
        AGE,
        "Seconds since the inventory was last known to say what is stored; +Inf before it was filled."
    );
}

/// Counts what is in the tables, again and again. Nothing is told as long as there are no tables.
pub struct Gauges {
    tables: Arc<dyn Tables>,
    clock: Clock,
    /// When the tables last reached the end of the changefeed; `None` before they could be read.
    reached_at: Option<f64>,
}

impl Gauges {
    /// Of what is in `tables`.
    #[must_use]
    pub fn new(
        tables: Arc<dyn Tables>,
        clock: impl Fn() -> OffsetDateTime + Send + Sync + 'static,
    ) -> Self {
        Self {
            tables,
            clock: Arc::new(clock),
            reached_at: None,
        }
    }

    /// Counts until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let counting = async {
            loop {
                let start = Instant::now();
                if let Err(error) = self.set_once().await {
                    // The follower says so where people look.
                    tracing::debug!(%error, "cannot count what is in the inventory");
                }
                tokio::time::sleep(REST.max(start.elapsed() * REST_BY_COST)).await;
            }
        };
        shutdown.run_until_cancelled(counting).await;
    }

    /// Counts once.
    ///
    /// # Errors
    ///
    /// If the tables cannot be read. The age goes on growing then, if they ever were.
    pub async fn set_once(&mut self) -> Result<(), StoreError> {
        let counted = self.count().await;
        if let Some(reached_at) = self.reached_at {
            let now = (self.clock)().unix_timestamp();
            metrics::gauge!(AGE).set((seconds(now) - reached_at).max(0.0));
        }
        counted
    }

    async fn count(&mut self) -> Result<(), StoreError> {
        let position = self.tables.position().await?;
        let reached = position.map(|position| seconds(position.reached_at));
        self.reached_at = Some(reached.unwrap_or(f64::NEG_INFINITY));
        let tally = self.tables.tally((self.clock)()).await?;
        for (health, count) in &tally.repositories {
            metrics::gauge!(REPOSITORIES, "health" => health.word()).set(number(*count));
        }
        for (owner, expiring) in &tally.expiring {
            let owner = owner.word();
            for (days, count) in Tally::DAYS.iter().zip(expiring.within) {
                let days = days.to_string();
                metrics::gauge!(EXPIRING, "owner" => owner, "days" => days).set(number(count));
            }
            let first = expiring
                .first
                .map_or(f64::INFINITY, |first| seconds(first.unix_timestamp()));
            metrics::gauge!(FIRST, "owner" => owner).set(first);
        }
        Ok(())
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "gauges are numbers of this kind"
)]
fn seconds(since_1970: i64) -> f64 {
    since_1970 as f64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "gauges are numbers of this kind"
)]
fn number(count: u64) -> f64 {
    count as f64
}
