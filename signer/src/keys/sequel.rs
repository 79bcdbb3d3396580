//! The second of two contents that are signed by one call: it names the checksums of a file that
//! holds the first one with its signature, so it can only be written once that is signed.
//!
//! What is written here could as well be written by the caller, between two calls.

use std::cell::LazyCell;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use ring::digest::{Algorithm, SHA256, SHA512, digest};

/// A piece of the file.
pub enum FilePiece {
    /// Bytes as they are.
    Text(Bytes),
    /// The first content.
    Content,
    /// The first signature in base64.
    Signature,
}

/// A piece of the second content.
pub enum Piece {
    /// Bytes as they are.
    Text(Bytes),
    /// SHA-256 of the file in base64.
    Sha256,
    /// SHA-512 of the file in base64.
    Sha512,
}

/// How the second content comes from the first one and its signature.
pub struct Sequel {
    file: Vec<FilePiece>,
    content: Vec<Piece>,
}

impl Sequel {
    /// A sequel of these pieces, unless they hold the first content more than once: what is written
    /// stays about as large as what was sent.
    #[must_use]
    pub fn new(file: Vec<FilePiece>, content: Vec<Piece>) -> Option<Self> {
        let is_content = |piece: &&FilePiece| matches!(piece, FilePiece::Content);
        let is_bounded = file.iter().filter(is_content).count() <= 1;
        is_bounded.then_some(Self { file, content })
    }

    /// How many bytes are copied or hashed to write it, for a first content of `content` bytes;
    /// signatures and checksums, which are short, are left out.
    #[must_use]
    pub fn size(&self, content: usize) -> usize {
        let file = self.file.iter().map(|piece| match piece {
            FilePiece::Text(text) => text.len(),
            FilePiece::Content => content,
            FilePiece::Signature => 0,
        });
        let second = self.content.iter().map(|piece| match piece {
            Piece::Text(text) => text.len(),
            Piece::Sha256 | Piece::Sha512 => 0,
        });
        file.chain(second).sum()
    }

    /// Writes the second content. Each checksum is computed once, however often it is named.
    #[must_use]
    pub fn write(&self, content: &[u8], signature: &[u8]) -> Bytes {
        let mut file = Vec::new();
        for piece in &self.file {
            match piece {
                FilePiece::Text(text) => file.extend_from_slice(text),
                FilePiece::Content => file.extend_from_slice(content),
                FilePiece::Signature => {
                    file.extend_from_slice(STANDARD.encode(signature).as_bytes());
                }
            }
        }
        let checksum = |algorithm: &'static Algorithm| STANDARD.encode(digest(algorithm, &file));
        let sha256 = LazyCell::new(|| checksum(&SHA256));
        let sha512 = LazyCell::new(|| checksum(&SHA512));
        let mut text = Vec::new();
        for piece in &self.content {
            text.extend_from_slice(match piece {
                Piece::Text(bytes) => bytes,
                Piece::Sha256 => sha256.as_bytes(),
                Piece::Sha512 => sha512.as_bytes(),
            });
        }
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_count_for_the_size_as_much_as_the_content() {
        let text = || Bytes::from_static(&[b'x'; 1000]);
        let file = vec![
            FilePiece::Text(text()),
            FilePiece::Content,
            FilePiece::Signature,
        ];
        let content = vec![Piece::Text(text()), Piece::Sha256, Piece::Text(text())];
        let sequel = Sequel::new(file, content).unwrap();
        assert_eq!(sequel.size(1), 3001);
    }

    #[test]
    fn a_checksum_that_is_named_twice_is_written_twice() {
        let file = vec![FilePiece::Content];
        let content = vec![Piece::Sha512, Piece::Sha256, Piece::Sha512];
        let written = Sequel::new(file, content).unwrap().write(b"abc", b"");
        let of = |algorithm| STANDARD.encode(digest(algorithm, b"abc"));
        let (long, short) = (of(&SHA512), of(&SHA256));
        assert_eq!(written, format!("{long}{short}{long}"));
    }
}
