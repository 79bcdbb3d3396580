//! Takes a multipart form apart without copying its files.
//!
//! What is lenient here is what Go's reader, and so Notary 0.7, lets pass: a preamble, an epilogue,
//! bare LF line ends, any disposition and any field name. What is strict is the end: a form without
//! its closing boundary line has been cut off and is refused as a whole.

use std::borrow::Cow;

use bytes::Bytes;

/// One part of a form.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    /// The file name as sent; `None` without a usable one.
    pub filename: Option<String>,
    /// The content, a slice of the form; decoded if it came quoted-printable.
    pub content: Bytes,
}

/// How a form is malformed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The form ends before the closing boundary, outside of any part's content.
    CutOff,
    /// The form ends inside the content of a part; the file name that part had.
    CutInside(Option<String>),
    /// There are more parts than allowed.
    TooManyParts,
}

/// The boundary that a `Content-Type` of `multipart/form-data` or `multipart/mixed` names.
#[must_use]
pub fn boundary(content_type: &str) -> Option<String> {
    let (media_type, parameters) = content_type.split_once(';')?;
    let media_type = media_type.trim().to_ascii_lowercase();
    if !matches!(
        media_type.as_str(),
        "multipart/form-data" | "multipart/mixed"
    ) {
        return None;
    }
    parameter(parameters, "boundary")
        .filter(|boundary| !boundary.is_empty() && boundary.len() <= 70)
}

/// How many lines of headers a part may have, and how many bytes one of them: Go's reader has
/// limits too, and small headers take many times their size in memory.
const MOST_HEADERS: usize = 64;

/// How long one header line may be.
const LONGEST_HEADER: usize = 8 << 10;

/// Splits `form` into its parts, `most` at the most. Parts are given out as far as they are whole,
/// with the fault that ended them: a reader that goes from part to part would find theirs first.
pub fn parts(form: &Bytes, boundary: &str, most: usize) -> (Vec<Part>, Result<(), Malformed>) {
    let mut parts = Vec::new();
    let outcome = read_parts(form, &format!("--{boundary}"), most, &mut parts);
    (parts, outcome)
}

fn read_parts(
    form: &Bytes,
    delimiter: &str,
    most: usize,
    parts: &mut Vec<Part>,
) -> Result<(), Malformed> {
    let mut lines = Lines { form, at: 0 };
    // The preamble: everything up to the first boundary line.
    let mut closed = loop {
        let line = lines.next().ok_or(Malformed::CutOff)?;
        if let Some(closing) = boundary_line(&form[line.start..line.end], delimiter) {
            break closing;
        }
    };
    while !closed {
        if parts.len() == most {
            return Err(Malformed::TooManyParts);
        }
        let (part, closing) = part(&mut lines, delimiter)?;
        parts.push(part);
        closed = closing;
    }
    Ok(())
}

/// Reads one part, and whether the boundary behind it closes the form.
fn part(lines: &mut Lines<'_>, delimiter: &str) -> Result<(Part, bool), Malformed> {
    let headers = Headers::read(lines)?;
    let filename = headers.filename();
    let form = lines.form;
    let start = lines.at;
    let mut end = start;
    let closing = loop {
        let line = lines
            .next()
            .ok_or_else(|| Malformed::CutInside(filename.clone()))?;
        // A boundary begins a line: the line end before it belongs to the boundary.
        if let Some(closing) = boundary_line(&form[line.start..line.end], delimiter) {
            break closing;
        }
        end = line.end;
    };
    let content = form.slice(start..end.max(start));
    let content = if headers.quoted_printable {
        Bytes::from(decode_quoted(&content))
    } else {
        content
    };
    Ok((Part { filename, content }, closing))
}

/// Whether `line` is a boundary line and, if so, whether it closes the form.
fn boundary_line(line: &[u8], delimiter: &str) -> Option<bool> {
    let rest = line.strip_prefix(delimiter.as_bytes())?;
    let (rest, closing) = match rest.strip_prefix(b"--") {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    rest.iter()
        .all(|b| matches!(b, b' ' | b'\t'))
        .then_some(closing)
}

/// Where a line starts, and where it ends without its line end.
struct Line {
    start: usize,
    end: usize,
}

struct Lines<'a> {
    form: &'a Bytes,
    at: usize,
}

impl Iterator for Lines<'_> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        let rest = &self.form[self.at..];
        if rest.is_empty() {
            return None;
        }
        let start = self.at;
        let (end, next) = match memchr::memchr(b'\n', rest) {
            Some(at) if at > 0 && rest[at - 1] == b'\r' => (start + at - 1, start + at + 1),
            Some(at) => (start + at, start + at + 1),
            None => (self.form.len(), self.form.len()),
        };
        self.at = next;
        Some(Line { start, end })
    }
}

