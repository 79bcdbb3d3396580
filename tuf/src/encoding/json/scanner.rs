//! From a text to its tokens, as Go's scanner finds them.

use std::borrow::Cow;

use super::{
    plain::find_special,
    syntax::{MAX_DEPTH, Place, SyntaxError},
};

/// A scalar value, or the beginning of a longer one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token<'a> {
    Null,
    Bool(bool),
    /// The literal, unread.
    Number(&'a str),
    /// Borrowed only if there is no escape in it.
    String(Cow<'a, str>),
    /// Read its items with [`Scanner::next_item`].
    Array,
    /// Read its members with [`Scanner::next_member`].
    Object,
}

/// Reads a text token by token, so that its readers decide what they keep.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    /// Where the first escape stands that is half of a character.
    half_character: Option<usize>,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
            depth: 0,
            half_character: None,
        }
    }

    /// A scanner of the same text that begins at the byte `at`.
    pub(crate) fn restart(&self, at: usize) -> Self {
        Self {
            at,
            depth: 0,
            ..*self
        }
    }

    /// How many bytes of the text were read.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Where the first escape ends that is a surrogate without its other half: it was read as
    /// U+FFFD, as any other of its kind.
    pub(crate) fn half_character(&self) -> Option<usize> {
        self.half_character
    }

    /// How many arrays and objects are open.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// Skips white space, and says where the next token begins.
    pub(crate) fn next_at(&mut self) -> Result<usize, SyntaxError> {
        self.look().map(|_| self.at)
    }

    /// Reads a scalar value, or enters an array or object.
    pub(crate) fn value(&mut self) -> Result<Token<'a>, SyntaxError> {
        match self.look()? {
            b'{' => self.enter(Token::Object),
            b'[' => self.enter(Token::Array),
            b'"' => self.string().map(Token::String),
            b't' => self.literal("true", Token::Bool(true)),
            b'f' => self.literal("false", Token::Bool(false)),
            b'n' => self.literal("null", Token::Null),
            b'-' | b'0'..=b'9' => self.number(),
            byte => Err(unexpected_character(byte, Place::Value)),
        }
    }

    fn enter(&mut self, token: Token<'a>) -> Result<Token<'a>, SyntaxError> {
        if self.depth == MAX_DEPTH {
            return Err(SyntaxError::TooDeep);
        }
        self.depth += 1;
        self.at += 1;
        Ok(token)
    }

    fn leave(&mut self) {
        self.depth -= 1;
        self.at += 1;
    }

    /// Reads the name of the next member of an object, whose value follows, and says where it
    /// stands; `None` leaves the object.
    pub(crate) fn next_member(
        &mut self,
        is_first: bool,
    ) -> Result<Option<(Cow<'a, str>, usize)>, SyntaxError> {
        match self.look()? {
            b'}' => {
                self.leave();
                return Ok(None);
            }
            b',' if !is_first => self.at += 1,
            byte if !is_first => return Err(unexpected_character(byte, Place::AfterMember)),
            _ => {}
        }
        match self.look()? {
            b'"' => {}
            byte => {
                return Err(unexpected_character(byte, Place::Name));
            }
        }
        let at = self.at;
        let name = self.string()?;
        match self.look()? {
            b':' => self.at += 1,
            byte => return Err(unexpected_character(byte, Place::AfterName)),
        }
        Ok(Some((name, at)))
    }

    /// Whether another item of an array follows; `false` leaves the array.
    pub(crate) fn next_item(&mut self, is_first: bool) -> Result<bool, SyntaxError> {
        match self.look()? {
            b']' => {
                self.leave();
                return Ok(false);
            }
            b',' if !is_first => self.at += 1,
            byte if !is_first => return Err(unexpected_character(byte, Place::AfterItem)),
            _ => {}
        }
        Ok(true)
    }

    /// What was not read yet, from the next token on.
    pub(super) fn rest(&mut self) -> Result<&'a str, SyntaxError> {
        let at = self.next_at()?;
        Ok(&self.text[at..])
    }

    /// Passes over `length` bytes that were read in another way.
    pub(super) fn advance(&mut self, length: usize) {
        self.at += length;
    }

    fn literal(&mut self, word: &'static str, token: Token<'a>) -> Result<Token<'a>, SyntaxError> {
        for expected in word.bytes() {
            let byte = self.peek()?;
            if byte != expected {
                return Err(unexpected_character(
                    byte,
                    Place::Literal { word, expected },
                ));
            }
            self.at += 1;
        }
        Ok(token)
    }

    fn number(&mut self) -> Result<Token<'a>, SyntaxError> {
        let start = self.at;
        self.at += usize::from(self.bytes[start] == b'-');
        match self.peek()? {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.skip_digits(),
            byte => return Err(unexpected_character(byte, Place::Number)),
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits(Place::Fraction)?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            self.at += usize::from(matches!(self.bytes.get(self.at), Some(b'+' | b'-')));
            self.digits(Place::Exponent)?;
        }
        Ok(Token::Number(&self.text[start..self.at]))
    }

    fn digits(&mut self, place: Place) -> Result<(), SyntaxError> {
        match self.peek()? {
            b'0'..=b'9' => self.skip_digits(),
            byte => return Err(unexpected_character(byte, place)),
        }
        Ok(())
    }

    fn skip_digits(&mut self) {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }

    /// Reads a value of any kind and forgets it.
    pub(crate) fn skip(&mut self) -> Result<(), SyntaxError> {
        let mut is_first = true;
        match self.value()? {
            Token::Object => {
                while self.next_member(is_first)?.is_some() {
                    is_first = false;
                    self.skip()?;
                }
            }
            Token::Array => {
                while self.next_item(is_first)? {
                    is_first = false;
                    self.skip()?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Reads a string, whose opening quote is next; without escapes it is borrowed.
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>, SyntaxError> {
        self.at += 1;
        let plain = self.plain()?;
        if self.bytes[self.at] == b'"' {
            self.at += 1;
            return Ok(Cow::Borrowed(plain));
        }
        let mut decoded = plain.to_owned();
        while self.bytes[self.at] == b'\\' {
            self.at += 1;
            let character = self.escape()?;
            decoded.push(character);
            decoded.push_str(self.plain()?);
        }
        self.at += 1;
        Ok(Cow::Owned(decoded))
    }

    /// Takes the characters up to a quote or backslash, which must come.
    fn plain(&mut self) -> Result<&'a str, SyntaxError> {
        let start = self.at;
        let rest = &self.bytes[start..];
        let length = find_special(rest).ok_or(SyntaxError::End)?;
        self.at += length;
        match rest[length] {
            b'"' | b'\\' => Ok(&self.text[start..self.at]),
            byte => Err(unexpected_character(byte, Place::String)),
        }
    }

    /// Decodes an escape whose backslash was taken.
    fn escape(&mut self) -> Result<char, SyntaxError> {
        let byte = self.peek()?;
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode_escape(),
            _ => return Err(unexpected_character(byte, Place::Escape)),
        })
    }

    /// Decodes four hexadecimal digits, and the low surrogate that may follow a high one.
    fn unicode_escape(&mut self) -> Result<char, SyntaxError> {
        let unit = self.hexadecimal()?;
        if let Some(character) = char::from_u32(unit) {
            return Ok(character);
        }
        let before = self.at;
        if unit < 0xdc00 && self.bytes[self.at..].starts_with(b"\\u") {
            self.at += 2;
            let low = self.hexadecimal()?;
            if (0xdc00..0xe000).contains(&low) {
                let code = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                return Ok(char::from_u32(code).expect("a surrogate pair encodes a scalar value"));
            }
            self.at = before;
        }
        self.half_character.get_or_insert(before);
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hexadecimal(&mut self) -> Result<u32, SyntaxError> {
        let mut unit = 0;
        for _ in 0..4 {
            let byte = self.peek()?;
            let digit = char::from(byte).to_digit(16);
            unit = unit * 16 + digit.ok_or_else(|| unexpected_character(byte, Place::Unicode))?;
            self.at += 1;
        }
        Ok(unit)
    }

    /// Skips white space and looks at the next character, which must come.
    fn look(&mut self) -> Result<u8, SyntaxError> {
        while self.bytes.get(self.at).copied().is_some_and(is_space) {
            self.at += 1;
        }
        self.peek()
    }

    fn peek(&self) -> Result<u8, SyntaxError> {
        self.bytes.get(self.at).copied().ok_or(SyntaxError::End)
    }
}

pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

pub(super) fn unexpected_character(byte: u8, place: Place) -> SyntaxError {
    SyntaxError::Character { byte, place }
}
