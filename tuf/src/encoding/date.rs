//! Points in time as metadata spells them.

use time::{Date, Month, OffsetDateTime, Time, UtcOffset};

/// Reads an RFC 3339 time as Go's decoder takes it: upper case `T` and `Z`, or a numeric offset.
///
/// Digits beyond nanoseconds are dropped, as Go drops them.
pub(crate) fn parse(text: &str) -> Option<OffsetDateTime> {
    let mut rest = text.as_bytes();
    let year = digits(&mut rest, 4)?;
    let month = after(&mut rest, b'-').and_then(|()| digits(&mut rest, 2))?;
    let day = after(&mut rest, b'-').and_then(|()| digits(&mut rest, 2))?;
    let hour = after(&mut rest, b'T').and_then(|()| digits(&mut rest, 2))?;
    let minute = after(&mut rest, b':').and_then(|()| digits(&mut rest, 2))?;
    let second = after(&mut rest, b':').and_then(|()| digits(&mut rest, 2))?;
    let nanosecond = fraction(&mut rest)?;
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date =
        Date::from_calendar_date(i32::try_from(year).ok()?, month, u8::try_from(day).ok()?).ok()?;
    let [hour, minute, second] = [hour, minute, second].map(|n| u8::try_from(n).unwrap_or(u8::MAX));
    let time = Time::from_hms_nano(hour, minute, second, nanosecond).ok()?;
    Some(OffsetDateTime::new_in_offset(date, time, offset(rest)?))
}

/// Reads a time as every version of Go takes it, and RFC 3339 has it: what [`parse`] takes, but
/// with a point before at most nine digits of a fraction, and an offset of less than a day.
///
/// Go took longer fractions from 1.17 on, and refuses the commas and offsets that it once took.
pub(crate) fn parse_strict(text: &str) -> Option<OffsetDateTime> {
    /// `2026-12-05T22:57:23`, then a point and nine digits.
    const LONGEST: usize = 19 + 1 + 9;
    let time = text.strip_suffix('Z').or_else(|| {
        let (time, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
        let hours = offset.get(1..3)?.parse::<u8>().ok()?;
        (hours < 24).then_some(time)
    })?;
    let is_strict = time.len() <= LONGEST && !time.contains(',');
    is_strict.then(|| parse(text))?
}

/// Writes a time in UTC with as many fractional digits as it needs, as Go does:
/// `2026-12-05T22:57:23.2773Z`.
pub(crate) fn format(at: OffsetDateTime) -> String {
    let at = at.to_offset(UtcOffset::UTC);
    let fraction = match at.nanosecond() {
        0 => String::new(),
        nanosecond => format!(".{nanosecond:09}").trim_end_matches('0').to_owned(),
    };
    let (year, month, day) = at.to_calendar_date();
    let (hour, minute, second) = at.to_hms();
    format!(
        "{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z",
        u8::from(month)
    )
}

/// Whether something that expires at `expires` has expired `now`; nothing without an expiry is
/// fresh.
pub(crate) fn is_past(expires: Option<OffsetDateTime>, now: OffsetDateTime) -> bool {
    expires.is_none_or(|expires| expires.unix_timestamp_nanos() < now.unix_timestamp_nanos())
}

fn digits(rest: &mut &[u8], count: usize) -> Option<u32> {
    let (number, tail) = rest.split_at_checked(count)?;
    *rest = tail;
    number.iter().try_fold(0, |value, digit| {
        Some(value * 10 + char::from(*digit).to_digit(10)?)
    })
}

fn after(rest: &mut &[u8], expected: u8) -> Option<()> {
    let (first, tail) = rest.split_first()?;
    *rest = tail;
    (*first == expected).then_some(())
}

/// Reads `.123…` (Go also takes a comma) into nanoseconds; absent is zero.
fn fraction(rest: &mut &[u8]) -> Option<u32> {
    if !matches!(rest.first(), Some(b'.' | b',')) {
        return Some(0);
    }
    let count = rest[1..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (number, tail) = rest[1..].split_at(count);
    *rest = tail;
    let digits = number.iter().chain(std::iter::repeat(&b'0')).take(9);
    (count > 0).then(|| digits.fold(0, |value, digit| value * 10 + u32::from(digit - b'0')))
}

fn offset(mut rest: &[u8]) -> Option<UtcOffset> {
    if rest == b"Z" {
        return Some(UtcOffset::UTC);
    }
    let sign = match rest.split_first()? {
        (b'+', tail) => (tail, 1),
        (b'-', tail) => (tail, -1),
        _ => return None,
    };
    rest = sign.0;
    let hours = i8::try_from(digits(&mut rest, 2)?).ok()?;
    let minutes = after(&mut rest, b':').and_then(|()| digits(&mut rest, 2))?;
    let minutes = i8::try_from(minutes).ok()?;
    if !rest.is_empty() {
        return None;
    }
    UtcOffset::from_hms(sign.1 * hours, sign.1 * minutes, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_go_writes_them() {
        for (text, written) in [
            ("2030-01-01T00:00:00Z", "2030-01-01T00:00:00Z"),
            (
                "2026-12-06T00:09:29.675351900+01:00",
                "2026-12-05T23:09:29.6753519Z",
            ),
            (
                "2030-01-01T00:00:00.0000000019Z",
                "2030-01-01T00:00:00.000000001Z",
            ),
        ] {
            assert_eq!(parse(text).map(format).as_deref(), Some(written));
        }
    }

    #[test]
    fn times_go_refuses_are_refused() {
        for text in [
            "",
            "x",
            "2030-01-01t00:00:00Z",
            "2030-01-01T00:00:00z",
            "2030-02-30T00:00:00Z",
            "2030-01-01T24:00:00Z",
            "2030-01-01T00:00:60Z",
            "2030-01-01T00:00:00",
            "2030-01-01T00:00:00.Z",
            "2030-01-01T00:00:00+0200",
            "2030-01-01T00:00:00Zx",
            "2030-13-01T00:00:00Z",
            "+030-01-01T00:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn some_times_are_read_by_some_versions_of_go_only() {
        for text in [
            "2030-01-01T00:00:00,5Z",
            "2030-01-01T00:00:00+24:00",
            "2030-01-01T00:00:00-25:59",
            "2030-01-01T00:00:00.0000000001Z",
            "2030-01-01T00:00:00.0000000001+01:00",
        ] {
            assert!(parse(text).is_some(), "{text}");
            assert_eq!(parse_strict(text), None, "{text}");
        }
        for text in [
            "2030-01-01T00:00:00Z",
            "2030-01-01T00:00:00.123456789+23:59",
            "2030-01-01T00:00:00-23:59",
            "0000-02-29T23:59:59.9Z",
        ] {
            assert!(parse(text).is_some(), "{text}");
            assert_eq!(parse_strict(text), parse(text), "{text}");
        }
        for text in ["", "Z", "+01:00", "2030-01-01T00:00:00+é:00", "x-01:00é"] {
            assert_eq!(parse_strict(text), None, "{text}");
        }
    }

    #[test]
    fn expired_means_strictly_before_now() {
        let at = parse("2020-01-02T03:04:05Z").expect("a time");
        assert!(!is_past(Some(at), at));
        assert!(is_past(Some(at), at + time::Duration::NANOSECOND));
        assert!(is_past(None, at));
    }
}
