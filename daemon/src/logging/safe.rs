//! What text may do to a log line: nothing.
//!
//! Much of what is logged was sent by strangers. It is made harmless here, in the one place that
//! all log lines pass: cut to a length, and without characters that could end a line, move a cursor
//! or turn text around.

use std::fmt::{self, Write as _};

/// The longest field of a line, in bytes, and the longest message.
const LONGEST_FIELD: usize = 1024;
const LONGEST_MESSAGE: usize = 4 * 1024;

/// The same for lines that are not about a request, or that bound what they take from one
/// themselves.
const LONGEST_OF_OUR_OWN: usize = 32 * 1024;

/// How much of a text is kept.
#[derive(Clone, Copy)]
pub(super) enum Length {
    /// As much as may come from a request.
    OfRequest,
    /// As much as the program may say of itself.
    OfOurOwn,
}

impl Length {
    /// How many bytes the field `name` may have.
    pub(super) fn of(self, name: &str) -> usize {
        match self {
            Self::OfRequest if name == "message" => LONGEST_MESSAGE,
            Self::OfRequest => LONGEST_FIELD,
            Self::OfOurOwn => LONGEST_OF_OUR_OWN,
        }
    }
}

/// Writes a text as a JSON string, up to a length, and counts what is beyond it. Whatever could do
/// more than show itself is escaped.
pub(super) struct JsonText<'a, W> {
    out: &'a mut W,
    most: usize,
    taken: usize,
    left_out: usize,
}

impl<'a, W: fmt::Write> JsonText<'a, W> {
    /// Begins a text that takes `most` bytes.
    pub(super) fn begin(out: &'a mut W, most: usize) -> Result<Self, fmt::Error> {
        out.write_char('"')?;
        Ok(Self {
            out,
            most,
            taken: 0,
            left_out: 0,
        })
    }

    /// Ends the text; says how much was not taken.
    pub(super) fn finish(self) -> fmt::Result {
        if self.left_out > 0 {
            write!(self.out, "… ({} more bytes)", self.left_out)?;
        }
        self.out.write_char('"')
    }
}

impl<W: fmt::Write> fmt::Write for JsonText<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = match self.left_out {
            0 => self.most - self.taken,
            _ => 0,
        };
        let (kept, rest) = text.split_at(text.floor_char_boundary(room));
        self.taken += kept.len();
        self.left_out += rest.len();
        write_escaped(self.out, kept)
    }
}

/// Writes `text` as it stands in a JSON string.
pub(super) fn write_escaped(out: &mut impl fmt::Write, text: &str) -> fmt::Result {
    let mut written = 0;
    let mut rest = text;
    let is_plain = |b: u8| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\';
    while let Some(found) = rest.bytes().position(|b| !is_plain(b)) {
        let at = text.len() - rest.len() + found;
        let Some(c) = text[at..].chars().next() else {
            break;
        };
        rest = &text[at + c.len_utf8()..];
        let escape = match c {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\u{8}' => "\\b",
            '\t' => "\\t",
            '\n' => "\\n",
            '\u{c}' => "\\f",
            '\r' => "\\r",
            c if is_unsafe(c) => "",
            _ => continue,
        };
        out.write_str(&text[written..at])?;
        out.write_str(escape)?;
        if escape.is_empty() {
            write_code(out, c)?;
        }
        written = text.len() - rest.len();
    }
    out.write_str(&text[written..])
}

fn write_code(out: &mut (impl fmt::Write + ?Sized), c: char) -> fmt::Result {
    let mut units = [0; 2];
    let mut units = c.encode_utf16(&mut units).iter();
    units.try_for_each(|unit| write!(out, "\\u{unit:04x}"))
}

/// Whether a character does more than show itself: controls (C0, DEL, C1), separators of lines and
/// paragraphs, and what is invisible or changes the direction of text.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Text for a line that people read: characters that could end the line, paint it or turn it around
/// are escaped.
#[derive(Clone, Copy, Debug)]
pub struct Plain<'a>(pub &'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| {
            if is_unsafe(c) {
                write!(f, "{}", c.escape_default())
            } else {
                f.write_char(c)
            }
        })
    }
}

/// JSON in one line, with the same characters escaped that [`Plain`] escapes: JSON itself lets most
/// of them stand in its strings as they are. It still means the same.
#[must_use]
pub fn plain_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find(is_unsafe) {
        let (harmless, others) = rest.split_at(at);
        let mut others = others.chars();
        out.push_str(harmless);
        let code = others.next().map(|c| write_code(&mut out, c));
        code.unwrap_or(Ok(()))
            .expect("a String takes all that is written");
        rest = others.as_str();
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_says_how_much_is_missing() {
        let cut = |most: usize, parts: &[&str]| {
            let mut json = String::new();
            let mut text = JsonText::begin(&mut json, most).unwrap();
            for part in parts {
                text.write_str(part).unwrap();
            }
            text.finish().unwrap();
            serde_json::from_str::<String>(&json).unwrap()
        };
        assert_eq!(cut(4, &["ab", "cd"]), "abcd");
        assert_eq!(cut(4, &["abc", "éx"]), "abc… (3 more bytes)");
        assert_eq!(cut(4, &["abcde", "x"]), "abcd… (2 more bytes)");
        assert_eq!(cut(4, &["abcé", "x"]), "abc… (3 more bytes)");
    }

    #[test]
    fn json_means_the_same_without_the_characters() {
        let value = serde_json::json!({"a\u{85}": "\u{9b}31m\u{2028}\u{202e}\u{e0041}\n\u{1b}é"});
        let plain = plain_json(&value.to_string());
        assert!(!plain.chars().any(is_unsafe), "{plain}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&plain).unwrap(),
            value
        );
    }

    #[test]
    fn a_text_is_escaped_as_json_and_made_plain_at_once() {
        let every = (0..0x1_1000).chain(0xe_0000..0xe_0100);
        let every: Vec<char> = every.filter_map(char::from_u32).collect();
        let long: String = every.iter().collect();
        let texts = every.iter().map(|c| format!("a{c}{c}")).chain([long]);
        for text in texts {
            let mut written = String::from("\"");
            write_escaped(&mut written, &text).unwrap();
            written.push('"');
            let expected = plain_json(&serde_json::to_string(&text).unwrap());
            assert_eq!(written, expected);
        }
    }
}
