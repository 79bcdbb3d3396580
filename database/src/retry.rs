//! Beginning again what the database took back because rivals were in each other's way.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::is_transient;

/// How often one transaction is begun again: more often than there are rivals that could have come
/// first, one after the other, in a pool of usual size.
const MOST: u32 = 20;

/// Counts how often a transaction was begun again.
///
/// ```ignore
/// let mut retries = Retries::default();
/// loop {
///     match self.insert_once(row).await {
///         Err(error) if retries.again(&error).await => {}
///         outcome => return outcome,
///     }
/// }
/// ```
#[derive(Debug, Default)]
pub struct Retries(u32);

impl Retries {
    /// Whether to begin again after `error`; waits a moment first, each time longer and everybody
    /// differently long, so that rivals get out of step.
    pub async fn again(&mut self, error: &sqlx::Error) -> bool {
        if self.0 == MOST || !is_transient(error) {
            return false;
        }
        self.0 += 1;
        metrics::counter!("database_retries_total").increment(1);
        tokio::time::sleep(self.pause()).await;
        true
    }

    fn pause(&self) -> Duration {
        static TURN: AtomicU64 = AtomicU64::new(0);
        let turn = TURN.fetch_add(1, Ordering::Relaxed);
        // Fibonacci hashing: neighbours land far apart.
        let spread = turn.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
        let most = 4_u64 << self.0.min(5);
        Duration::from_micros(500 + 1000 * most * spread / 256)
    }
}
