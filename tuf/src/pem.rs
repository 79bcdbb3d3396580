//! PEM blocks as Go finds them: text around and between blocks is skipped, any label counts.

use crate::binary;

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
pub(crate) fn blocks(text: &[u8]) -> impl Iterator<Item = Block<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let (label, body) = opening(rest)?;
            match closing(label, body) {
                Some((contents, after)) => {
                    rest = after;
                    return Some(Block { label, contents });
                }
                None => rest = body,
            }
        }
    })
}

/// Writes one block with 64 characters a line, as Go does.
pub(crate) fn encode(label: &str, contents: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    let body = binary::encode(contents);
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

/// Reads a block up to its `-----END LABEL-----` line: the decoded bytes and what follows.
fn closing<'a>(label: &[u8], body: &'a [u8]) -> Option<(Vec<u8>, &'a [u8])> {
    let mut rest = body;
    let mut encoded = String::new();
    loop {
        let (line, after) = split_line(rest);
        if let Some(end) = line.strip_prefix(b"-----END ") {
            let matches = end.strip_suffix(b"-----") == Some(label);
            let contents = matches.then(|| binary::decode(&encoded).ok()).flatten()?;
            return Some((contents, after));
        }
        let is_header = encoded.is_empty() && line.contains(&b':');
        if !is_header {
            let characters = line.iter().filter(|byte| !byte.is_ascii_whitespace());
            encoded.extend(characters.map(|byte| char::from(*byte)));
        }
        if after.is_empty() {
            return None;
        }
        rest = after;
    }
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
}
