//! What text may do to a log line: nothing.
//!
//! Much of what is logged was sent by strangers. It is made harmless here, in the one place that
//! all log lines pass: cut to a length, and without characters that could end a line, move a cursor
//! or turn text around.

use std::{
    fmt::{self, Write as _},
    io,
};

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

/// Takes text up to a length, and counts what is beyond it.
pub(super) struct Cut {
    text: String,
    most: usize,
    left_out: usize,
}

impl Cut {
    pub(super) fn to(most: usize) -> Self {
        Self {
            text: String::new(),
            most,
            left_out: 0,
        }
    }

    /// What was taken; says how much was not.
    pub(super) fn finish(mut self) -> String {
        if self.left_out > 0 {
            let _ = write!(self.text, "… ({} more bytes)", self.left_out);
        }
        self.text
    }
}

impl fmt::Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = match self.left_out {
            0 => self.most - self.text.len(),
            _ => 0,
        };
        let (kept, rest) = text.split_at(text.floor_char_boundary(room));
        self.text.push_str(kept);
        self.left_out += rest.len();
        Ok(())
    }
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
    write_plain_json(&mut out, json).expect("a String takes all that is written");
    out
}

fn write_plain_json(out: &mut dyn fmt::Write, json: &str) -> fmt::Result {
    for piece in json.split_inclusive(is_unsafe) {
        let harmless = piece.trim_end_matches(is_unsafe);
        out.write_str(harmless)?;
        for unit in piece[harmless.len()..].encode_utf16() {
            write!(out, "\\u{unit:04x}")?;
        }
    }
    Ok(())
}

/// Makes the JSON that is written to it like [`plain_json`] does.
pub(super) struct PlainWriter<'a>(pub(super) &'a mut dyn fmt::Write);

impl io::Write for PlainWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let json = str::from_utf8(bytes).map_err(io::Error::other)?;
        write_plain_json(self.0, json).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_says_how_much_is_missing() {
        let cut = |most: usize, parts: &[&str]| {
            let mut cut = Cut::to(most);
            for part in parts {
                cut.write_str(part).unwrap();
            }
            cut.finish()
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
}
