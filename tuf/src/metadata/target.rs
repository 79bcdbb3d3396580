//! What a file of the targets tree lists.

use std::fmt;

/// The digest of a target, as far as it is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Digest {
    /// Its SHA-256.
    Sha256([u8; 32]),
    /// The first half of its SHA-512: no SHA-256 is listed.
    HalfOfSha512([u8; 32]),
    /// Neither is listed.
    Unknown,
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, bytes, end) = match self {
            Self::Sha256(bytes) => ("sha256", bytes, ""),
            Self::HalfOfSha512(bytes) => ("sha512", bytes, "…"),
            Self::Unknown => return f.write_str("unknown"),
        };
        write!(f, "{name}:{}{end}", hex::encode(bytes))
    }
}

/// What is read of a list of targets, one after the other.
pub(crate) enum Listing<'a> {
    /// A list begins. A file that is read in two ways has two.
    Begins,
    /// A target.
    Target {
        name: &'a str,
        digest: Digest,
        /// How many bytes it has; 0 if it does not say.
        length: i64,
    },
}
