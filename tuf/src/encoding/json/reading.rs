//! Why readers may disagree about a text.

use std::{borrow::Cow, fmt};

use super::syntax::SyntaxError;
use crate::encoding::base64::Base64Error;

/// Why readers may disagree about a text, or some cannot read it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadingFault {
    /// It is not JSON.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// It is JSON, but no envelope.
    #[error(transparent)]
    Malformed(Misreading),
    /// It is an envelope that is not read in one way only.
    #[error(transparent)]
    Refused(Misreading),
}

/// A place of a text that readers may take in two ways.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}{}{problem}", at_byte(*.at))]
pub struct Misreading {
    /// The way to the value: `signed.targets["v1"].length`.
    pub place: String,
    /// At which byte the value begins; `None` where the problem says more.
    pub at: Option<usize>,
    /// What is wrong with it.
    pub problem: ReadingProblem,
}

/// What is wrong with a value for its readers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadingProblem {
    /// An escape is one half of a character.
    #[error("has half of a character before that place")]
    HalfCharacter,
    /// Null, where clients crash.
    #[error("is null")]
    Null,
    /// A value of another type.
    #[error("is {found}, not {expected}")]
    Type {
        /// What it is.
        found: Cow<'static, str>,
        /// What clients decode.
        expected: &'static str,
    },
    /// A number that a 64-bit float does not hold.
    #[error("is too large a number to be signed exactly")]
    Inexact,
    /// A number that some clients cannot hold.
    #[error("is {number}, more than {most}")]
    TooLarge {
        /// The number.
        number: i64,
        /// The largest that all hold.
        most: i64,
    },
    /// A text that is not base64.
    #[error("is not base64: {0}")]
    Base64(Base64Error),
    /// A time that has to be unescaped before it is one.
    #[error("is a time with an escape in it")]
    EscapedTime,
    /// A text that is not a time.
    #[error("is not a time as RFC 3339 writes it")]
    Time,
    /// More members or items than a limit allows.
    #[error("has more than {most} {count}")]
    TooMany {
        /// How many there may be.
        most: usize,
        /// Of what.
        count: Count,
    },
    /// A member whose name only some clients take for that of a field.
    #[error(
        "has a member {name} at byte {at}, which some clients take for {field:?} and others do not"
    )]
    Spelling {
        /// The name, quoted and cut off where it gets long.
        name: String,
        /// Where it stands.
        at: usize,
        /// The name of the field.
        field: &'static str,
    },
    /// A member that is there twice.
    #[error("has the member {name} twice, the second time at byte {at}")]
    Repeated {
        /// The name, quoted and cut off where it gets long.
        name: String,
        /// Where it stands for the second time.
        at: usize,
    },
    /// A byte that is not UTF-8.
    #[error("is not UTF-8")]
    NotUtf8,
    /// More such bytes than are read at all.
    #[error("has more than {most} bytes that are not UTF-8")]
    TooManyInvalidBytes {
        /// How many there may be.
        most: usize,
    },
    /// More values than its size justifies.
    #[error("has too many values for its size")]
    TooManyValues,
}

impl Misreading {
    /// A problem of the whole text.
    pub(crate) fn of_file(at: Option<usize>, problem: ReadingProblem) -> Self {
        let place = if at.is_some() { "the file" } else { "it" };
        Self {
            place: place.to_owned(),
            at,
            problem,
        }
    }
}

/// Where a value begins, between its place and what is wrong with it.
pub(crate) fn at_byte(at: Option<usize>) -> String {
    at.map_or_else(|| " ".to_owned(), |at| format!(" at byte {at} "))
}

/// What is counted, because work or memory grow with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// The keys that a file defines.
    Keys,
    /// The roles that a file names.
    Roles,
    /// The keys of one role.
    RoleKeys,
    /// The signatures of a file.
    Signatures,
    /// The files that a snapshot lists.
    MetaFiles,
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keys => "keys",
            Self::Roles => "roles",
            Self::RoleKeys => "key ids",
            Self::Signatures => "signatures",
            Self::MetaFiles => "files",
        })
    }
}
