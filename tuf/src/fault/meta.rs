//! Files that are not the listed ones.

use crate::role::Role;

/// Why a file is not the one that a snapshot or timestamp lists.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetaFault {
    /// No checksum of it is listed.
    #[error("no checksum of {0} is listed")]
    NotListed(Role),
    /// It has another checksum.
    #[error(
        "{role} does not have the listed {algorithm} checksum {}",
        hex::encode(expected)
    )]
    Checksum {
        /// The role of the file.
        role: Role,
        /// `sha256` or `sha512`.
        algorithm: &'static str,
        /// The checksum that is listed.
        expected: Vec<u8>,
    },
    /// It has another version.
    #[error("{role} has version {version}, not {listed} as listed")]
    Version {
        /// The role of the file.
        role: Role,
        /// The version that it has.
        version: i64,
        /// The version that is listed.
        listed: i64,
    },
    /// It is longer than listed.
    #[error("it has {length} bytes, not {listed}")]
    Length {
        /// How many bytes it has.
        length: u64,
        /// How many are listed.
        listed: i64,
    },
}
