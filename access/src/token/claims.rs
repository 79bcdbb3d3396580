//! What a token claims, read as its kind of issuer writes it.

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::{Issuer, LEEWAY, TokenError, error::make_harmless, parse::string};
use crate::Access;

/// The claims that are checked or handed on.
pub(crate) struct Registered {
    audience: Vec<String>,
    expires: NumericDate,
    not_before: NumericDate,
    pub(crate) subject: String,
    pub(crate) access: Option<Vec<Access>>,
}

/// A moment in nanoseconds since 1970, wide enough for whatever number a token holds.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct NumericDate(i128);

impl Registered {
    /// Reads claims as `issuer` must write them.
    pub(crate) fn read(claims: &Map<String, Value>, issuer: &Issuer) -> Result<Self, TokenError> {
        let open_id = issuer.is_open_id;
        NumericDate::read(claims, "iat")?;
        string(claims, "jti")?;
        Ok(Self {
            audience: audience(claims)?,
            expires: NumericDate::read(claims, "exp")?,
            not_before: NumericDate::read(claims, "nbf")?,
            subject: string(claims, "sub")?.unwrap_or_default().to_owned(),
            access: access(claims, open_id)?,
        })
    }

    /// Whether the token is for `issuer`'s audience and for `now`, in Notary's order.
    pub(crate) fn check(&self, issuer: &Issuer, now: OffsetDateTime) -> Result<(), TokenError> {
        if !self.audience.contains(&issuer.audience) {
            return Err(TokenError::WrongAudience {
                found: make_harmless(&format!("{:?}", self.audience)),
                expected: issuer.audience.clone(),
            });
        }
        let now = now.unix_timestamp_nanos();
        let leeway = LEEWAY.whole_nanoseconds();
        if now > self.expires.0.saturating_add(leeway) {
            return Err(TokenError::Expired);
        }
        if now < self.not_before.0.saturating_sub(leeway) {
            return Err(TokenError::NotYetValid);
        }
        Ok(())
    }
}

/// A string or a list (RFC 7519 §4.1.3); Notary read no lists.
fn audience(claims: &Map<String, Value>) -> Result<Vec<String>, TokenError> {
    match claims.get("aud") {
        Some(list @ Value::Array(_)) => {
            serde_json::from_value(list.clone()).map_err(|_| TokenError::Malformed("aud"))
        }
        _ => Ok(string(claims, "aud")?
            .map(str::to_owned)
            .into_iter()
            .collect()),
    }
}

fn access(claims: &Map<String, Value>, open_id: bool) -> Result<Option<Vec<Access>>, TokenError> {
    match claims.get("access") {
        None if open_id => Ok(None),
        None | Some(Value::Null) => Ok(Some(Vec::new())),
        Some(access) => entries(access)
            .map(Some)
            .ok_or(TokenError::Malformed("access")),
    }
}

/// A list of objects: serde alone would also take a list for an entry.
fn entries(access: &Value) -> Option<Vec<Access>> {
    let entries = access.as_array()?.iter();
    entries
        .map(|entry| {
            let members = entry.as_object()?.clone();
            serde_json::from_value(Value::Object(members)).ok()
        })
        .collect()
}

impl NumericDate {
    const NANOS: i128 = 1_000_000_000;

    /// The moment of a claim, 1970 if there is none (as Go reads it). RFC 7519 (§2) allows
    /// fractions; Notary read none, not even `.0`.
    fn read(claims: &Map<String, Value>, name: &'static str) -> Result<Self, TokenError> {
        match claims.get(name) {
            None | Some(Value::Null) => Ok(Self::default()),
            Some(Value::Number(number)) => number
                .as_i64()
                .map(Self::seconds)
                .or_else(|| Self::fraction(number.as_f64()?))
                .ok_or(TokenError::Malformed(name)),
            Some(_) => Err(TokenError::Malformed(name)),
        }
    }

    fn seconds(seconds: i64) -> Self {
        Self(i128::from(seconds) * Self::NANOS)
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the cast saturates, far outside of every calendar"
    )]
    fn fraction(seconds: f64) -> Option<Self> {
        seconds.is_finite().then_some(Self((seconds * 1e9) as i128))
    }
}
