//! The rows of the tables, as a backup holds them: with every column that Notary 0.7 gave its
//! tables.

use archive::{Fingerprint, Kind, ReadRow, Row};
use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, serde::rfc3339};

/// The letters of the tables in an archive.
const FILES: u8 = b'F';
const CHANGES: u8 = b'C';

/// A row of one of the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustRow {
    /// Of `tuf_files`.
    File(FileRow),
    /// Of `changefeed`.
    Change(ChangeRow),
}

/// One version of a role, from `tuf_files`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRow {
    /// Number of the row.
    pub id: i64,
    /// When the version was accepted.
    #[serde(with = "rfc3339::option")]
    pub created_at: Option<OffsetDateTime>,
    /// When the row was last written.
    #[serde(with = "rfc3339::option")]
    pub updated_at: Option<OffsetDateTime>,
    /// Set by other software: the row is never read, and its version stays taken.
    #[serde(with = "rfc3339::option")]
    pub deleted_at: Option<OffsetDateTime>,
    /// The repository.
    pub gun: String,
    /// The role.
    pub role: String,
    /// The version.
    pub version: i32,
    /// SHA-256 of the metadata in lower-case hex; some old databases lack it.
    pub sha256: Option<String>,
    /// The metadata, byte for byte.
    #[serde(skip)]
    pub data: Vec<u8>,
}

/// One line of `changefeed`. Readers of the feed remember its ids: they are part of what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeRow {
    /// Number of the row.
    pub id: i64,
    /// When the change was stored.
    #[serde(with = "rfc3339::option")]
    pub created_at: Option<OffsetDateTime>,
    /// The repository.
    pub gun: String,
    /// Version of the timestamp the change made; 0 for a deletion.
    pub version: i32,
    /// SHA-256 of that timestamp; empty for a deletion.
    pub sha256: Option<String>,
    /// `update` or `deletion`.
    pub category: String,
}

impl ReadRow for TrustRow {
    const KIND: Kind = Kind::TrustData;

    fn read(table: u8, columns: &[u8], body: Vec<u8>) -> Option<serde_json::Result<Self>> {
        match table {
            FILES => Some(serde_json::from_slice(columns).map(|row| {
                let data = body;
                Self::File(FileRow { data, ..row })
            })),
            CHANGES => Some(serde_json::from_slice(columns).map(Self::Change)),
            _ => None,
        }
    }
}

impl Row for TrustRow {
    fn id(&self) -> i64 {
        match self {
            Self::File(row) => row.id,
            Self::Change(row) => row.id,
        }
    }

    fn table(&self) -> u8 {
        match self {
            Self::File(_) => FILES,
            Self::Change(_) => CHANGES,
        }
    }

    fn columns(&self) -> serde_json::Result<Vec<u8>> {
        match self {
            Self::File(row) => serde_json::to_vec(row),
            Self::Change(row) => serde_json::to_vec(row),
        }
    }

    fn body(&self) -> &[u8] {
        match self {
            Self::File(row) => &row.data,
            Self::Change(_) => &[],
        }
    }

    fn add_to(&self, fingerprint: &mut Fingerprint) {
        match self {
            Self::File(row) => {
                fingerprint.bytes(row.gun.as_bytes());
                fingerprint.bytes(row.role.as_bytes());
                fingerprint.bytes(&row.version.to_be_bytes());
                fingerprint.optional(row.sha256.as_deref());
                fingerprint.bytes(&row.data);
                fingerprint.bytes(&[u8::from(row.deleted_at.is_some())]);
            }
            Self::Change(row) => {
                fingerprint.bytes(row.gun.as_bytes());
                fingerprint.bytes(&row.version.to_be_bytes());
                fingerprint.optional(row.sha256.as_deref());
                fingerprint.bytes(row.category.as_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use archive::{Kind, Reader, Writer};
    use time::macros::datetime;

    use super::*;

    /// An archive in the first format, which every later program has to read.
    const RECORDED: &[u8] = include_bytes!("../../../fixtures/archives/server.backup");

    #[test]
    fn the_first_archives_are_read_and_written_the_same_way() {
        let rows = [
            TrustRow::File(FileRow {
                id: 1,
                created_at: Some(datetime!(2020-01-02 03:04:05.123_456_789 UTC)),
                updated_at: None,
                deleted_at: Some(datetime!(2021-01-02 03:04:05 UTC)),
                gun: "example.com/a".to_owned(),
                role: "targets/a".to_owned(),
                version: 7,
                sha256: None,
                data: b"\x00\xff{}".to_vec(),
            }),
            TrustRow::Change(ChangeRow {
                id: 3,
                created_at: None,
                gun: "a".to_owned(),
                version: 0,
                sha256: Some(String::new()),
                category: "deletion".to_owned(),
            }),
        ];
        let mut reader = Reader::new(RECORDED).unwrap();
        let header = reader.expect(Kind::TrustData).unwrap().clone();
        let mut writer = Writer::new(Vec::new(), &header).unwrap();
        for row in rows {
            assert_eq!(reader.next_row().unwrap(), Some(row.clone()));
            writer.write(&row).unwrap();
        }
        assert_eq!(reader.next_row::<TrustRow>().unwrap(), None);
        assert_eq!(writer.finish().unwrap(), RECORDED);
    }
}
