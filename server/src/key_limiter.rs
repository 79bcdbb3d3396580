//! How many keys an address may have made: asking for a key of a new GUN makes one.

use std::{
    net::IpAddr,
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};

/// After how many keys the addresses are forgotten that have not asked of late.
const TIDY_EVERY: u32 = 1024;

/// Lets each address have so many keys made in a minute.
pub struct KeyLimiter {
    limiter: Option<DefaultKeyedRateLimiter<IpAddr>>,
    taken: AtomicU32,
}

impl KeyLimiter {
    /// So many a minute; 0: as many as asked for.
    #[must_use]
    pub fn per_minute(keys: u32) -> Self {
        Self {
            limiter: NonZeroU32::new(keys).map(|keys| RateLimiter::keyed(Quota::per_minute(keys))),
            taken: AtomicU32::new(0),
        }
    }

    /// Counts one key.
    ///
    /// # Errors
    ///
    /// How long to wait, if there were too many.
    pub fn take(&self, address: IpAddr) -> Result<(), Duration> {
        let Some(limiter) = &self.limiter else {
            return Ok(());
        };
        if self.taken.fetch_add(1, Ordering::Relaxed) % TIDY_EVERY == TIDY_EVERY - 1 {
            limiter.retain_recent();
        }
        limiter
            .check_key(&address)
            .map_err(|later| later.wait_time_from(DefaultClock::default().now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_own_number_of_keys_and_then_waits() {
        let limiter = KeyLimiter::per_minute(2);
        let (one, other) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        assert_eq!(limiter.take(one), Ok(()));
        assert_eq!(limiter.take(one), Ok(()));
        let wait = limiter.take(one).expect_err("the third is too many");
        assert!(
            wait > Duration::from_secs(20) && wait <= Duration::from_secs(30),
            "{wait:?}"
        );
        assert_eq!(limiter.take(other), Ok(()));
    }

    #[test]
    fn without_a_number_there_is_no_limit() {
        let limiter = KeyLimiter::per_minute(0);
        for _ in 0..10_000 {
            assert_eq!(limiter.take([192, 0, 2, 1].into()), Ok(()));
        }
    }
}
