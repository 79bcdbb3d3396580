//! The one place that reads the machine's clock; everything else is given the time.

use time::OffsetDateTime;

/// Now, in UTC.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that the ban sends everybody to"
)]
pub fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
