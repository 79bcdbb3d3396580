//! Archives written and read, whole and damaged, sealed and not.

mod files;
mod format;
mod moving;
mod sealing;

use archive::{ChangeRow, FileRow, Header, KeyRow, Kind, Reader, Row, Writer};
use time::macros::datetime;

pub(crate) fn header(kind: Kind) -> Header {
    Header {
        kind,
        taken_at: datetime!(2026-11-22 12:00:00.25 UTC),
        program: "test 1".to_owned(),
    }
}

pub(crate) fn file(id: i64, data: &[u8]) -> Row {
    Row::File(FileRow {
        id,
        created_at: Some(datetime!(2020-01-02 03:04:05.123_456_789 UTC)),
        updated_at: None,
        deleted_at: Some(datetime!(2021-01-02 03:04:05 UTC)),
        gun: "example.com/\u{1f980}\"".to_owned(),
        role: "targets/a".to_owned(),
        version: 7,
        sha256: None,
        data: data.to_vec(),
    })
}

pub(crate) fn change(id: i64) -> Row {
    Row::Change(ChangeRow {
        id,
        created_at: None,
        gun: "a".to_owned(),
        version: 0,
        sha256: Some(String::new()),
        category: "deletion".to_owned(),
    })
}

pub(crate) fn key(id: i64) -> Row {
    Row::Key(KeyRow {
        id,
        created_at: None,
        updated_at: Some(datetime!(2020-01-02 03:04:05 UTC)),
        deleted_at: None,
        key_id: "00".repeat(32),
        encryption_alg: "A256GCM".to_owned(),
        keywrap_alg: "PBES2-HS256+A128KW".to_owned(),
        algorithm: "ecdsa".to_owned(),
        passphrase_alias: "one".to_owned(),
        public: vec![0, 255],
        gun: String::new(),
        role: "timestamp".to_owned(),
        last_used: None,
        private: b"a.b.c.d.e".to_vec(),
    })
}

pub(crate) fn rows() -> Vec<Row> {
    vec![
        file(1, b"{}"),
        file(9, &[0, 159, 146, 150]),
        change(3),
        key(2),
    ]
}

pub(crate) fn written(rows: &[Row]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &header(Kind::TrustData)).unwrap();
    for row in rows {
        writer.write(row).unwrap();
    }
    writer.finish().unwrap()
}

pub(crate) fn read(archive: &[u8]) -> Result<Vec<Row>, archive::ArchiveError> {
    let mut reader = Reader::new(archive)?;
    let mut rows = Vec::new();
    while let Some(row) = reader.next_row()? {
        rows.push(row);
    }
    Ok(rows)
}
