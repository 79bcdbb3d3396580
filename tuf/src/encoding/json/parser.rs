//! From bytes to [`Value`]s.

use std::{borrow::Cow, ops::Range};

use smallvec::SmallVec;

use super::{
    decode::folds_to,
    raw::canonical_object,
    scanner::{Scanner, Token, is_space, unexpected_character},
    syntax::{Place, SyntaxError},
    value::{Member, Value},
};

/// How much of a text becomes [`Value`]s. Everything is read and checked in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All of it.
    Whole,
    /// All of it, but the targets of a file stay text if they are in canonical form.
    File,
    /// `signed.version` alone, which spares a file of thousands of targets their allocations.
    Version,
}

impl Scope {
    fn keeps(self, depth: usize, name: &str) -> bool {
        matches!(self, Self::Whole | Self::File)
            || match depth {
                1 => folds_to(name, "signed"),
                2 => folds_to(name, "version"),
                _ => false,
            }
    }
}

/// The text of `bytes`; every byte that is not part of valid UTF-8 becomes U+FFFD, each one its
/// own.
pub(crate) fn to_text(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        chunk
            .invalid()
            .iter()
            .for_each(|_| text.push(char::REPLACEMENT_CHARACTER));
    }
    Cow::Owned(text)
}

/// Reads a text that is one value and nothing else.
pub(crate) fn parse(text: &str) -> Result<Value<'_>, SyntaxError> {
    let (value, end) = parse_first(text, Scope::Whole)?;
    expect_end(text, end)?;
    Ok(value)
}

/// Reads the first value of a text, and where it ends.
pub(crate) fn parse_first(text: &str, scope: Scope) -> Result<(Value<'_>, usize), SyntaxError> {
    let mut parser = Parser::new(text, scope, usize::MAX);
    let value = parser.value()?;
    Ok((value, parser.scanner.at()))
}

/// A metadata file, in [`Scope::File`].
pub(crate) struct ParsedFile<'a> {
    pub(crate) value: Value<'a>,
    /// Where it ends.
    pub(crate) end: usize,
    /// Where the text of its signed part stands; of several the last.
    pub(crate) signed: Option<Range<usize>>,
}

/// Reads the first value of a text as a metadata file, if no more than `most` values would have to
/// be kept.
pub(crate) fn parse_file(text: &str, most: usize) -> Result<ParsedFile<'_>, SyntaxError> {
    let mut parser = Parser::new(text, Scope::File, most);
    Ok(ParsedFile {
        value: parser.value()?,
        end: parser.scanner.at(),
        signed: parser.signed,
    })
}

/// Refuses anything but white space from `end` on.
pub(crate) fn expect_end(text: &str, end: usize) -> Result<(), SyntaxError> {
    match text.as_bytes()[end..].iter().find(|byte| !is_space(**byte)) {
        None => Ok(()),
        Some(byte) => Err(unexpected_character(*byte, Place::AfterText)),
    }
}

/// Lists of up to this many values are put together on the stack, and take exactly the memory that
/// they need: files hold very many of them. A list that grew and shrank in place would leave holes
/// that nothing fits into.
const FEW: usize = 4;

