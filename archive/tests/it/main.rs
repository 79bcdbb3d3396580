//! Archives written and read, whole and damaged, sealed and not.

mod files;
mod format;
mod moving;
mod sealing;

use archive::{Fingerprint, Header, Kind, ReadRow, Reader, Row, Writer};
use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, macros::datetime, serde::rfc3339};

pub(crate) fn header(kind: Kind) -> Header {
    Header {
        kind,
        taken_at: datetime!(2026-11-22 12:00:00.25 UTC),
        program: "test 1".to_owned(),
    }
}

/// A row of a table that is made up: of files, changes or keys, by its letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TestRow {
    id: i64,
    #[serde(with = "rfc3339::option")]
    at: Option<OffsetDateTime>,
    name: String,
    #[serde(skip)]
    table: u8,
    #[serde(skip)]
    pub(crate) body: Vec<u8>,
}

impl ReadRow for TestRow {
    const KIND: Kind = Kind::TrustData;

    fn read(table: u8, columns: &[u8], body: Vec<u8>) -> Option<serde_json::Result<Self>> {
        let row = serde_json::from_slice(columns);
        b"FCK"
            .contains(&table)
            .then(|| row.map(|row| Self { table, body, ..row }))
    }
}

impl Row for TestRow {
    fn id(&self) -> i64 {
        self.id
    }

    fn table(&self) -> u8 {
        self.table
    }

    fn columns(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }

    fn body(&self) -> &[u8] {
        &self.body
    }

    fn add_to(&self, fingerprint: &mut Fingerprint) {
        fingerprint.optional(Some(&self.name));
        fingerprint.bytes(&self.body);
    }
}

fn row(id: i64, table: u8, at: Option<OffsetDateTime>, name: &str, body: &[u8]) -> TestRow {
    TestRow {
        id,
        at,
        name: name.to_owned(),
        table,
        body: body.to_vec(),
    }
}

pub(crate) fn file(id: i64, data: &[u8]) -> TestRow {
    let at = datetime!(2020-01-02 03:04:05.123_456_789 UTC);
    row(id, b'F', Some(at), "example.com/\u{1f980}\"", data)
}

pub(crate) fn change(id: i64) -> TestRow {
    row(id, b'C', None, "deletion", b"")
}

pub(crate) fn key(id: i64) -> TestRow {
    let at = datetime!(2020-01-02 03:04:05 UTC);
    row(id, b'K', Some(at), "", b"a.b.c.d.e")
}

pub(crate) fn rows() -> Vec<TestRow> {
    vec![
        file(1, b"{}"),
        file(9, &[0, 159, 146, 150]),
        change(3),
        key(2),
    ]
}

pub(crate) fn written(rows: &[TestRow]) -> Vec<u8> {
    written_as(Kind::TrustData, rows)
}

pub(crate) fn written_as(kind: Kind, rows: &[TestRow]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &header(kind)).unwrap();
    for row in rows {
        writer.write(row).unwrap();
    }
    writer.finish().unwrap()
}

pub(crate) fn read(archive: &[u8]) -> Result<Vec<TestRow>, archive::ArchiveError> {
    let mut reader = Reader::new(archive)?;
    let mut rows = Vec::new();
    while let Some(row) = reader.next_row()? {
        rows.push(row);
    }
    Ok(rows)
}
