//! Trying again where rivals came first.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

/// How often something is tried before rivals count as too many.
pub(crate) const ATTEMPTS: u32 = 12;

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Waits before attempt number `attempt`, counted from 0: not at all before the first one, then a
/// random time out of a range that doubles, so that rivals in other processes get out of step.
pub(crate) async fn pause_before(attempt: u32) {
    if attempt == 0 {
        return;
    }
    let range = Duration::from_millis(10)
        .saturating_mul(1 << attempt.min(10))
        .min(LONGEST_PAUSE);
    let random = u32::try_from(RandomState::new().hash_one(attempt) >> 32).unwrap_or_default();
    tokio::time::sleep(range.mul_f64(f64::from(random) / f64::from(u32::MAX))).await;
}
