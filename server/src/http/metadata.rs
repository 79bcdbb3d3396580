//! Metadata: the current version of a role, one by checksum or version, and the end of them all.

use audit_trail::{Act, Outcome};
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use time::{OffsetDateTime, UtcOffset, macros::format_description};
use trust::{deletion, reading, repository, store::StoredMetadata};

use super::{
    ApiError, RoleName, empty,
    grant::{Delete, Granted, Pull},
    observe, text,
};
use crate::{App, config::MaxAge};

/// Serves the current version of a role, byte for byte as it was signed.
pub(super) async fn current(
    app: &App,
    granted: &Granted<Pull>,
    role: &RoleName,
) -> Result<Response, ApiError> {
    let (gun, role) = granted
        .gun()
        .zip(role.role())
        .ok_or(ApiError::MetadataNotFound)?;
    let found = reading::current(&app.repositories, &gun, &role, app.now()).await?;
    let file = found.ok_or(ApiError::MetadataNotFound)?;
    Ok(serve(&file, app.cached().current(granted.is_public())))
}

/// Serves the version of a role that has this SHA-256; no other checksum is ever found.
pub(super) async fn by_checksum(
    app: &App,
    granted: &Granted<Pull>,
    role: &RoleName,
    sha256: Option<&[u8; 32]>,
) -> Result<Response, ApiError> {
    let (gun, role) = granted
        .gun()
        .zip(role.role())
        .ok_or(ApiError::MetadataNotFound)?;
    let sha256 = sha256.ok_or(ApiError::MetadataNotFound)?;
    let found = repository::by_supplied_checksum(&app.repositories, &gun, &role, sha256).await?;
    let file = found.ok_or(ApiError::MetadataNotFound)?;
    Ok(serve(&file, app.cached().consistent(granted.is_public())))
}

/// Serves one version of a role.
pub(super) async fn by_version(
    app: &App,
    granted: &Granted<Pull>,
    role: &RoleName,
    version: &str,
) -> Result<Response, ApiError> {
    let (gun, role) = granted
        .gun()
        .zip(role.role())
        .ok_or(ApiError::MetadataNotFound)?;
    let version: i64 = version
        .parse()
        .map_err(|_| ApiError::VersionOutOfRange(version.to_owned()))?;
    let version = i32::try_from(version).map_err(|_| ApiError::MetadataNotFound)?;
    let found = repository::by_version(&app.repositories, &gun, &role, version).await?;
    let file = found.ok_or(ApiError::MetadataNotFound)?;
    Ok(serve(&file, app.cached().consistent(granted.is_public())))
}

/// Removes all trust data of exactly this GUN; removing what is not there succeeds.
pub(super) async fn delete(app: &App, granted: &Granted<Delete>) -> Result<Response, ApiError> {
    match granted.gun() {
        Some(gun) => {
            let (repositories, requester) = (app.repositories.clone(), granted.requester());
            let now = app.now();
            let work = async move { deletion::delete(&repositories, &gun, &requester, now).await };
            observe::finish(work).await?;
        }
        // Nothing can be stored under such a name.
        None => granted.record(app, Act::Delete, Outcome::Done),
    }
    Ok(empty(StatusCode::OK))
}

fn serve(file: &StoredMetadata, caching: &HeaderValue) -> Response {
    let mut response = text(file.bytes.clone());
    let headers = response.headers_mut();
    headers.insert(header::LAST_MODIFIED, http_date(file.created_at));
    headers.insert(header::CACHE_CONTROL, caching.clone());
    if caching == NOT_CACHED {
        headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    }
    response
}

const NOT_CACHED: &str = "max-age=0, no-cache, no-store";

/// What answers say of how long they may be kept, made of the settings once.
pub(super) struct Cached {
    /// What the next publish replaces: for those with a permission, and for all.
    current: [HeaderValue; 2],
    /// The same for what never changes.
    consistent: [HeaderValue; 2],
}

impl Cached {
    pub(super) fn new(max_age: MaxAge) -> Self {
        let both = |max_age, ending| {
            [false, true].map(|is_public| match max_age {
                0 => HeaderValue::from_static(NOT_CACHED),
                n => HeaderValue::try_from(allow_keeping(n, is_public) + ending)
                    .expect("words and numbers are ASCII"),
            })
        };
        Self {
            current: both(max_age.current_metadata, ", must-revalidate"),
            consistent: both(max_age.consistent_metadata, ""),
        }
    }

    fn current(&self, is_public: bool) -> &HeaderValue {
        &self.current[usize::from(is_public)]
    }

    fn consistent(&self, is_public: bool) -> &HeaderValue {
        &self.consistent[usize::from(is_public)]
    }
}

/// A shared cache must not keep what needs a permission to read: it authenticates no one.
fn allow_keeping(max_age: u32, is_public: bool) -> String {
    if is_public {
        format!("public, max-age={max_age}, s-maxage={max_age}")
    } else {
        format!("private, max-age={max_age}")
    }
}

/// A date as HTTP wants it (RFC 9110, 5.6.7). Each answer with a file has one.
fn http_date(time: OffsetDateTime) -> HeaderValue {
    let time = time.to_offset(UtcOffset::UTC);
    let Ok(year @ 0..=9999) = u16::try_from(time.year()) else {
        return unusual_date(time);
    };
    let day = DAYS[usize::from(time.weekday().number_days_from_monday())];
    let month = MONTHS[usize::from(u8::from(time.month()) - 1)];
    let mut text = *b"Day, 00 Mon 0000 00:00:00 GMT";
    text[..3].copy_from_slice(day.as_bytes());
    text[8..11].copy_from_slice(month.as_bytes());
    let [century, year] = [year / 100, year % 100].map(|part| part.to_le_bytes()[0]);
    for (at, number) in [
        (5, time.day()),
        (12, century),
        (14, year),
        (17, time.hour()),
        (20, time.minute()),
        (23, time.second()),
    ] {
        text[at] += number / 10;
        text[at + 1] += number % 10;
    }
    HeaderValue::from_bytes(&text).expect("a date is ASCII")
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A date whose year may have a sign, or more digits than most.
fn unusual_date(time: OffsetDateTime) -> HeaderValue {
    let form = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let mut text = [0; 40];
    let mut rest = &mut text[..];
    let written = time.format_into(&mut rest, form);
    let length = written.expect("every date has these components, and room");
    HeaderValue::from_bytes(&text[..length]).expect("a date is ASCII")
}

#[cfg(test)]
mod tests {
    use time::{Duration, macros::datetime};

    use super::*;

    #[test]
    fn dates_are_in_greenwich() {
        assert_eq!(
            http_date(datetime!(2026-11-22 00:57:23.5 +1)),
            "Sat, 21 Nov 2026 23:57:23 GMT"
        );
    }

    #[test]
    fn every_date_is_written_as_its_form_says() {
        let start = datetime!(1970-01-01 00:00:00 UTC);
        for step in 0..3_000 {
            // About every ninety days, at ever other hours, up to the year 2700.
            let time = start + Duration::days(90) * step + Duration::seconds(86_399) * step;
            assert_eq!(http_date(time), unusual_date(time));
        }
        let late = datetime!(9999-12-31 23:59:59 UTC);
        assert_eq!(http_date(late), "Fri, 31 Dec 9999 23:59:59 GMT");
        let old = datetime!(-0001-01-01 00:00:00 UTC);
        assert_eq!(http_date(old), unusual_date(old));
    }
}
