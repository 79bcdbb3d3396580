//! What a line is called, and what is left of one that was not written to its end.

use ring::digest::{SHA256, digest};

/// What a line is called by the next one: its SHA-256 without its newline, in hex.
pub(super) fn checksum(line: &[u8]) -> String {
    hex::encode(digest(&SHA256, line))
}

/// A part of a line that was left in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Torn {
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl Torn {
    pub(super) fn of(part: &[u8]) -> Self {
        Self {
            bytes: part.len() as u64,
            sha256: checksum(part),
        }
    }
}
