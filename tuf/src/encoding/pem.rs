//! PEM blocks as Go finds them: text around and between blocks is skipped, any label counts.

use crate::encoding::base64;

/// One block of a PEM text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block<'a> {
    /// What stands between `BEGIN` and the dashes, for example `CERTIFICATE`.
    pub(crate) label: &'a [u8],
    /// The bytes that the block encodes.
    pub(crate) contents: Vec<u8>,
}

/// The first block of `text`.
pub(crate) fn first(text: &[u8]) -> Option<Block<'_>> {
    blocks(text).next()
}

/// All blocks of `text`, in order; what does not make a whole block is skipped.
///
/// Each line is looked at a fixed number of times, however many blocks are begun and never ended.
pub(crate) fn blocks(text: &[u8]) -> impl Iterator<Item = Block<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let (label, body) = opening(rest)?;
            let body = Body::read(body)?;
            rest = body.after;
            if let Some(block) = body.block(label) {
                return Some(block);
            }
        }
    })
}

/// Writes one block with 64 characters a line, as Go does.
pub(crate) fn encode(label: &str, contents: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    let body = base64::encode(contents);
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = tail;
    }
    text + "-----END " + label + "-----\n"
}

/// Finds the next `-----BEGIN LABEL-----` line: its label and what follows the line.
fn opening(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = text;
    while !rest.is_empty() {
        let (line, after) = split_line(rest);
        let label = line
            .strip_prefix(b"-----BEGIN ")
            .and_then(|line| line.strip_suffix(b"-----"));
        if let Some(label) = label {
            return Some((label, after));
        }
        rest = after;
    }
    None
}

/// What follows an opening line.
struct Body<'a> {
    /// The lines before the first one that holds contents.
    headers: &'a [u8],
    /// The contents, still encoded.
    encoded: String,
    /// The label of the closing line; `None` if a line came first that belongs to no block.
    end: Option<&'a [u8]>,
    /// Where to look for the next block.
    after: &'a [u8],
}

impl<'a> Body<'a> {
    /// Reads up to the closing line; `None` if there is none.
    fn read(text: &'a [u8]) -> Option<Self> {
        let mut rest = text;
        let mut headers = text;
        let mut encoded = String::new();
        while !rest.is_empty() {
            if encoded.is_empty() {
                headers = &text[..text.len() - rest.len()];
            }
            let (line, after) = split_line(rest);
            let end = line.strip_prefix(b"-----END ");
            let is_header = encoded.is_empty() && line.contains(&b':');
            if end.is_some() || !is_header && !line.iter().copied().all(is_encoded) {
                return Some(Self {
                    headers,
                    encoded,
                    end: end.and_then(|end| end.strip_suffix(b"-----")),
                    after: if end.is_some() { after } else { rest },
                });
            }
            if !is_header {
                let characters = line.iter().filter(|byte| !byte.is_ascii_whitespace());
                encoded.extend(characters.map(|byte| char::from(*byte)));
            }
            rest = after;
        }
        None
    }

    /// The block that ends here: the one opened with `label`, or else the first that is opened
    /// between headers with the label of the closing line.
    fn block(self, label: &'a [u8]) -> Option<Block<'a>> {
        let end = self.end?;
        let mut headers = self.headers;
        let within = std::iter::from_fn(|| {
            let (label, after) = opening(headers)?;
            headers = after;
            Some(label)
        });
        let label = std::iter::once(label)
            .chain(within)
            .find(|label| *label == end)?;
        let contents = base64::decode(&self.encoded).ok()?;
        Some(Block { label, contents })
    }
}

fn is_encoded(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte.is_ascii_whitespace() || matches!(byte, b'+' | b'/' | b'=')
}

/// The first line without its end and trailing blanks, and what follows it.
fn split_line(text: &[u8]) -> (&[u8], &[u8]) {
    let (line, after) = match text.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&text[..end], &text[end + 1..]),
        None => (text, &text[text.len()..]),
    };
    (line.trim_ascii_end(), after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_block_reads_back() {
        let contents: Vec<u8> = (0..=255).collect();
        let text = encode("THING", &contents);
        assert!(text.lines().all(|line| line.len() <= 64));
        assert_eq!(
            first(text.as_bytes()),
            Some(Block {
                label: b"THING",
                contents
            })
        );
    }

    #[test]
    fn text_around_blocks_and_their_headers_are_skipped() {
        let text = b"hello\n-----BEGIN A-----\r\nname: value\r\n\r\nAA==\r\n-----END A-----\r\nx\n-----BEGIN B-----\n-----END B-----";
        let found: Vec<Block<'_>> = blocks(text).collect();
        let a = Block {
            label: b"A",
            contents: vec![0],
        };
        assert_eq!(
            found,
            [
                a,
                Block {
                    label: b"B",
                    contents: vec![]
                }
            ]
        );
    }

    #[test]
    fn a_block_without_its_end_is_none() {
        assert_eq!(first(b"-----BEGIN A-----\nAA==\n"), None);
        assert_eq!(first(b"-----BEGIN A-----\nAA==\n-----END B-----\n"), None);
        assert_eq!(first(b"-----BEGIN A-----\n!!\n-----END A-----\n"), None);
    }
    #[test]
    fn a_block_may_be_opened_between_the_headers_of_one_that_is_never_closed() {
        let text = b"-----BEGIN a:1-----\n-----BEGIN b:2-----\nAA==\n-----END b:2-----\n";
        let found = first(text).expect("the second block is whole");
        assert_eq!((found.label, found.contents), (&b"b:2"[..], vec![0]));
    }

    /// Reading again from each opening line would take minutes here.
    #[test]
    fn blocks_that_are_begun_and_never_ended_cost_no_more_than_their_length() {
        let ends = [
            "",
            "-----END z-----\n",
            "!\n-----END z-----\n",
            "A\n-----END z-----\n",
        ];
        for opening in ["-----BEGIN z-----\n", "-----BEGIN a:b-----\n"] {
            for end in ends {
                let text = opening.repeat(100_000) + end;
                assert_eq!(
                    first(text.as_bytes()).map(|block| block.label.len()),
                    match end {
                        "-----END z-----\n" if opening.contains('z') => Some(1),
                        _ => None,
                    }
                );
            }
        }
    }
}
