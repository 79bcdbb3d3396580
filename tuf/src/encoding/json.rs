//! JSON as Go reads it, since that decides what Notary 0.7 takes, refuses and signs.
//!
//! Differences to stricter readers: invalid UTF-8 and lone surrogates become U+FFFD, a repeated
//! member's last value wins, and members of known structures match regardless of case. Values
//! borrow from the text. [`check`] finds the texts that such leniency lets two readers read in two
//! ways.

mod decode;
mod parser;
mod plain;
mod raw;
mod reading;
mod scanner;
mod strict;
mod syntax;
mod value;
mod write;

pub use decode::DecodeError;
pub(crate) use decode::{Decoded, array, elements, folds_to, integer, member, object, text};
pub(crate) use parser::{Scope, expect_end, parse, parse_file, parse_first, to_text};
pub(crate) use raw::canonical_object;
pub(crate) use reading::at_byte;
pub use reading::{Count, Misreading, ReadingFault, ReadingProblem};
pub(crate) use scanner::{Scanner, Token};
pub(crate) use strict::{Field, Form, Shape, Sizes, check, measure, normalise};
pub use syntax::{Place, SyntaxError};
pub(crate) use value::{Member, Value};
pub(crate) use write::write_string;
