//! How long to wait before a delivery is tried again.

use std::time::Duration;

/// The wait after the first failure, at most.
const FIRST: Duration = Duration::from_millis(400);

/// The wait after many.
const LONGEST: Duration = Duration::from_mins(30);

/// The wait after `tries` failures in a row: twice as long after each, and of that a random part
/// between a half and the whole, for which `random` is any number. Receivers that were down do not
/// meet all repositories at the same moment.
pub(crate) fn wait(tries: u32, random: u64) -> Duration {
    let doubled = FIRST.saturating_mul(1 << tries.saturating_sub(1).min(20));
    let longest = doubled.min(LONGEST);
    let half = longest / 2;
    let span = u64::try_from(half.as_micros()).unwrap_or(u64::MAX);
    half + Duration::from_micros(random % (span + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_wait_doubles_up_to_half_an_hour_and_is_never_short(tries: u32, random: u64) {
            let wait = wait(tries, random);
            prop_assert!(wait >= FIRST / 2 && wait <= LONGEST);
            if tries > 20 {
                prop_assert!(wait >= LONGEST / 2);
            }
        }
    }

    #[test]
    fn waits_after_the_first_failures_are_short_and_differ() {
        let waits: Vec<_> = (1..5).map(|tries| wait(tries, 0).as_millis()).collect();
        assert_eq!(waits, [200, 400, 800, 1600]);
        assert_ne!(wait(3, 7), wait(3, 8));
    }
}
