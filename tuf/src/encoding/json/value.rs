//! What a text says.

use std::borrow::Cow;

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
    /// one of them; see [`Scope::File`](super::Scope::File).
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
