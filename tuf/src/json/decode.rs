//! From [`Value`]s to the members of known structures, as Go's typed decoding finds them.

use std::collections::BTreeMap;

use super::{Member, Value};

/// A value of the wrong kind, in words close to Go's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct DecodeError(pub(crate) String);

impl DecodeError {
    pub(crate) fn kind(value: &Value<'_>, expected: &str) -> Self {
        Self(format!(
            "json: cannot unmarshal {} into Go value of type {expected}",
            value.kind()
        ))
    }
}

/// The member of a structure: its name matches exactly or in another case, the last one wins, null is absent.
pub(crate) fn member<'v, 'a>(members: &'v [Member<'a>], name: &str) -> Option<&'v Value<'a>> {
    let (_, value) = members
        .iter()
        .rev()
        .find(|(found, _)| folds_to(found, name))?;
    (*value != Value::Null).then_some(value)
}

/// The members of a structure; null and absent have none.
pub(crate) fn object<'v, 'a>(
    value: Option<&'v Value<'a>>,
    expected: &str,
) -> Result<&'v [Member<'a>], DecodeError> {
    match value {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Object(members)) => Ok(members),
        Some(other) => Err(DecodeError::kind(other, expected)),
    }
}

/// The elements of a map: names are taken as they are, the last of equal ones wins.
pub(crate) fn elements<'v, 'a>(
    value: Option<&'v Value<'a>>,
    expected: &str,
) -> Result<BTreeMap<&'v str, &'v Value<'a>>, DecodeError> {
    let members = object(value, expected)?;
    Ok(members
        .iter()
        .map(|(name, value)| (name.as_ref(), value))
        .collect())
}

/// The items of a list; null and absent have none.
pub(crate) fn array<'v, 'a>(
    value: Option<&'v Value<'a>>,
    expected: &str,
) -> Result<&'v [Value<'a>], DecodeError> {
    match value {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(other) => Err(DecodeError::kind(other, expected)),
    }
}

/// A text; null and absent are empty.
pub(crate) fn text<'v>(value: Option<&'v Value<'_>>) -> Result<&'v str, DecodeError> {
    match value {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(DecodeError::kind(other, "string")),
    }
}

/// A whole number written without fraction or exponent; null and absent are zero.
pub(crate) fn integer(value: Option<&Value<'_>>) -> Result<i64, DecodeError> {
    match value {
        None | Some(Value::Null) => Ok(0),
        Some(Value::Number(literal)) => literal.parse().map_err(|_| {
            DecodeError(format!(
                "json: cannot unmarshal number {literal} into Go value of type int"
            ))
        }),
        Some(other) => Err(DecodeError::kind(other, "int")),
    }
}

/// Whether a member called `found` is the one that a structure calls `name` (all lower case ASCII).
///
/// Like Go, the Kelvin sign counts as `k` and the long s as `s`.
pub(crate) fn folds_to(found: &str, name: &str) -> bool {
    let fold = |character: char| match character {
        '\u{212a}' => 'k',
        '\u{17f}' => 's',
        other => other.to_ascii_lowercase(),
    };
    found == name || (found.len() >= name.len() && found.chars().map(fold).eq(name.chars()))
}
