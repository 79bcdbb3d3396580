//! The small parts of pages: names, times and words for states.

use askama::{Template, filters::HtmlSafe};
use daemon::logging::Plain;
use insight::deadline;
use inventory::{Health, Owner};
use time::{Duration, OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};
use url::form_urlencoded;

/// How long before it expires something of a publisher is due.
const SOON: Duration = Duration::days(90);

/// How many characters of a key id or checksum tell it from others.
const SHORT: usize = 12;

/// `name` as readers should see it: what would hide, turn around or break it is escaped. Templates
/// escape what HTML would take for its own.
pub(super) fn visible(name: &str) -> String {
    Plain(&name.replace('\\', r"\\")).to_string()
}

/// The beginning of an id, which is hex.
pub(super) fn short(id: &str) -> String {
    visible(&id.chars().take(SHORT).collect::<String>())
}

/// A path with a query of these names and values.
pub(super) fn link<'p>(path: &str, query: impl IntoIterator<Item = (&'p str, &'p str)>) -> String {
    let mut text = form_urlencoded::Serializer::new(String::new());
    text.extend_pairs(query);
    let query = text.finish();
    if query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{query}")
    }
}

/// The page of a repository.
pub(super) fn repository(gun: &str) -> String {
    link("/ui/repository", [("gun", gun)])
}

/// The page of a key.
pub(super) fn key(id: &str) -> String {
    link("/ui/key", [("id", id)])
}

/// A number of bytes in units of 1024.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} bytes");
    }
    let mut tenths = u128::from(count) * 10 / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// `count` things.
pub(super) fn count(count: u64, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

/// How something is: the class in the style sheet. Words always stand beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Plain,
    Ok,
    Warning,
    Broken,
}

impl State {
    fn class(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Broken => "broken",
        }
    }

    /// How something of `owner` is that expires at `at`.
    fn of(owner: Owner, at: OffsetDateTime, now: OffsetDateTime) -> Self {
        if at <= now {
            Self::Broken
        } else if at < deadline(owner, now, SOON) {
            Self::Warning
        } else {
            Self::Plain
        }
    }
}

/// The health of a repository, in a word.
#[derive(Template)]
#[template(
    source = r#"<span class="badge {{ state }}">{{ word }}</span>"#,
    ext = "html"
)]
pub(super) struct Badge {
    pub(super) state: &'static str,
    word: &'static str,
}

impl HtmlSafe for Badge {}

impl From<Health> for Badge {
    fn from(health: Health) -> Self {
        let (state, word) = match health {
            Health::Whole => (State::Ok, "OK"),
            Health::Warning => (State::Warning, "Warning"),
            Health::Broken => (State::Broken, "Broken"),
        };
        Self {
            state: state.class(),
            word,
        }
    }
}

/// A point in time, and how far away it is.
#[derive(Template)]
#[template(
    source = r#"<span class="when {{ state }}"><time datetime="{{ exact }}">{{ text }}</time> <span class="hint">{{ distance }}</span></span>"#,
    ext = "html"
)]
pub(super) struct When {
    state: &'static str,
    exact: String,
    text: String,
    distance: String,
}

impl HtmlSafe for When {}

impl When {
    /// When something happened.
    pub(super) fn past(at: OffsetDateTime, now: OffsetDateTime) -> Self {
        let exact = exact(at);
        Self {
            state: State::Plain.class(),
            text: exact.get(..16).unwrap_or(&exact).replace('T', " ") + " UTC",
            distance: distance(at, now),
            exact,
        }
    }

    /// When something of `owner` expires.
    pub(super) fn expiry(owner: Owner, at: OffsetDateTime, now: OffsetDateTime) -> Self {
        let state = State::of(owner, at, now);
        let distance = distance(at, now);
        Self {
            state: state.class(),
            exact: exact(at),
            text: at.to_offset(UtcOffset::UTC).date().to_string(),
            distance: match state {
                State::Broken => format!("expired {distance}"),
                State::Warning => format!("due {distance}"),
                State::Plain | State::Ok => distance,
            },
        }
    }
}