/// What of a part's headers matters.
#[derive(Default)]
struct Headers {
    disposition: Option<String>,
    quoted_printable: bool,
}

impl Headers {
    /// Reads up to and with the empty line; a line that begins with a blank continues the one
    /// before.
    fn read(lines: &mut Lines<'_>) -> Result<Self, Malformed> {
        let mut unfolded: Vec<String> = Vec::new();
        loop {
            let line = lines.next().ok_or(Malformed::CutOff)?;
            if unfolded.len() == MOST_HEADERS || line.end - line.start > LONGEST_HEADER {
                return Err(Malformed::CutOff);
            }
            let text = String::from_utf8_lossy(&lines.form[line.start..line.end]);
            match unfolded.last_mut() {
                _ if text.is_empty() => break,
                Some(last) if text.starts_with([' ', '\t']) => {
                    if last.len() > LONGEST_HEADER {
                        return Err(Malformed::CutOff);
                    }
                    last.push(' ');
                    last.push_str(text.trim());
                }
                _ => unfolded.push(text.into_owned()),
            }
        }
        let mut headers = Self::default();
        for line in unfolded {
            let Some((name, value)) = line.split_once(':') else {
                return Err(Malformed::CutOff);
            };
            match name.to_ascii_lowercase().as_str() {
                "content-disposition" => headers.disposition = Some(value.trim().to_owned()),
                "content-transfer-encoding" => {
                    headers.quoted_printable =
                        value.trim().eq_ignore_ascii_case("quoted-printable");
                }
                _ => {}
            }
        }
        Ok(headers)
    }

    fn filename(&self) -> Option<String> {
        let (_, parameters) = self.disposition.as_deref()?.split_once(';')?;
        parameter(parameters, "filename").filter(|name| !name.is_empty())
    }
}

/// The value of `name` in `; name=value; other="quoted"` or, in the extended form of RFC 2231,
/// `name*=UTF-8''percent%20encoded`. A list that gives it twice gives none.
fn parameter(parameters: &str, name: &str) -> Option<String> {
    let mut found = None;
    let mut rest = parameters;
    while let Some((key, value, after)) = next_parameter(rest) {
        let key = key.to_ascii_lowercase();
        let value = match key.strip_suffix('*') {
            Some(plain) if plain == name => decode_extended(&value),
            _ if key == name => Some(value),
            _ => {
                rest = after;
                continue;
            }
        };
        if found.is_some() {
            return None;
        }
        found = Some(value?);
        rest = after;
    }
    found
}

/// One parameter and what follows it.
fn next_parameter(list: &str) -> Option<(&str, String, &str)> {
    let list = list.trim_start_matches([';', ' ', '\t']);
    let (key, rest) = list.split_once('=')?;
    let (key, rest) = (key.trim(), rest.trim_start());
    let Some(quoted) = rest.strip_prefix('"') else {
        let end = rest.find(';').unwrap_or(rest.len());
        return Some((key, rest[..end].trim().to_owned(), &rest[end..]));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((key, value, &quoted[at + 1..])),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    None
}

/// Decodes `charset'language'percent-encoded`; only UTF-8 and ASCII are known.
fn decode_extended(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_, encoded) = rest.split_once('\'')?;
    if !(charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("us-ascii")) {
        return None;
    }
    super::target::decode_percent(encoded).map(Cow::into_owned)
}

