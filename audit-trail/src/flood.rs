//! How many attempts that came to nothing are written down.

use time::OffsetDateTime;

use super::{Actor, Event, Outcome};

/// The most lines a second about strangers, and as many again about those who are known.
const MOST: u64 = 100;

/// What was written down in this second.
#[derive(Default)]
pub(super) struct Flood {
    strangers: Second,
    known: Second,
}

/// Whether an event is written down.
pub(super) struct Verdict {
    pub(super) is_shown: bool,
    /// How many were not before, to be said first.
    pub(super) left_out: Option<u64>,
}

impl Flood {
    pub(super) fn weigh(&mut self, event: &Event<'_>, now: OffsetDateTime) -> Verdict {
        if matches!(event.outcome, Outcome::Done) {
            return Verdict {
                is_shown: true,
                left_out: None,
            };
        }
        let is_stranger = match event.actor {
            Actor::Known(caller) => caller.identity.is_anonymous(),
            Actor::Claimed(_) => true,
            Actor::Program => false,
        };
        if is_stranger {
            self.strangers.weigh(now)
        } else {
            self.known.weigh(now)
        }
    }

    /// How many events were not written down since that was last said.
    pub(super) fn left_out(&mut self) -> Option<u64> {
        let strangers = self.strangers.begin(0).unwrap_or_default();
        let known = self.known.begin(0).unwrap_or_default();
        Some(strangers + known).filter(|count| *count > 0)
    }
}

#[derive(Default)]
struct Second {
    /// In Unix time.
    begin: i64,
    seen: u64,
}

impl Second {
    fn weigh(&mut self, now: OffsetDateTime) -> Verdict {
        let second = now.unix_timestamp();
        let left_out = if second == self.begin {
            None
        } else {
            self.begin(second)
        };
        self.seen += 1;
        Verdict {
            is_shown: self.seen <= MOST,
            left_out,
        }
    }

    /// Begins to count again; how many were left out until now.
    fn begin(&mut self, second: i64) -> Option<u64> {
        let left_out = self.seen.saturating_sub(MOST);
        *self = Self {
            begin: second,
            seen: 0,
        };
        (left_out > 0).then_some(left_out)
    }
}
