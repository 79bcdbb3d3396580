//! Pools of connections: how large they grow and what they show.

use std::time::Duration;

use sqlx::{Database, Pool, pool::PoolOptions};

/// How many connections a program keeps, and how long a request waits for one.
#[derive(Clone, Copy, Debug)]
pub struct PoolLimits {
    /// The most connections open at once.
    pub connections: u32,
    /// How long a request waits for a free connection, and for another writer to finish.
    pub wait: Duration,
}

impl Default for PoolLimits {
    /// Sixteen connections, ten seconds: an embedded database gains nothing from more readers
    /// than the machine has cores, and writers queue anyway.
    fn default() -> Self {
        Self {
            connections: 16,
            wait: Duration::from_secs(10),
        }
    }
}

impl PoolLimits {
    /// Pool options that keep connections open: opening one costs more than most statements.
    pub(crate) fn options<DB: Database>(self) -> PoolOptions<DB> {
        PoolOptions::new()
            .max_connections(self.connections)
            .acquire_timeout(self.wait)
            .idle_timeout(None)
            .max_lifetime(None)
    }

    /// Pool options for a database across a network: connections are renewed now and then, so that a
    /// database that moved is followed and one that balances its load can do so.
    pub(crate) fn remote_options<DB: Database>(self) -> PoolOptions<DB> {
        self.options()
            .idle_timeout(Duration::from_mins(10))
            .max_lifetime(Duration::from_mins(30))
    }
}

/// Sets the gauges `database_connections` and `database_connections_idle` from the pool as it is
/// now; call it when metrics are read.
pub fn record_pool<DB: Database>(pool: &Pool<DB>) {
    let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
    metrics::gauge!("database_connections").set(pool.size());
    metrics::gauge!("database_connections_idle").set(idle);
}
