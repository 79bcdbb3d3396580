//! Slows down guessing: how many attempts may fail, by user and address and by address alone.
//!
//! An attempt is counted before the work it makes, so that a hundred at once count as a hundred,
//! and refunded unless it fails. Each counter is the moment at which all that was counted is
//! forgiven (the "theoretical arrival time" of GCRA).

use std::{
    net::{IpAddr, Ipv6Addr},
    time::Duration as StdDuration,
};

use moka::{
    ops::compute::Op,
    sync::{Cache, CacheBuilder},
};
use ring::digest::{SHA256, digest};
use time::{Duration, OffsetDateTime};

/// How many counters there are at most. A counter that falls out begins at zero again; guessing is
/// then only as fast as this machine computes hashes.
const MOST: u64 = 100_000;

/// Longer than any counter takes to be forgiven.
const MEMORY: StdDuration = StdDuration::from_mins(10);

/// How long after a line about an address the next one is held back.
const QUIET: Duration = Duration::SECOND;

/// How much of a name is logged.
const LONGEST_NAME: usize = 64;

/// `burst` failures at once, and then one more each `every`.
#[derive(Clone, Copy)]
struct Rate {
    burst: i32,
    every: Duration,
}

const OF_USER: Rate = Rate {
    burst: 10,
    every: Duration::seconds(6),
};

const OF_ADDRESS: Rate = Rate {
    burst: 50,
    every: Duration::seconds(2),
};

/// What is counted: failures from one network, for one user (by a digest, since names may be long)
/// or any.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Counted {
    network: IpAddr,
    user: Option<[u8; 32]>,
}

/// The recent failures.
#[derive(Clone)]
pub(crate) struct Throttle {
    counters: Cache<Counted, OffsetDateTime>,
    lines: Cache<IpAddr, Line>,
}

/// The last line about an address.
#[derive(Clone, Copy)]
struct Line {
    at: OffsetDateTime,
    /// Failures since then.
    held_back: u32,
}

/// An attempt that was let through. Dropping it refunds it.
pub(crate) struct Attempt {
    counters: Cache<Counted, OffsetDateTime>,
    /// What it was counted as, with the rate of each.
    counted: Vec<(Counted, Rate)>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            counters: CacheBuilder::new(MOST).time_to_live(MEMORY).build(),
            lines: CacheBuilder::new(MOST).time_to_live(MEMORY).build(),
        }
    }
}

impl Throttle {
    /// Counts an attempt, or says how long to wait.
    pub(crate) fn begin(
        &self,
        user: &str,
        address: IpAddr,
        now: OffsetDateTime,
    ) -> Result<Attempt, StdDuration> {
        let mut attempt = Attempt {
            counters: self.counters.clone(),
            counted: Vec::with_capacity(2),
        };
        let network = network(address);
        let mut name = [0; 32];
        name.copy_from_slice(digest(&SHA256, user.as_bytes()).as_ref());
        for (user, rate) in [(None, OF_ADDRESS), (Some(name), OF_USER)] {
            attempt.count(Counted { network, user }, rate, now)?;
        }
        Ok(attempt)
    }

    /// Logs a failure, though at most one a second for each address.
    pub(crate) fn log_failure(
        &self,
        user: &str,
        address: IpAddr,
        reason: &str,
        now: OffsetDateTime,
    ) {
        if let Some(failures) = self.failures_to_log(address, now) {
            let user: String = user.chars().take(LONGEST_NAME).collect();
            tracing::warn!(?user, %address, failures, "a login failed: {reason}");
        }
    }

    /// How many failures of `address` a line is to be written about now, if any.
    fn failures_to_log(&self, address: IpAddr, now: OffsetDateTime) -> Option<u32> {
        let mut failures = None;
        let step = |line: Option<moka::Entry<_, Line>>| {
            let line = line.map(moka::Entry::into_value);
            Op::Put(match line {
                // Failures end out of order: one that began before the line was written belongs to
                // it.
                Some(line) if now < line.at + QUIET => Line {
                    held_back: line.held_back.saturating_add(1),
                    ..line
                },
                line => {
                    failures = Some(line.map_or(1, |line| line.held_back.saturating_add(1)));
                    Line {
                        at: now,
                        held_back: 0,
                    }
                }
            })
        };
        self.lines.entry(network(address)).and_compute_with(step);
        failures
    }
}

impl Attempt {
    /// Leaves the attempt counted.
    pub(crate) fn keep_counted(mut self) {
        self.counted.clear();
    }