/// Undoes quoted-printable: `=XX` is a byte, `=` at a line's end joins it with the next.
fn decode_quoted(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len());
    let mut rest = content;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'=' {
            out.push(byte);
            continue;
        }
        let mut value = [0];
        match after {
            [b'\r', b'\n', tail @ ..] | [b'\n', tail @ ..] => rest = tail,
            [high, low, tail @ ..] if hex::decode_to_slice([*high, *low], &mut value).is_ok() => {
                out.push(value[0]);
                rest = tail;
            }
            _ => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(form: &str) -> Result<Vec<(Option<String>, String)>, Malformed> {
        let (parts, outcome) = parts(&Bytes::copy_from_slice(form.as_bytes()), "XX", 10);
        outcome?;
        Ok(parts
            .into_iter()
            .map(|part| {
                (
                    part.filename,
                    String::from_utf8_lossy(&part.content).into_owned(),
                )
            })
            .collect())
    }

    fn named(name: &str, content: &str) -> (Option<String>, String) {
        (Some(name.into()), content.into())
    }

    #[test]
    fn the_boundary_may_be_quoted_and_only_forms_have_one() {
        assert_eq!(
            boundary("multipart/form-data; boundary=\"a b\""),
            Some("a b".into())
        );
        assert_eq!(
            boundary("Multipart/Mixed;boundary=x; charset=utf-8"),
            Some("x".into())
        );
        assert_eq!(boundary("multipart/related; boundary=x"), None);
        assert_eq!(boundary("multipart/form-data"), None);
    }

    #[test]
    fn parts_come_byte_for_byte_with_preamble_and_epilogue_left_out() {
        let form = "pre\r\n--XX\r\nContent-Disposition: form-data; filename=\"a\"\r\n\r\n1\r\n\r\n2\r\n--XX\r\n\
                    content-disposition: x;\r\n filename=b\r\n\r\n\r\n--XX-- \r\nafter";
        assert_eq!(
            parse(form),
            Ok(vec![named("a", "1\r\n\r\n2"), named("b", "")])
        );
    }

    #[test]
    fn bare_line_feeds_will_do() {
        let form = "--XX\nContent-Disposition: f; filename=a\n\n{}\n--XX--";
        assert_eq!(parse(form), Ok(vec![named("a", "{}")]));
    }

    #[test]
    fn what_only_begins_like_a_boundary_is_content() {
        let form = "--XX\r\nContent-Disposition: f; filename=a\r\n\r\n--XXY\r\n--XX--\r\n";
        assert_eq!(parse(form), Ok(vec![named("a", "--XXY")]));
    }

    #[test]
    fn quoted_printable_is_decoded() {
        let form = "--XX\r\nContent-Disposition: f; filename=a\r\n\
                    Content-Transfer-Encoding: quoted-printable\r\n\r\na=3Db=\r\nc=ZZ\r\n--XX--";
        assert_eq!(parse(form), Ok(vec![named("a", "a=bc=ZZ")]));
    }

    #[test]
    fn the_headers_of_a_part_are_bounded() {
        let disposition = "Content-Disposition: f; filename=a\r\n";
        for (headers, is_fine) in [
            ("a:\r\n".repeat(MOST_HEADERS - 2), true),
            ("a:\r\n".repeat(MOST_HEADERS), false),
            (
                "a:\r\n \r\n".to_owned() + &" b\r\n".repeat(LONGEST_HEADER),
                false,
            ),
            (format!("a:{}\r\n", "b".repeat(LONGEST_HEADER)), false),
        ] {
            let form = format!("--XX\r\n{disposition}{headers}\r\n1\r\n--XX--");
            assert_eq!(parse(&form).is_ok(), is_fine, "{}", form.len());
        }
    }

    #[test]
    fn a_name_given_twice_is_no_name() {
        let form = "--XX\r\nContent-Disposition: f; filename=a; filename=b\r\n\r\n1\r\n--XX--";
        assert_eq!(parse(form), Ok(vec![(None, "1".into())]));
    }

    #[test]
    fn a_form_without_its_end_is_refused() {
        let part = "--XX\r\nContent-Disposition: f; filename=a\r\n\r\n";
        for (form, malformed) in [
            (String::new(), Malformed::CutOff),
            ("x".into(), Malformed::CutOff),
            (
                format!("{part}{{}}"),
                Malformed::CutInside(Some("a".into())),
            ),
            (
                format!("{part}{{}}\r\n"),
                Malformed::CutInside(Some("a".into())),
            ),
            (format!("{part}{{}}\r\n--XX\r\n"), Malformed::CutOff),
            (format!("{part}{{}}\r\n--XX\r\nContent-"), Malformed::CutOff),
        ] {
            assert_eq!(parse(&form), Err(malformed), "{form:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_put_in_comes_out(content in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assume!(!content.windows(4).any(|w| w == b"--XX"));
            let mut form = b"--XX\r\nContent-Disposition: f; filename=a\r\n\r\n".to_vec();
            form.extend_from_slice(&content);
            form.extend_from_slice(b"\r\n--XX--\r\n");
            let (found, outcome) = parts(&Bytes::from(form), "XX", 1);
            prop_assert_eq!(outcome, Ok(()));
            prop_assert_eq!(&found[0].content[..], &content[..]);
        }

        #[test]
        fn no_form_panics(form in "(--XX|--|\r\n|\n|Content-Disposition: |;|=|\"|filename|\\*|''|\\PC){0,40}") {
            let _ = parts(&Bytes::from(form), "XX", 3);
        }
    }
}
