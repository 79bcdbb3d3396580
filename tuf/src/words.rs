//! Dates and lengths of time, as sentences say them.

use time::{Duration, OffsetDateTime, UtcOffset};

/// A day in UTC, `2026-12-05`.
#[must_use]
pub fn day(at: OffsetDateTime) -> String {
    at.to_offset(UtcOffset::UTC).date().to_string()
}

/// A length of time in its largest unit, rounded down: `3 days`, `1 hour`.
#[must_use]
pub fn span(length: Duration) -> String {
    let (number, unit) = match length.abs() {
        long if long >= Duration::DAY => (long.whole_days(), "day"),
        long if long >= Duration::HOUR => (long.whole_hours(), "hour"),
        short => (short.whole_minutes(), "minute"),
    };
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{ending}")
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
}
