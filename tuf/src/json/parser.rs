//! From bytes to [`Value`]s, with the syntax error texts of Go's scanner.

use std::borrow::Cow;

use super::{Member, Value};

/// How deep arrays and objects may nest. Notary 0.7 allowed 10,000; metadata needs 7.
pub(crate) const MAX_DEPTH: usize = 512;

/// Go's text for what is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct SyntaxError(pub(crate) String);

/// How much of a text becomes [`Value`]s. Everything is read and checked in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All of it.
    Whole,
    /// `signed.version` alone, which spares a file of thousands of targets their allocations.
    Version,
}

impl Scope {
    fn keeps(self, depth: usize, name: &str) -> bool {
        self == Self::Whole
            || match depth {
                1 => super::decode::folds_to(name, "signed"),
                2 => super::decode::folds_to(name, "version"),
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
    let mut parser = Parser {
        text,
        bytes: text.as_bytes(),
        at: 0,
        depth: 0,
        scope,
        keep: true,
    };
    let value = parser.value()?;
    Ok((value, parser.at))
}

/// Refuses anything but white space from `end` on.
pub(crate) fn expect_end(text: &str, end: usize) -> Result<(), SyntaxError> {
    match text.as_bytes()[end..].iter().find(|byte| !is_space(**byte)) {
        None => Ok(()),
        Some(byte) => Err(unexpected(*byte, "after top-level value")),
    }
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    scope: Scope,
    /// False inside a member that the scope leaves out.
    keep: bool,
}

impl<'a> Parser<'a> {
    fn value(&mut self) -> Result<Value<'a>, SyntaxError> {
        match self.token()? {
            b'{' => self.nested(Self::object),
            b'[' => self.nested(Self::array),
            b'"' => {
                self.at += 1;
                self.string().map(Value::String)
            }
            b't' => self.literal("true", Value::Bool(true)),
            b'f' => self.literal("false", Value::Bool(false)),
            b'n' => self.literal("null", Value::Null),
            b'-' | b'0'..=b'9' => self.number(),
            byte => Err(unexpected(byte, "looking for beginning of value")),
        }
    }

    /// Enters an array or object; its opening character is the next one.
    fn nested(
        &mut self,
        read: fn(&mut Self) -> Result<Value<'a>, SyntaxError>,
    ) -> Result<Value<'a>, SyntaxError> {
        if self.depth == MAX_DEPTH {
            return Err(SyntaxError("exceeded max depth".to_owned()));
        }
        self.depth += 1;
        self.at += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn object(&mut self) -> Result<Value<'a>, SyntaxError> {
        let mut members: Vec<Member<'a>> = Vec::new();
        if self.token()? == b'}' {
            self.at += 1;
            return Ok(Value::Object(members));
        }
        loop {
            match self.token()? {
                b'"' => self.at += 1,
                byte => {
                    return Err(unexpected(
                        byte,
                        "looking for beginning of object key string",
                    ));
                }
            }
            let name = self.string()?;
            match self.token()? {
                b':' => self.at += 1,
                byte => return Err(unexpected(byte, "after object key")),
            }
            self.member(name, &mut members)?;
            match self.token()? {
                b',' => self.at += 1,
                b'}' => break,
                byte => return Err(unexpected(byte, "after object key:value pair")),
            }
        }
        self.at += 1;
        Ok(Value::Object(members))
    }

    fn member(
        &mut self,
        name: Cow<'a, str>,
        members: &mut Vec<Member<'a>>,
    ) -> Result<(), SyntaxError> {
        let outside = self.keep;
        self.keep = outside && self.scope.keeps(self.depth, &name);
        let value = self.value()?;
        if self.keep {
            members.push((name, value));
        }
        self.keep = outside;
        Ok(())
    }

