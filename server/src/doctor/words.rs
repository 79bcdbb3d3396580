//! Phrases that several checks share.

pub(super) use daemon::words::count;
use time::{Duration, OffsetDateTime, UtcOffset};

/// A day in UTC, `2026-12-05`.
pub(super) fn day(at: OffsetDateTime) -> String {
    at.to_offset(UtcOffset::UTC).date().to_string()
}

/// A length of time in its largest unit, rounded down: `3 days`, `1 hour`.
pub(super) fn span(length: Duration) -> String {
    let (number, unit) = match length.abs() {
        long if long >= Duration::DAY => (long.whole_days(), "day"),
        long if long >= Duration::HOUR => (long.whole_hours(), "hour"),
        short => (short.whole_minutes(), "minute"),
    };
    count(number, unit, &format!("{unit}s"))
}

/// Names for a sentence: `a, b and c`.
pub(super) fn list(names: &[String]) -> String {
    match names {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_told_in_their_largest_unit() {
        for (length, text) in [
            (Duration::days(3), "3 days"),
            (Duration::hours(-25), "1 day"),
            (Duration::minutes(61), "1 hour"),
            (Duration::seconds(30), "0 minutes"),
        ] {
            assert_eq!(span(length), text);
        }
    }

    #[test]
    fn names_are_joined_as_in_a_sentence() {
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(list(&names(&[])), "nothing");
        assert_eq!(list(&names(&["a"])), "a");
        assert_eq!(list(&names(&["a", "b", "c"])), "a, b and c");
    }
}
