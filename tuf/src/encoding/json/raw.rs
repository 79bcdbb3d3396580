//! Objects that stay text, because they stand in their file in canonical form already.
//!
//! Targets are most of the bytes of a repository, and this crate asks for none of them. Their text
//! is what is signed, so there is no need to take it apart, which costs several times its size.

use super::{plain::find_special, syntax::MAX_DEPTH};

/// How deep an object may nest that is a member of the signed part.
const MAX_INNER_DEPTH: usize = MAX_DEPTH - 2;

/// Whole numbers of so many digits are exact as 64-bit floats, and so are their own canonical form.
const EXACT_DIGITS: usize = 15;

/// The length of the object that `text` begins with, if it is in canonical form and not empty: no
/// white space, names in order and each once, whole numbers, no escapes but for quotes and
/// backslashes, and none at all in names.
pub(crate) fn canonical_object(text: &str) -> Option<usize> {
    let mut reader = Reader {
        bytes: text.as_bytes(),
        at: 0,
        depth: 0,
    };
    (reader.peek()? == b'{').then_some(())?;
    reader.value()?;
    (reader.at > 2).then_some(reader.at)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Option<()> {
        match self.peek()? {
            b'{' => self.read_nested(Self::members),
            b'[' => self.read_nested(Self::items),
            b'"' => self.string().map(drop),
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => self.literal(b"null"),
            _ => self.number(),
        }
    }

    fn read_nested(&mut self, read: fn(&mut Self) -> Option<()>) -> Option<()> {
        (self.depth < MAX_INNER_DEPTH).then_some(())?;
        self.depth += 1;
        self.at += 1;
        read(self)?;
        self.depth -= 1;
        Some(())
    }

    fn members(&mut self) -> Option<()> {
        if self.takes(b'}') {
            return Some(());
        }
        let mut before: Option<&[u8]> = None;
        loop {
            let name = self.string()?;
            let is_next = before.is_none_or(|before| before < name);
            (is_next && !name.contains(&b'\\')).then_some(())?;
            before = Some(name);
            self.takes(b':').then_some(())?;
            self.value()?;
            if !self.takes(b',') {
                return self.takes(b'}').then_some(());
            }
        }
    }

    fn items(&mut self) -> Option<()> {
        if self.takes(b']') {
            return Some(());
        }
        loop {
            self.value()?;
            if !self.takes(b',') {
                return self.takes(b']').then_some(());
            }
        }
    }

    /// Takes a string; what stands between its quotes.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.takes(b'"').then_some(())?;
        let start = self.at;
        loop {
            self.at += find_special(&self.bytes[self.at..])?;
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(&self.bytes[start..self.at - 1]);
                }
                b'\\' if matches!(self.bytes.get(self.at + 1)?, b'"' | b'\\') => self.at += 2,
                _ => return None,
            }
        }
    }

    fn number(&mut self) -> Option<()> {
        let is_negative = self.takes(b'-');
        let digits = self.bytes[self.at..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let is_zero = self.peek()? == b'0';
        let is_canonical = match digits {
            0 => false,
            1 => !(is_zero && is_negative),
            2..=EXACT_DIGITS => !is_zero,
            _ => false,
        };
        self.at += digits;
        // What follows a number that is not whole is refused by the caller.
        is_canonical.then_some(())
    }

    fn literal(&mut self, word: &[u8]) -> Option<()> {
        self.bytes[self.at..].starts_with(word).then_some(())?;
        self.at += word.len();
        Some(())
    }

    fn takes(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_other_spelling_is_read_in_full() {
        for text in [
            "",
            "{}",
            "[1]",
            r#"{ "a":1}"#,
            r#"{"a": 1}"#,
            r#"{"a":1"#,
            r#"{"b":1,"a":1}"#,
            r#"{"a":1,"a":1}"#,
            r#"{"a\"":1}"#,
            r#"{"a":"\n"}"#,
            r#"{"a":"\u0041"}"#,
            r#"{"a":1.0}"#,
            r#"{"a":1e1}"#,
            r#"{"a":-0}"#,
            r#"{"a":01}"#,
            r#"{"a":1234567890123456}"#,
            r#"{"a":tru}"#,
            r#"{"a":-}"#,
            r#"{"a":[1,]}"#,
            r#"{"a":1,}"#,
        ] {
            assert_eq!(canonical_object(text), None, "{text}");
        }
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(600), "]".repeat(600));
        assert_eq!(canonical_object(&deep), None);
    }
}
