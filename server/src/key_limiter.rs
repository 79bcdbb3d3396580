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

/// How many keys an address may have made at once, however many a minute it may have. A signer is
/// busy with each for a while, and stores it.
const MOST_AT_ONCE: NonZeroU32 = NonZeroU32::new(60).expect("60 is not zero");

/// Lets each address have so many keys made in a minute, evenly spread, and at most 60 at once.
pub struct KeyLimiter {
    limiter: Option<DefaultKeyedRateLimiter<IpAddr>>,
    taken: AtomicU32,
}

impl KeyLimiter {
    /// So many a minute; 0: as many as asked for.
    #[must_use]
    pub fn per_minute(keys: u32) -> Self {
        Self {
            limiter: NonZeroU32::new(keys).map(|keys| {
                let quota = Quota::per_minute(keys).allow_burst(keys.min(MOST_AT_ONCE));
                RateLimiter::keyed(quota)
            }),
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
    fn a_minutes_keys_cannot_be_had_at_once() {
        let limiter = KeyLimiter::per_minute(600);
        let address = [192, 0, 2, 1].into();
        for number in 1..=60 {
            assert_eq!(limiter.take(address), Ok(()), "{number}");
        }
        // One comes back every tenth of a second, so a slow machine may see a few more.
        let refused = (0..20).filter_map(|_| limiter.take(address).err());
        let wait = refused.last().expect("not all of 80 at once");
        assert!(wait <= Duration::from_millis(100), "{wait:?}");
    }

    #[test]
    fn without_a_number_there_is_no_limit() {
        let limiter = KeyLimiter::per_minute(0);
        for _ in 0..10_000 {
            assert_eq!(limiter.take([192, 0, 2, 1].into()), Ok(()));
        }
    }
}