struct Parser<'a> {
    scanner: Scanner<'a>,
    scope: Scope,
    /// False inside a member that the scope leaves out.
    keep: bool,
    /// How many more values may be kept.
    left: usize,
    /// Whether this is the signed part of a file.
    is_signed: bool,
    /// Whether this is its targets.
    is_targets: bool,
    /// Where the signed part of a file was found.
    signed: Option<Range<usize>>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, scope: Scope, most: usize) -> Self {
        Self {
            scanner: Scanner::new(text),
            scope,
            keep: true,
            left: most,
            is_signed: false,
            is_targets: false,
            signed: None,
        }
    }

    fn value(&mut self) -> Result<Value<'a>, SyntaxError> {
        self.count()?;
        Ok(match self.scanner.value()? {
            Token::Null => Value::Null,
            Token::Bool(bool) => Value::Bool(bool),
            Token::Number(literal) => Value::Number(Cow::Borrowed(literal)),
            Token::String(text) => Value::String(text),
            Token::Array => Value::Array(self.items()?),
            Token::Object => Value::Object(self.members()?),
        })
    }

    fn members(&mut self) -> Result<Vec<Member<'a>>, SyntaxError> {
        let mut members = SmallVec::<[Member<'a>; FEW]>::new();
        let (mut is_first, outside) = (true, self.keep);
        while let Some((name, _)) = self.scanner.next_member(is_first)? {
            is_first = false;
            self.keep = outside && self.scope.keeps(self.scanner.depth(), &name);
            let value = self.member(&name)?;
            if self.keep {
                members.push((name, value));
            }
            self.keep = outside;
        }
        Ok(exact(members))
    }

    /// Reads the value of the member `name`.
    fn member(&mut self, name: &str) -> Result<Value<'a>, SyntaxError> {
        if self.scope == Scope::File {
            match self.scanner.depth() {
                1 => self.is_signed = folds_to(name, "signed"),
                2 => self.is_targets = self.is_signed && folds_to(name, "targets"),
                _ => {}
            }
            // All targets at once, or one of them: a single odd name costs no more than itself.
            if self.is_targets
                && matches!(self.scanner.depth(), 2 | 3)
                && let Some(text) = self.canonical_object()
            {
                return self.keep_raw(text);
            }
            if self.is_signed && self.scanner.depth() == 1 {
                let begin = self.scanner.next_at()?;
                let value = self.value()?;
                self.signed = Some(begin..self.scanner.at());
                return Ok(value);
            }
        }
        self.value()
    }

    /// Takes the object that follows as it stands, if it is in canonical form and not empty.
    fn canonical_object(&mut self) -> Option<&'a str> {
        let rest = self.scanner.rest().ok()?;
        let length = canonical_object(rest)?;
        self.scanner.advance(length);
        Some(&rest[..length])
    }

    fn keep_raw(&mut self, text: &'a str) -> Result<Value<'a>, SyntaxError> {
        self.count()?;
        Ok(Value::Raw(Cow::Borrowed(text)))
    }

    /// Counts a value that is kept.
    fn count(&mut self) -> Result<(), SyntaxError> {
        if self.keep {
            self.left = self.left.checked_sub(1).ok_or(SyntaxError::TooManyValues)?;
        }
        Ok(())
    }

    fn items(&mut self) -> Result<Vec<Value<'a>>, SyntaxError> {
        let mut items = SmallVec::<[Value<'a>; FEW]>::new();
        let mut is_first = true;
        while self.scanner.next_item(is_first)? {
            is_first = false;
            let item = self.value()?;
            if self.keep {
                items.push(item);
            }
        }
        Ok(exact(items))
    }
}

/// The values in a piece of memory of their own. `SmallVec::into_vec` would make room for four.
fn exact<T>(values: SmallVec<[T; FEW]>) -> Vec<T> {
    if values.spilled() {
        return values.into_vec();
    }
    let mut exact = Vec::with_capacity(values.len());
    exact.extend(values);
    exact
}

#[cfg(test)]
mod tests {
    use super::{super::syntax::MAX_DEPTH, *};

    #[test]
    fn nesting_is_read_up_to_the_limit_and_refused_beyond() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(parse(&nested(MAX_DEPTH + 1)), Err(SyntaxError::TooDeep));
    }

    #[test]
    fn endless_nesting_is_refused_without_exhausting_the_stack() {
        assert!(parse(&"[".repeat(10_000_000)).is_err());
        assert!(parse(&"{\"a\":".repeat(1_000_000)).is_err());
    }

    #[test]
    fn the_version_scope_keeps_nothing_else() {
        let text = r#"{"signatures":[{}],"Signed":{"targets":{"version":3},"version":7,"x":[1]}}"#;
        let (value, end) = parse_first(text, Scope::Version).expect("valid JSON");
        assert_eq!(
            value,
            parse(r#"{"Signed":{"version":7}}"#).expect("valid JSON")
        );
        assert_eq!(end, text.len());
    }
}
