//! Lengths of time, as commands and the API take them.

use clap::ArgMatches;
use time::Duration;

/// The most days.
pub(crate) const MOST_DAYS: u16 = 36_500;

/// A number of days, or of weeks.
pub(crate) fn parse_days(text: &str) -> Result<u16, String> {
    let (number, days) = match text.strip_suffix('w') {
        Some(weeks) => (weeks, 7),
        None => (text.strip_suffix('d').unwrap_or(text), 1),
    };
    let number: Option<u16> = number.parse().ok();
    let days = number.and_then(|number| number.checked_mul(days));
    days.filter(|days| *days <= MOST_DAYS)
        .ok_or_else(|| "give a number of days, such as 90d, or of weeks, such as 12w".to_owned())
}

/// The days of an argument, if it is given.
pub(crate) fn read_days(arguments: &ArgMatches, name: &str) -> Option<Duration> {
    let days = arguments.get_one::<u16>(name).copied()?;
    Some(Duration::days(i64::from(days)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_in_days_and_weeks() {
        for (text, days) in [("90d", 90), ("7", 7), ("2w", 14), ("0d", 0)] {
            assert_eq!(parse_days(text), Ok(days));
        }
        for text in ["", "d", "-1d", "1m", "99999999d", "40000w"] {
            assert!(parse_days(text).is_err(), "{text}");
        }
    }
}