/// How much is left of the time of a role. The words beside it say the same.
#[derive(Template)]
#[template(
    source = r#"<svg class="meter {{ state }}" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true" focusable="false"><rect class="track" width="100" height="4"/><rect class="left" width="{{ percent }}" height="4"/></svg>"#,
    ext = "html"
)]
pub(super) struct Meter {
    state: &'static str,
    percent: i64,
}

impl HtmlSafe for Meter {}

impl Meter {
    /// Full is what a publisher signs for by default, three years, and for a timestamp two weeks.
    pub(super) fn new(owner: Owner, role: &str, at: OffsetDateTime, now: OffsetDateTime) -> Self {
        let full = match role {
            "timestamp" => Duration::days(14),
            "root" => Duration::days(3_650),
            _ => Duration::days(3 * 365),
        };
        let left = (at - now).whole_seconds().max(0);
        Self {
            state: State::of(owner, at, now).class(),
            percent: (left.saturating_mul(100) / full.whole_seconds()).clamp(0, 100),
        }
    }
}

fn exact(at: OffsetDateTime) -> String {
    let at = at.to_offset(UtcOffset::UTC);
    let whole = at.replace_nanosecond(0).unwrap_or(at);
    whole
        .format(&Rfc3339)
        .unwrap_or_else(|_| whole.unix_timestamp().to_string())
}

/// How far `at` is from `now`, in words.
fn distance(at: OffsetDateTime, now: OffsetDateTime) -> String {
    let apart = (at - now).abs();
    let text = match (apart.whole_days(), apart.whole_hours()) {
        (0, 0) => match apart.whole_minutes() {
            0 => return "just now".to_owned(),
            minutes => count_of(minutes, "minute", "minutes"),
        },
        (0, hours) => count_of(hours, "hour", "hours"),
        (days, _) if days < 800 => count_of(days, "day", "days"),
        (days, _) => count_of(days / 365, "year", "years"),
    };
    if at > now {
        format!("in {text}")
    } else {
        format!("{text} ago")
    }
}

fn count_of(number: i64, one: &str, more: &str) -> String {
    count(number.unsigned_abs(), one, more)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn distances_are_told_in_the_unit_that_fits() {
        let now = datetime!(2026-01-01 00:00 UTC);
        for (at, expected) in [
            (datetime!(2026-01-01 00:00:20 UTC), "just now"),
            (datetime!(2026-01-01 00:01 UTC), "in 1 minute"),
            (datetime!(2025-12-31 21:00 UTC), "3 hours ago"),
            (datetime!(2026-03-02 00:00 UTC), "in 60 days"),
            (datetime!(2029-01-02 00:00 UTC), "in 3 years"),
        ] {
            assert_eq!(distance(at, now), expected);
        }
    }

    #[test]
    fn sizes_are_told_in_the_unit_that_fits() {
        for (size, expected) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1536, "1.5 KiB"),
            (1 << 20, "1.0 MiB"),
            (u64::MAX, "16383.9 PiB"),
        ] {
            assert_eq!(bytes(size), expected);
        }
    }

    #[test]
    fn expiry_is_told_in_words_and_not_by_colour_alone() {
        let now = datetime!(2026-01-01 00:00 UTC);
        for (at, expected) in [
            (datetime!(2025-12-01 00:00 UTC), "expired 31 days ago"),
            (datetime!(2026-01-31 00:00 UTC), "due in 30 days"),
            (datetime!(2027-01-01 00:00 UTC), ">in 365 days"),
        ] {
            let html = When::expiry(Owner::Publisher, at, now).to_string();
            assert!(html.contains(expected), "{html}");
        }
    }

    proptest! {
        #[test]
        fn no_name_breaks_out_of_a_link(gun in any::<String>()) {
            let link = repository(&gun);
            prop_assert!(!link.contains(['"', '\'', '<', '>', '\n', ' ']), "{link}");
        }
    }
}