    fn count(
        &mut self,
        counted: Counted,
        rate: Rate,
        now: OffsetDateTime,
    ) -> Result<(), StdDuration> {
        let mut wait = Duration::ZERO;
        let step = |entry: Option<moka::Entry<_, OffsetDateTime>>| {
            let forgiven = entry.map_or(now, moka::Entry::into_value).max(now) + rate.every;
            wait = forgiven - now - rate.every * rate.burst;
            if wait.is_positive() {
                Op::Nop
            } else {
                Op::Put(forgiven)
            }
        };
        self.counters.entry(counted).and_compute_with(step);
        if wait.is_positive() {
            return Err(wait.unsigned_abs());
        }
        self.counted.push((counted, rate));
        Ok(())
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        for (counted, rate) in self.counted.drain(..) {
            let step = |entry: Option<moka::Entry<_, OffsetDateTime>>| match entry {
                Some(entry) => Op::Put(entry.into_value() - rate.every),
                None => Op::Nop,
            };
            self.counters.entry(counted).and_compute_with(step);
        }
    }
}

/// The network that one guesser is likely to own: an IPv4 address, or the /64 of an IPv6 one.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2030-01-01 00:00 UTC);

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// How many of `attempts` failing ones are let through.
    fn failing(
        throttle: &Throttle,
        user: &str,
        from: &str,
        attempts: usize,
        now: OffsetDateTime,
    ) -> usize {
        (0..attempts)
            .filter_map(|_| throttle.begin(user, address(from), now).ok())
            .map(Attempt::keep_counted)
            .count()
    }

    #[test]
    fn ten_guesses_at_a_user_are_let_through_and_then_one_each_six_seconds() {
        let throttle = Throttle::default();
        assert_eq!(failing(&throttle, "alice", "192.0.2.1", 100, NOW), 10);
        let wait = throttle.begin("alice", address("192.0.2.1"), NOW).err();
        assert_eq!(wait, Some(StdDuration::from_secs(6)));
        let later = NOW + Duration::seconds(12);
        assert_eq!(failing(&throttle, "alice", "192.0.2.1", 100, later), 2);
        assert_eq!(
            failing(&throttle, "alice", "192.0.2.2", 1, later),
            1,
            "elsewhere"
        );
    }

    #[test]
    fn fifty_guesses_from_an_address_are_let_through_and_then_one_each_two_seconds() {
        let throttle = Throttle::default();
        let guess = |number: usize, now| {
            failing(&throttle, &format!("user{number}"), "2001:db8::1", 1, now)
        };
        assert_eq!((0..200).map(|number| guess(number, NOW)).sum::<usize>(), 50);
        assert_eq!(
            failing(&throttle, "x", "2001:db8::ffff:2", 1, NOW),
            0,
            "the same /64"
        );
        assert_eq!(
            failing(&throttle, "x", "2001:db8:0:1::2", 1, NOW),
            1,
            "another /64"
        );
        assert_eq!(guess(0, NOW + Duration::seconds(2)), 1);
    }

    #[test]
    fn a_refused_guess_at_a_user_does_not_count_against_the_address() {
        let throttle = Throttle::default();
        assert_eq!(failing(&throttle, "alice", "192.0.2.1", 1000, NOW), 10);
        assert_eq!(failing(&throttle, "bob", "192.0.2.1", 1, NOW), 1);
    }

    #[test]
    fn attempts_that_do_not_fail_are_not_counted_but_those_under_way_are() {
        let throttle = Throttle::default();
        for _ in 0..1000 {
            assert!(throttle.begin("alice", address("192.0.2.1"), NOW).is_ok());
        }
        let under_way: Vec<_> = (0..100)
            .filter_map(|_| throttle.begin("alice", address("192.0.2.1"), NOW).ok())
            .collect();
        assert_eq!(under_way.len(), 10);
    }

    #[test]
    fn an_address_gets_one_line_a_second_and_then_the_sum() {
        let throttle = Throttle::default();
        let line = |seconds| {
            throttle.failures_to_log(address("192.0.2.1"), NOW + Duration::seconds_f64(seconds))
        };
        assert_eq!([line(0.0), line(0.1), line(0.9)], [Some(1), None, None]);
        assert_eq!(line(1.0), Some(3));
    }

    #[test]
    fn failures_that_end_out_of_order_are_no_reason_for_another_line() {
        let throttle = Throttle::default();
        let line = |seconds| {
            throttle.failures_to_log(address("192.0.2.1"), NOW + Duration::seconds_f64(seconds))
        };
        assert_eq!([line(1.0), line(0.4), line(0.7)], [Some(1), None, None]);
        assert_eq!([line(1.5), line(2.0)], [None, Some(4)]);
    }
}
