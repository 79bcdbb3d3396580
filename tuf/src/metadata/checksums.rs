//! What identifies the bytes of a file.

use ring::digest::{SHA256, SHA512, digest};

/// What identifies a file's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksums {
    /// SHA-256, the checksum that URLs name.
    pub sha256: [u8; 32],
    /// SHA-512.
    pub sha512: [u8; 64],
    /// How many bytes there are.
    pub length: u64,
}

impl Checksums {
    /// The checksums of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            sha256: digest(&SHA256, bytes)
                .as_ref()
                .try_into()
                .expect("SHA-256 has 32 bytes"),
            sha512: digest(&SHA512, bytes)
                .as_ref()
                .try_into()
                .expect("SHA-512 has 64 bytes"),
            length: bytes.len() as u64,
        }
    }

    /// SHA-256 in lower case hex, as in URLs and in the database.
    #[must_use]
    pub fn sha256_hex(&self) -> String {
        hex::encode(self.sha256)
    }
}
