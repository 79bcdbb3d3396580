//! The changefeed: what was published, renewed and deleted, in order.

use std::borrow::Cow;

use axum::response::Response;
use serde::{Serialize, Serializer};
use serde_json::json;
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};
use trust::store::{Change, Page};

use super::{
    ApiError,
    error::html_safe,
    grant::{Admin, Granted, Pull},
    text,
};
use crate::App;

/// Length of a page whose request does not say.
const DEFAULT_RECORDS: u32 = 100;

/// The longest page; a reader of more has to turn over.
const MOST_RECORDS: u32 = 10_000;

/// About how long a record is, in bytes.
const RECORD: usize = 256;

#[derive(Serialize)]
struct Feed<'a> {
    count: usize,
    records: Records<'a>,
}

struct Records<'a>(&'a [Change]);

impl Serialize for Records<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Record::from))
    }
}

/// One change, its members spelled as Notary spells them.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Record<'a> {
    #[serde(rename = "ID")]
    id: AsText,
    #[serde(serialize_with = "as_date")]
    created_at: OffsetDateTime,
    #[serde(rename = "GUN")]
    gun: &'a str,
    version: i64,
    #[serde(rename = "SHA256")]
    sha256: &'a str,
    category: &'a str,
}

impl<'a> From<&'a Change> for Record<'a> {
    fn from(change: &'a Change) -> Self {
        Self {
            id: AsText(change.id),
            created_at: change.created_at.to_offset(UtcOffset::UTC),
            gun: &change.gun,
            version: change.version,
            sha256: &change.sha256,
            category: &change.category,
        }
    }
}

/// A number that is written as text.
struct AsText(i64);

impl Serialize for AsText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Empty if the year has more digits than the form.
fn as_date<S: Serializer>(time: &OffsetDateTime, serializer: S) -> Result<S::Ok, S::Error> {
    let mut text = [0; 40];
    let mut rest = &mut text[..];
    let length = time.format_into(&mut rest, &Rfc3339).unwrap_or_default();
    serializer.serialize_str(str::from_utf8(&text[..length]).unwrap_or_default())
}

/// Answers a page of the feed of one GUN.
pub(super) async fn of_one(
    app: &App,
    granted: &Granted<Pull>,
    query: Option<&str>,
) -> Result<Response, ApiError> {
    let page = asked_page(query.unwrap_or_default())?;
    let changes = match granted.gun() {
        Some(gun) => app.repositories.changes(Some(&gun), page).await?,
        None => Vec::new(),
    };
    answer(&changes)
}

/// Answers a page of the feed of everything.
pub(super) async fn of_all(
    app: &App,
    _: &Granted<Admin>,
    query: Option<&str>,
) -> Result<Response, ApiError> {
    let page = asked_page(query.unwrap_or_default())?;
    answer(&app.repositories.changes(None, page).await?)
}

fn answer(changes: &[Change]) -> Result<Response, ApiError> {
    let feed = Feed {
        count: changes.len(),
        records: Records(changes),
    };
    let mut json = Vec::with_capacity(RECORD * (changes.len() + 1));
    serde_json::to_writer(&mut json, &feed)
        .map_err(|error| ApiError::Internal(error.to_string()))?;
    let json = String::from_utf8(json).map_err(|error| ApiError::Internal(error.to_string()))?;
    Ok(text(html_safe(json)))
}

/// Which page the parameters ask for; of a parameter given twice the first counts.
fn asked_page(query: &str) -> Result<Page, ApiError> {
    let first = |name: &str| {
        query
            .split('&')
            .filter(|pair| !pair.contains(';'))
            .find_map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decode(key) == name).then(|| decode(value))
            })
            .unwrap_or_default()
    };
    let records = first("records");
    let records = parse_i32(&records).map_err(|why| {
        let quoted = json!(records);
        ApiError::InvalidParameters(json!(format!(
            "invalid records parameter: strconv.ParseInt: parsing {quoted}: {why}"
        )))
    })?;
    let id = match first("change_id").as_str() {
        "" => 0,
        id => parse_i32(id).map_err(|_| ApiError::InvalidParameters(json!({})))?,
    };
    let limit = match records.unsigned_abs() {
        0 => DEFAULT_RECORDS,
        n => n.min(MOST_RECORDS),
    };
    Ok(match (records < 0, id) {
        (true, id) => Page::Before {
            id: (id > 0).then_some(id),
            limit,
        },
        (false, id) if id < 0 => Page::Before { id: None, limit },
        (false, id) => Page::After { id, limit },
    })
}

fn decode(text: &str) -> String {
    let spaced = text.replace('+', " ");
    super::target::decode_percent(&spaced).map_or_else(|| spaced.clone(), Cow::into_owned)
}

/// A signed 32-bit decimal, or why it is none, in Go's words.
fn parse_i32(text: &str) -> Result<i32, &'static str> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err("invalid syntax");
    }
    text.parse().map_err(|_| "value out of range")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str) -> Page {
        asked_page(query).unwrap()
    }

    fn detail(query: &str) -> String {
        match asked_page(query) {
            Err(ApiError::InvalidParameters(detail)) => detail.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_sign_of_records_is_the_direction() {
        assert_eq!(page("records=0"), Page::After { id: 0, limit: 100 });
        assert_eq!(
            page("records=5&change_id=7"),
            Page::After { id: 7, limit: 5 }
        );
        assert_eq!(page("records=-5"), Page::Before { id: None, limit: 5 });
        assert_eq!(
            page("records=-5&change_id=7"),
            Page::Before {
                id: Some(7),
                limit: 5
            }
        );
        assert_eq!(
            page("records=5&change_id=-1"),
            Page::Before { id: None, limit: 5 }
        );
        assert_eq!(
            page("records=%2B3&records=9"),
            Page::After { id: 0, limit: 3 }
        );
        assert_eq!(
            page("records=-2147483648"),
            Page::Before {
                id: None,
                limit: MOST_RECORDS
            }
        );
    }

    #[test]
    fn wrong_parameters_are_named_in_gos_words() {
        for (query, expected) in [
            (
                "",
                r#""invalid records parameter: strconv.ParseInt: parsing \"\": invalid syntax""#,
            ),
            (
                "records=abc",
                r#""invalid records parameter: strconv.ParseInt: parsing \"abc\": invalid syntax""#,
            ),
            (
                "records=2147483648",
                r#""invalid records parameter: strconv.ParseInt: parsing \"2147483648\": value out of range""#,
            ),
            ("records=1&change_id=abc", "{}"),
            ("change_id=2147483648&records=1", "{}"),
        ] {
            assert_eq!(detail(query), expected, "{query}");
        }
    }
}
