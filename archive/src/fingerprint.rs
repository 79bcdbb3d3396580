//! Whether a database kept rows as they were given to it.

use ring::digest::{Context, SHA256};

use crate::Row;

/// A checksum over rows in their order: over everything but times, which databases hold with more or
/// fewer digits. Rows that went in and rows that are read back must have the same.
pub struct Fingerprint(Box<Context>);

impl Default for Fingerprint {
    fn default() -> Self {
        Self(Box::new(Context::new(&SHA256)))
    }
}

impl Fingerprint {
    /// Takes a row in.
    pub fn add(&mut self, row: &Row) {
        self.part(&row.id().to_be_bytes());
        match row {
            Row::File(row) => {
                self.part(row.gun.as_bytes());
                self.part(row.role.as_bytes());
                self.part(&row.version.to_be_bytes());
                self.optional(row.sha256.as_deref());
                self.part(&row.data);
                self.part(&[u8::from(row.deleted_at.is_some())]);
            }
            Row::Change(row) => {
                self.part(row.gun.as_bytes());
                self.part(&row.version.to_be_bytes());
                self.optional(row.sha256.as_deref());
                self.part(row.category.as_bytes());
            }
            Row::Key(row) => {
                for text in [
                    &row.key_id,
                    &row.encryption_alg,
                    &row.keywrap_alg,
                    &row.algorithm,
                    &row.passphrase_alias,
                    &row.gun,
                    &row.role,
                ] {
                    self.part(text.as_bytes());
                }
                self.part(&row.public);
                self.part(&row.private);
                let marks = [row.deleted_at.is_some(), row.last_used.is_some()];
                self.part(&marks.map(u8::from));
            }
        }
    }

    /// The checksum over the rows that were taken in.
    #[must_use]
    pub fn sum(&self) -> [u8; 32] {
        let digest = self.0.clone().finish();
        digest.as_ref().try_into().expect("SHA-256 has 32 octets")
    }

    /// The length first, so that no two rows look alike by where their columns end.
    fn part(&mut self, octets: &[u8]) {
        self.0.update(&(octets.len() as u64).to_be_bytes());
        self.0.update(octets);
    }

    fn optional(&mut self, text: Option<&str>) {
        self.part(&[u8::from(text.is_some())]);
        self.part(text.unwrap_or_default().as_bytes());
    }
}