    fn array(&mut self) -> Result<Value<'a>, SyntaxError> {
        let mut items = Vec::new();
        if self.token()? == b']' {
            self.at += 1;
            return Ok(Value::Array(items));
        }
        loop {
            let item = self.value()?;
            if self.keep {
                items.push(item);
            }
            match self.token()? {
                b',' => self.at += 1,
                b']' => break,
                byte => return Err(unexpected(byte, "after array element")),
            }
        }
        self.at += 1;
        Ok(Value::Array(items))
    }

    fn literal(&mut self, word: &str, value: Value<'a>) -> Result<Value<'a>, SyntaxError> {
        for expected in word.bytes() {
            let byte = self.peek()?;
            if byte != expected {
                let place = format!("in literal {word} (expecting {})", quote(expected));
                return Err(unexpected(byte, &place));
            }
            self.at += 1;
        }
        Ok(value)
    }

    fn number(&mut self) -> Result<Value<'a>, SyntaxError> {
        let start = self.at;
        self.at += usize::from(self.bytes[start] == b'-');
        match self.peek()? {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.skip_digits(),
            byte => return Err(unexpected(byte, "in numeric literal")),
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            self.at += usize::from(matches!(self.bytes.get(self.at), Some(b'+' | b'-')));
            self.digits("in exponent of numeric literal")?;
        }
        Ok(Value::Number(Cow::Borrowed(&self.text[start..self.at])))
    }

    fn digits(&mut self, place: &str) -> Result<(), SyntaxError> {
        match self.peek()? {
            b'0'..=b'9' => self.skip_digits(),
            byte => return Err(unexpected(byte, place)),
        }
        Ok(())
    }

    fn skip_digits(&mut self) {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }

    /// Reads a string whose opening quote was taken; without escapes it is borrowed.
    fn string(&mut self) -> Result<Cow<'a, str>, SyntaxError> {
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
        let length = rest
            .iter()
            .position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))
            .ok_or_else(end_of_input)?;
        self.at += length;
        match rest[length] {
            b'"' | b'\\' => Ok(&self.text[start..self.at]),
            byte => Err(unexpected(byte, "in string literal")),
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
            _ => return Err(unexpected(byte, "in string escape code")),
        })
    }

    /// Decodes four hexadecimal digits, and the low surrogate that may follow a high one.
    fn unicode_escape(&mut self) -> Result<char, SyntaxError> {
        let unit = self.hexadecimal()?;
        if !(0xd800..0xdc00).contains(&unit) {
            return Ok(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        if self.bytes[self.at..].starts_with(b"\\u") {
            let before = self.at;
            self.at += 2;
            let low = self.hexadecimal()?;
            if (0xdc00..0xe000).contains(&low) {
                let code = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                return Ok(char::from_u32(code).expect("a surrogate pair encodes a scalar value"));
            }
            self.at = before;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hexadecimal(&mut self) -> Result<u32, SyntaxError> {
        let mut unit = 0;
        for _ in 0..4 {
            let byte = self.peek()?;
            let digit = char::from(byte).to_digit(16);
            unit = unit * 16
                + digit.ok_or_else(|| unexpected(byte, "in \\u hexadecimal character escape"))?;
            self.at += 1;
        }
        Ok(unit)
    }

    /// Skips white space and looks at the next character, which must come.
    fn token(&mut self) -> Result<u8, SyntaxError> {
        while self.bytes.get(self.at).copied().is_some_and(is_space) {
            self.at += 1;
        }
        self.peek()
    }

    fn peek(&self) -> Result<u8, SyntaxError> {
        self.bytes.get(self.at).copied().ok_or_else(end_of_input)
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn end_of_input() -> SyntaxError {
    SyntaxError("unexpected end of JSON input".to_owned())
}

fn unexpected(byte: u8, place: &str) -> SyntaxError {
    SyntaxError(format!("invalid character {} {place}", quote(byte)))
}

/// A byte as Go's scanner quotes it: taken for a character of Latin-1.
fn quote(byte: u8) -> String {
    match byte {
        b'\'' => "'\\''".to_owned(),
        b'\\' => "'\\\\'".to_owned(),
        b'\n' => "'\\n'".to_owned(),
        b'\r' => "'\\r'".to_owned(),
        b'\t' => "'\\t'".to_owned(),
        7 => "'\\a'".to_owned(),
        8 => "'\\b'".to_owned(),
        11 => "'\\v'".to_owned(),
        12 => "'\\f'".to_owned(),
        0..=0x1f | 0x7f => format!("'\\x{byte:02x}'"),
        0x80..=0xa0 | 0xad => format!("'\\u00{byte:02x}'"),
        _ => format!("'{}'", char::from(byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_is_read_up_to_the_limit_and_refused_beyond() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(
            parse(&nested(MAX_DEPTH + 1)),
            Err(SyntaxError("exceeded max depth".to_owned()))
        );
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

    #[test]
    fn odd_bytes_are_quoted_as_go_quotes_them() {
        for (text, quoted) in [
            ("\u{1}", r"'\x01'"),
            ("\u{7f}", r"'\x7f'"),
            ("'", r"'\''"),
            ("\\", r"'\\'"),
            ("\"", "'\"'"),
        ] {
            let text = format!("[1 {text}");
            let expected = format!("invalid character {quoted} after array element");
            assert_eq!(parse(&text), Err(SyntaxError(expected)));
        }
    }
}
