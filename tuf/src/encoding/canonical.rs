//! Canonical JSON, the form of metadata that is signed.
//!
//! No white space; members sorted by their names' bytes; in strings only `"` and `\` are escaped;
//! numbers are 64-bit floats that must be whole and are written as integers (Notary 0.7).

use crate::encoding::json::{self, Member, SyntaxError, Value};

/// Why a text has no canonical form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalError {
    /// The text is not JSON.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// The value is neither an object nor null.
    #[error("only an object can be signed, not {found}")]
    NotAnObject {
        /// What it is: `bool`, `number`, `string` or `array`.
        found: &'static str,
    },
    /// A number has a fraction.
    #[error("the number {0} is not whole and cannot be signed")]
    Fraction(String),
    /// A number is beyond all floats.
    #[error("the number {0} is too large to be signed")]
    TooLarge(String),
}

/// The canonical form of a JSON object, or of `null`.
///
/// ```
/// let canonical = tuf::canonical::encode(br#"{ "b": 1.0, "a": "\u0041" }"#);
/// assert_eq!(canonical.as_deref(), Ok(br#"{"a":"A","b":1}"#.as_slice()));
/// ```
pub fn encode(input: &[u8]) -> Result<Vec<u8>, CanonicalError> {
    let text = json::to_text(input);
    message(&json::parse(&text)?)
}

/// The bytes that are signed for a `signed` value.
pub(crate) fn message(value: &Value<'_>) -> Result<Vec<u8>, CanonicalError> {
    message_of(value, 4096)
}

/// Like [`message`], with room for `expected` bytes from the beginning: growing into a long message
/// takes three times its memory.
pub(crate) fn message_of(value: &Value<'_>, expected: usize) -> Result<Vec<u8>, CanonicalError> {
    if !matches!(value, Value::Object(_) | Value::Null) {
        return Err(CanonicalError::NotAnObject {
            found: value.kind(),
        });
    }
    write(value, write_string, expected)
}

/// The same structure with JSON's own escapes: what stands in a file around the bytes that were
/// signed.
///
/// Canonical JSON leaves control characters raw, which no JSON reader takes.
pub(crate) fn readable(value: &Value<'_>) -> Result<Vec<u8>, CanonicalError> {
    write(value, json::write_string, 4096)
}

fn write(
    value: &Value<'_>,
    strings: fn(&str, &mut Vec<u8>),
    expected: usize,
) -> Result<Vec<u8>, CanonicalError> {
    let mut writer = Writer {
        out: Vec::with_capacity(expected),
        strings,
    };
    writer.value(value)?;
    Ok(writer.out)
}

struct Writer {
    out: Vec<u8>,
    strings: fn(&str, &mut Vec<u8>),
}

impl Writer {
    fn value(&mut self, value: &Value<'_>) -> Result<(), CanonicalError> {
        match value {
            Value::Null => self.out.extend_from_slice(b"null"),
            Value::Bool(true) => self.out.extend_from_slice(b"true"),
            Value::Bool(false) => self.out.extend_from_slice(b"false"),
            Value::Number(literal) => write_number(literal, &mut self.out)?,
            Value::String(text) => (self.strings)(text, &mut self.out),
            Value::Raw(text) => self.out.extend_from_slice(text.as_bytes()),
            Value::Array(items) => self.array(items)?,
            Value::Object(members) => self.object(members)?,
        }
        Ok(())
    }

    fn array(&mut self, items: &[Value<'_>]) -> Result<(), CanonicalError> {
        self.out.push(b'[');
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            self.value(item)?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn object(&mut self, members: &[Member<'_>]) -> Result<(), CanonicalError> {
        if members.is_sorted_by(|(a, _), (b, _)| a < b) {
            return self.members(members.iter());
        }
        let mut sorted: Vec<&Member<'_>> = members.iter().rev().collect();
        // The sort is stable: of equal names, the one that came last in the text stands first and
        // is kept.
        sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
        sorted.dedup_by(|(later, _), (kept, _)| later == kept);
        self.members(sorted.into_iter())
    }

    fn members<'v, 'a: 'v>(
        &mut self,
        members: impl Iterator<Item = &'v Member<'a>>,
    ) -> Result<(), CanonicalError> {
        self.out.push(b'{');
        for (at, (name, value)) in members.enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            (self.strings)(name, &mut self.out);
            self.out.push(b':');
            self.value(value)?;
        }
        self.out.push(b'}');
        Ok(())
    }
}

pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut written = 0;
    for (at, byte) in text.bytes().enumerate() {
        if matches!(byte, b'"' | b'\\') {
            out.extend_from_slice(&text.as_bytes()[written..at]);
            out.push(b'\\');
            written = at;
        }
    }
    out.extend_from_slice(&text.as_bytes()[written..]);
    out.push(b'"');
}

fn write_number(literal: &str, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    // Up to 15 digits a float holds exactly, so the literal is its own canonical form.
    let short = literal.len() <= 15 && literal.bytes().all(|byte| byte.is_ascii_digit());
    if short {
        out.extend_from_slice(literal.as_bytes());
    } else {
        out.extend_from_slice(whole(literal)?.to_string().as_bytes());
    }
    Ok(())
}

/// Where 64-bit integers end, as a float: 2 to the power of 63.
const LIMIT: f64 = 9_223_372_036_854_775_808.0;

/// Reads a number the way Notary 0.7 does on amd64: by way of a 64-bit float.
fn whole(literal: &str) -> Result<i64, CanonicalError> {
    let float: f64 = literal.parse().expect("the parser took it for a number");
    if float.is_infinite() {
        return Err(CanonicalError::TooLarge(literal.to_owned()));
    }
    if float.fract() != 0.0 {
        return Err(CanonicalError::Fraction(literal.to_owned()));
    }
    // Go's conversion yields the lowest integer for everything out of range, above or below.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the value is whole and in range"
    )]
    Ok(if (-LIMIT..LIMIT).contains(&float) {
        float as i64
    } else {
        i64::MIN
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_raw_when_signed_and_escaped_when_stored() {
        let value = Value::Object(vec![("a\n<".into(), Value::from("\u{1}"))]);
        assert_eq!(
            message(&value).as_deref(),
            Ok(b"{\"a\n<\":\"\x01\"}".as_slice())
        );
        assert_eq!(
            readable(&value).as_deref(),
            Ok(br#"{"a\n\u003c":"\u0001"}"#.as_slice())
        );
    }

    #[test]
    fn canonical_objects_are_found_and_their_canonical_form_is_their_text() {
        for text in [
            r#"{"a":{"length":1},"b":null}"#,
            r#"{"":[],"a":[1,-2,0,"x\"\\",true,false,null,{}],"é":123456789012345}"#,
        ] {
            assert_eq!(json::canonical_object(text), Some(text.len()));
            assert_eq!(
                json::canonical_object(&format!("{text},")),
                Some(text.len())
            );
            assert_eq!(encode(text.as_bytes()).as_deref(), Ok(text.as_bytes()));
        }
    }
}
