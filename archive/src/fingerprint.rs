//! Whether a database kept rows as they were given to it.

use ring::digest::{Context, SHA256};

use crate::Row;

/// A checksum over rows in their order: over everything but times, which databases hold with more
/// or fewer digits. Rows that went in and rows that are read back must have the same.
pub struct Fingerprint(Box<Context>);

impl Default for Fingerprint {
    fn default() -> Self {
        Self(Box::new(Context::new(&SHA256)))
    }
}

impl Fingerprint {
    /// Takes a row in.
    pub fn add(&mut self, row: &impl Row) {
        self.bytes(&row.id().to_be_bytes());
        row.add_to(self);
    }

    /// The checksum over the rows that were taken in.
    #[must_use]
    pub fn sum(&self) -> [u8; 32] {
        let digest = self.0.clone().finish();
        digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    /// Takes a column in. The length comes first, so that no two rows look alike by where their
    /// columns end.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    /// Takes a column in that may be empty in another way than an empty text.
    pub fn optional(&mut self, text: Option<&str>) {
        self.bytes(&[u8::from(text.is_some())]);
        self.bytes(text.unwrap_or_default().as_bytes());
    }
}
