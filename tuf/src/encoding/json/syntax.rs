//! What keeps a text from being JSON.

use std::fmt;

/// How deep arrays and objects may nest. Notary 0.7 allowed 10,000; metadata needs 7.
pub(crate) const MAX_DEPTH: usize = 512;

/// Why a text is not JSON, or more of it than is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    /// The text ends inside a value.
    #[error("the JSON breaks off")]
    End,
    /// A character stands where it may not.
    #[error("the character {:?} {place}", char::from(*byte))]
    Character {
        /// The first byte of the character.
        byte: u8,
        /// Where it stands.
        place: Place,
    },
    /// Arrays and objects nest too deeply.
    #[error("the JSON nests deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// The text has more values than its size justifies.
    #[error("it has too many values for its size")]
    TooManyValues,
}

/// Where in a JSON text a character may not stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Where a value begins.
    Value,
    /// Where the name of a member begins.
    Name,
    /// Between a name and its value.
    AfterName,
    /// After a member of an object.
    AfterMember,
    /// After an item of an array.
    AfterItem,
    /// After the value that is the whole text.
    AfterText,
    /// Inside `true`, `false` or `null`.
    Literal {
        /// The whole word.
        word: &'static str,
        /// The byte that the word has here.
        expected: u8,
    },
    /// At the beginning of a number.
    Number,
    /// After the point of a number.
    Fraction,
    /// In the exponent of a number.
    Exponent,
    /// Inside a string, where a control character is escaped.
    String,
    /// After a backslash.
    Escape,
    /// Among the four digits of an escape.
    Unicode,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Value => "begins no value",
            Self::Name => "begins no member's name",
            Self::AfterName => "follows a name in the place of a colon",
            Self::AfterMember => "follows a member",
            Self::AfterItem => "follows an item",
            Self::AfterText => "follows the value",
            Self::Literal { word, .. } => return write!(f, "is no part of {word}"),
            Self::Number => "begins no number",
            Self::Fraction => "follows the point of a number",
            Self::Exponent => "is no part of an exponent",
            Self::String => "stands in a string unescaped",
            Self::Escape => "follows a backslash",
            Self::Unicode => "is no hexadecimal digit",
        })
    }
}
