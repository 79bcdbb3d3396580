//! What a client asks for.

use std::fmt;

/// Which file of a role is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileRequest {
    /// The one of the highest version: asked of the timestamp, and of the root of formats whose
    /// snapshots do not list it.
    Newest,
    /// The one of this version: asked of root, and of files that are listed without a checksum.
    Version(i64),
    /// The one whose bytes have this SHA-256.
    Sha256([u8; 32]),
}

impl fmt::Display for FileRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newest => f.write_str("newest version"),
            Self::Version(version) => write!(f, "version {version}"),
            Self::Sha256(sha256) => write!(f, "version with checksum {}", hex::encode(sha256)),
        }
    }
}
