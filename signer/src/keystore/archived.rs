//! The row of a key, as a backup holds it: with every column that Notary 0.7 gave its table.

use archive::{Fingerprint, Kind, ReadRow, Row};
use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, serde::rfc3339};

/// The letter of the table in an archive.
const KEYS: u8 = b'K';

/// One key of `private_keys`, as encrypted as it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchivedKey {
    /// Number of the row.
    pub id: i64,
    /// When the key was made.
    #[serde(with = "rfc3339::option")]
    pub created_at: Option<OffsetDateTime>,
    /// When the row was last written.
    #[serde(with = "rfc3339::option")]
    pub updated_at: Option<OffsetDateTime>,
    /// Set: the key is deleted, and its id stays taken.
    #[serde(with = "rfc3339::option")]
    pub deleted_at: Option<OffsetDateTime>,
    /// 64 hex digits.
    pub key_id: String,
    /// What the envelope's header says as well.
    pub encryption_alg: String,
    /// What the envelope's header says as well.
    pub keywrap_alg: String,
    /// `ecdsa`, `ed25519` or `rsa`.
    pub algorithm: String,
    /// Whose passphrase opens the envelope.
    pub passphrase_alias: String,
    /// The public half.
    #[serde(with = "hex")]
    pub public: Vec<u8>,
    /// The repository the key was made for.
    pub gun: String,
    /// The role it was made for.
    pub role: String,
    /// When it last signed; none: it is pending.
    #[serde(with = "rfc3339::option")]
    pub last_used: Option<OffsetDateTime>,
    /// The envelope: the private half, encrypted under the passphrase.
    #[serde(skip)]
    pub private: Vec<u8>,
}

impl ReadRow for ArchivedKey {
    const KIND: Kind = Kind::Keys;

    fn read(table: u8, columns: &[u8], private: Vec<u8>) -> Option<serde_json::Result<Self>> {
        let row = serde_json::from_slice(columns);
        (table == KEYS).then(|| row.map(|row| Self { private, ..row }))
    }
}

impl Row for ArchivedKey {
    fn id(&self) -> i64 {
        self.id
    }

    fn table(&self) -> u8 {
        KEYS
    }

    fn columns(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }

    fn body(&self) -> &[u8] {
        &self.private
    }

    fn add_to(&self, fingerprint: &mut Fingerprint) {
        for text in [
            &self.key_id,
            &self.encryption_alg,
            &self.keywrap_alg,
            &self.algorithm,
            &self.passphrase_alias,
            &self.gun,
            &self.role,
        ] {
            fingerprint.bytes(text.as_bytes());
        }
        fingerprint.bytes(&self.public);
        fingerprint.bytes(&self.private);
        let marks = [self.deleted_at.is_some(), self.last_used.is_some()];
        fingerprint.bytes(&marks.map(u8::from));
    }
}

#[cfg(test)]
mod tests {
    use archive::{Kind, Reader, Writer};
    use time::macros::datetime;

    use super::*;

    /// An archive in the first format, which every later program has to read.
    const RECORDED: &[u8] = include_bytes!("../../../fixtures/archives/signer.backup");

    #[test]
    fn the_first_archives_are_read_and_written_the_same_way() {
        let key = ArchivedKey {
            id: 2,
            created_at: None,
            updated_at: Some(datetime!(2020-01-02 03:04:05 UTC)),
            deleted_at: None,
            key_id: "00".to_owned(),
            encryption_alg: "A256GCM".to_owned(),
            keywrap_alg: "PBES2-HS256+A128KW".to_owned(),
            algorithm: "ecdsa".to_owned(),
            passphrase_alias: "one".to_owned(),
            public: vec![0, 255],
            gun: "example.com/a".to_owned(),
            role: "timestamp".to_owned(),
            last_used: None,
            private: b"a.b.c.d.e".to_vec(),
        };
        let mut reader = Reader::new(RECORDED).unwrap();
        let header = reader.expect(Kind::Keys).unwrap().clone();
        assert_eq!(reader.next_row().unwrap(), Some(key.clone()));
        assert_eq!(reader.next_row::<ArchivedKey>().unwrap(), None);
        let mut writer = Writer::new(Vec::new(), &header).unwrap();
        writer.write(&key).unwrap();
        assert_eq!(writer.finish().unwrap(), RECORDED);
    }
}
