//! Metadata: the current version of a role, one by checksum or version, and the end of them all.

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use time::{OffsetDateTime, UtcOffset, macros::format_description};
use trust::{deletion, reading, repository, store::StoredMetadata};

use super::{
    ApiError, RoleName, empty,
    grant::{Delete, Granted, Pull},
    text,
};
use crate::{
    App,
    audit::{Act, Outcome},
};

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
    Ok(served(
        &file,
        &current_caching(app.caching.current_metadata, granted.is_public()),
    ))
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
    let found = repository::named(&app.repositories, &gun, &role, sha256).await?;
    let file = found.ok_or(ApiError::MetadataNotFound)?;
    Ok(served(
        &file,
        &consistent_caching(app.caching.consistent_metadata, granted.is_public()),
    ))
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
    Ok(served(
        &file,
        &consistent_caching(app.caching.consistent_metadata, granted.is_public()),
    ))
}

/// Removes all trust data of exactly this GUN; removing what is not there succeeds.
pub(super) async fn delete(app: &App, granted: &Granted<Delete>) -> Result<Response, ApiError> {
    match granted.gun() {
        Some(gun) => {
            let (repositories, requester) = (&app.repositories, granted.requester());
            deletion::delete(repositories, &gun, &requester, app.now()).await?;
        }
        // Nothing can be stored under such a name.
        None => granted.record(app, Act::Delete, Outcome::Done),
    }
    Ok(empty(StatusCode::OK))
}

fn served(file: &StoredMetadata, caching: &str) -> Response {
    let mut response = text(file.bytes.clone());
    let headers = response.headers_mut();
    let value = |text: &str| HeaderValue::from_str(text).expect("dates and numbers are ASCII");
    headers.insert(header::LAST_MODIFIED, value(&http_date(file.created_at)));
    headers.insert(header::CACHE_CONTROL, value(caching));
    if caching == NOT_CACHED {
        headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    }
    response
}

const NOT_CACHED: &str = "max-age=0, no-cache, no-store";

/// How long what the next publish replaces may be kept.
fn current_caching(max_age: u32, is_public: bool) -> String {
    match max_age {
        0 => NOT_CACHED.to_owned(),
        n => kept(n, is_public) + ", must-revalidate",
    }
}

/// How long what never changes may be kept.
fn consistent_caching(max_age: u32, is_public: bool) -> String {
    match max_age {
        0 => NOT_CACHED.to_owned(),
        n => kept(n, is_public),
    }
}

/// A shared cache must not keep what needs a permission to read: it authenticates no one.
fn kept(max_age: u32, is_public: bool) -> String {
    if is_public {
        format!("public, max-age={max_age}, s-maxage={max_age}")
    } else {
        format!("private, max-age={max_age}")
    }
}

/// A date as HTTP wants it (RFC 9110, 5.6.7).
fn http_date(time: OffsetDateTime) -> String {
    time.to_offset(UtcOffset::UTC)
        .format(format_description!(
            "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
        ))
        .expect("every date has these components")
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn dates_are_in_greenwich() {
        assert_eq!(
            http_date(datetime!(2026-11-22 00:57:23.5 +1)),
            "Sat, 21 Nov 2026 23:57:23 GMT"
        );
    }
}
