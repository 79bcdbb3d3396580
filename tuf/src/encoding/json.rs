//! JSON as Go reads it, since that decides what Notary 0.7 takes, refuses and signs.
//!
//! Differences to stricter readers: invalid UTF-8 and lone surrogates become U+FFFD, a repeated
//! member's last value wins, and members of known structures match regardless of case. Values
//! borrow from the text. [`check`] finds the texts that such leniency lets two readers read in two
//! ways.

mod decode;
mod parser;
mod raw;
mod reading;
mod scanner;
mod strict;
mod syntax;

use std::borrow::Cow;

pub use decode::DecodeError;
pub(crate) use decode::{Decoded, array, elements, folds_to, integer, member, object, text};
pub(crate) use parser::{Scope, expect_end, parse, parse_first, parse_within, to_text};
pub(crate) use reading::at_byte;
pub use reading::{Count, Misreading, ReadingFault, ReadingProblem};
pub(crate) use scanner::{Scanner, Token};
pub(crate) use strict::{Field, Form, Shape, Sizes, check, measure, normalise};
pub use syntax::{Place, SyntaxError};

/// A JSON value; objects keep every member, in the order of the text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    /// The literal, unread: its meaning depends on who asks (integer or 64-bit float).
    Number(Cow<'a, str>),
    String(Cow<'a, str>),
    Array(Vec<Value<'a>>),
    Object(Vec<Member<'a>>),
    /// The text of an object in canonical form that was not taken apart: all targets of a file, or
    /// one of them; see [`Scope::File`].
    Raw(Cow<'a, str>),
}

/// A name and its value.
pub(crate) type Member<'a> = (Cow<'a, str>, Value<'a>);

impl<'a> Value<'a> {
    /// What this kind of value is called in messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) | Self::Raw(_) => "object",
        }
    }

    /// A copy that borrows nothing.
    pub(crate) fn to_owned(&self) -> Value<'static> {
        let owned = |text: &Cow<'a, str>| Cow::Owned(text.as_ref().to_owned());
        match self {
            Self::Null => Value::Null,
            Self::Bool(bool) => Value::Bool(*bool),
            Self::Number(literal) => Value::Number(owned(literal)),
            Self::String(text) => Value::String(owned(text)),
            Self::Raw(text) => Value::Raw(owned(text)),
            Self::Array(items) => Value::Array(items.iter().map(Value::to_owned).collect()),
            Self::Object(members) => Value::Object(
                members
                    .iter()
                    .map(|(name, value)| (owned(name), value.to_owned()))
                    .collect(),
            ),
        }
    }

    /// The whole number `n`.
    pub(crate) fn integer(n: impl std::fmt::Display) -> Self {
        Self::Number(Cow::Owned(n.to_string()))
    }
}

impl<'a, T: Into<Cow<'a, str>>> From<T> for Value<'a> {
    fn from(text: T) -> Self {
        Self::String(text.into())
    }
}

/// Appends `text` as a JSON string the way Go's encoder spells it, with `<`, `>` and `&` escaped.
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for character in text.chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes());
            }
            _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}
