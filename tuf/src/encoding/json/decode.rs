//! From [`Value`]s to the members of known structures, as Go's typed decoding finds them.

use std::collections::BTreeMap;

use super::{
    syntax::SyntaxError,
    value::{Member, Value},
};
use crate::encoding::base64::Base64Error;

/// What is read of a value.
pub(crate) type Decoded<T> = Result<T, DecodeError>;

/// Why a value is not what its place in a file asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The text is not JSON.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// The value is of another kind.
    #[error("{found} stands in the place of {expected}")]
    Kind {
        /// What it is: `null`, `bool`, `number`, `string`, `array` or `object`.
        found: &'static str,
        /// What the place is for, as the readers of this format call it.
        expected: &'static str,
    },
    /// The number is not whole, or has more than 64 bits.
    #[error("{0} is not a whole number of 64 bits")]
    Integer(String),
    /// The text is not a time.
    #[error("{0:?} is not a time of RFC 3339")]
    Time(String),
    /// The text is not base64.
    #[error(transparent)]
    Base64(#[from] Base64Error),
}

impl DecodeError {
    pub(crate) fn kind(value: &Value<'_>, expected: &'static str) -> Self {
        Self::Kind {
            found: value.kind(),
            expected,
        }
    }
}

/// The member of a structure: its name matches exactly or in another case, the last one wins, null
/// is absent.
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
    expected: &'static str,
) -> Decoded<&'v [Member<'a>]> {
    match value {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Object(members)) => Ok(members),
        Some(other) => Err(DecodeError::kind(other, expected)),
    }
}

/// The elements of a map: names are taken as they are, the last of equal ones wins.
pub(crate) fn elements<'v, 'a>(
    value: Option<&'v Value<'a>>,
    expected: &'static str,
) -> Decoded<BTreeMap<&'v str, &'v Value<'a>>> {
    let members = object(value, expected)?;
    Ok(members
        .iter()
        .map(|(name, value)| (name.as_ref(), value))
        .collect())
}

/// The items of a list; null and absent have none.
pub(crate) fn array<'v, 'a>(
    value: Option<&'v Value<'a>>,
    expected: &'static str,
) -> Decoded<&'v [Value<'a>]> {
    match value {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(other) => Err(DecodeError::kind(other, expected)),
    }
}

/// A text; null and absent are empty.
pub(crate) fn text<'v>(value: Option<&'v Value<'_>>) -> Decoded<&'v str> {
    match value {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(DecodeError::kind(other, "string")),
    }
}

/// A whole number written without fraction or exponent; null and absent are zero.
pub(crate) fn integer(value: Option<&Value<'_>>) -> Decoded<i64> {
    match value {
        None | Some(Value::Null) => Ok(0),
        Some(Value::Number(literal)) => literal
            .parse()
            .map_err(|_| DecodeError::Integer(literal.to_string())),
        Some(other) => Err(DecodeError::kind(other, "int")),
    }
}

fn fold(character: char) -> char {
    match character {
        '\u{212a}' => 'k',
        '\u{17f}' => 's',
        other => other.to_ascii_lowercase(),
    }
}

/// Whether a member called `found` is the one that a structure calls `name` (all lower case ASCII).
///
/// Like Go, the Kelvin sign counts as `k` and the long s as `s`.
pub(crate) fn folds_to(found: &str, name: &str) -> bool {
    found == name || (found.len() >= name.len() && found.chars().map(fold).eq(name.chars()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::json::parse;

    #[test]
    fn a_member_is_found_in_any_case_and_the_last_one_counts() {
        let value = parse(r#"{"version":1,"VERSION":2,"expires":3,"expires":null}"#).expect("JSON");
        let members = object(Some(&value), "x").expect("an object");
        assert_eq!(integer(member(members, "version")), Ok(2));
        assert_eq!(member(members, "expires"), None);
    }

    #[test]
    fn names_fold_as_go_folds_them() {
        for name in ["keys", "KEYS", "Keys", "\u{212a}ey\u{17f}"] {
            assert!(folds_to(name, "keys"), "{name}");
        }
        for name in ["key", "keyss", "", "k\u{e9}ys"] {
            assert!(!folds_to(name, "keys"), "{name}");
        }
    }

    #[test]
    fn names_of_a_map_are_taken_as_they_are() {
        let value = parse(r#"{"a":1,"A":2,"a":3}"#).expect("JSON");
        let elements = elements(Some(&value), "x").expect("an object");
        let found: Vec<_> = elements
            .into_iter()
            .map(|(name, n)| (name, integer(Some(n))))
            .collect();
        assert_eq!(found, [("A", Ok(2)), ("a", Ok(3))]);
    }

    #[test]
    fn integers_are_whole_literals_of_64_bits() {
        for (literal, read) in [
            ("-1", Some(-1)),
            ("-0", Some(0)),
            ("1.0", None),
            ("1e0", None),
            ("9223372036854775808", None),
        ] {
            assert_eq!(
                integer(parse(literal).ok().as_ref()).ok(),
                read,
                "{literal}"
            );
        }
        assert!(integer(Some(&Value::from("1"))).is_err());
    }
}
