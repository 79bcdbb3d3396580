//! The second of two contents that are signed by one call: it names the checksums of a file that
//! holds the first one with its signature, so it can only be written once that is signed.
//!
//! What is written here could as well be written by the caller, between two calls.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use ring::digest::{SHA256, SHA512, digest};

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

    /// Writes the second content.
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
        let mut text = Vec::new();
        for piece in &self.content {
            let algorithm = match piece {
                Piece::Text(bytes) => {
                    text.extend_from_slice(bytes);
                    continue;
                }
                Piece::Sha256 => &SHA256,
                Piece::Sha512 => &SHA512,
            };
            let checksum = STANDARD.encode(digest(algorithm, &file));
            text.extend_from_slice(checksum.as_bytes());
        }
        text.into()
    }
}
