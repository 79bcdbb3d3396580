//! Backups that were made, and then changed.

use arbitrary::{Result, Unstructured};
use archive::{ArchiveError, Fingerprint, Header, Kind, ReadRow, Reader, Row, Writer};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::edits::edit_some;

/// Reads `data` as an archive, and as choices of which one is made, and changed.
///
/// # Panics
///
/// If an archive is not read as it was written, or if a change goes unnoticed.
pub fn run(data: &[u8]) {
    if let Ok((header, rows)) = read(data) {
        let again = write_archive(&header, &rows);
        assert_eq!(read(&again).expect("it was just written"), (header, rows));
    }
    // The choices end before a row does in a seed of a few bytes.
    let _ = change_one(&mut Unstructured::new(data));
}

/// An archive to its end mark.
fn read(archive: &[u8]) -> std::result::Result<(Header, Vec<Entry>), ArchiveError> {
    let mut reader = Reader::new(archive)?;
    let header = reader.header().clone();
    let mut rows = Vec::new();
    while let Some(row) = reader.next_row()? {
        rows.push(row);
    }
    Ok((header, rows))
}

fn write_archive(header: &Header, rows: &[Entry]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), header).expect("memory takes it");
    for row in rows {
        writer.write(row).expect("memory takes it");
    }
    writer.finish().expect("memory takes it")
}

fn change_one(choices: &mut Unstructured<'_>) -> Result<()> {
    let header = Header {
        kind: Kind::TrustData,
        taken_at: OffsetDateTime::UNIX_EPOCH,
        program: text(choices)?,
    };
    let count = choices.int_in_range(0..=3)?;
    let rows: Vec<Entry> = (0..count).map(|_| row(choices)).collect::<Result<_>>()?;
    let archive = write_archive(&header, &rows);
    assert_eq!(read(&archive).expect("it is whole"), (header, rows));

    let other = edit_some(&archive, choices)?;
    // What stands behind the end mark is not read.
    if !other.starts_with(&archive) {
        assert!(read(&other).is_err(), "a change goes unnoticed");
    }
    Ok(())
}

/// A row of a table that only this target has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: i64,
    name: String,
    note: Option<String>,
    #[serde(skip)]
    body: Vec<u8>,
}

impl ReadRow for Entry {
    const KIND: Kind = Kind::TrustData;

    fn read(table: u8, columns: &[u8], body: Vec<u8>) -> Option<serde_json::Result<Self>> {
        (table == b'F').then(|| {
            Ok(Self {
                body,
                ..serde_json::from_slice(columns)?
            })
        })
    }
}

impl Row for Entry {
    fn id(&self) -> i64 {
        self.id
    }

    fn table(&self) -> u8 {
        b'F'
    }

    fn columns(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }

    fn body(&self) -> &[u8] {
        &self.body
    }

    fn add_to(&self, _: &mut Fingerprint) {}
}

fn row(choices: &mut Unstructured<'_>) -> Result<Entry> {
    Ok(Entry {
        id: choices.arbitrary()?,
        name: text(choices)?,
        note: choices.arbitrary()?,
        body: text(choices)?.into_bytes(),
    })
}

fn text(choices: &mut Unstructured<'_>) -> Result<String> {
    let count = choices.int_in_range(0..=4)?;
    let mut character = || Ok(*choices.choose(&['a', '/', '"', '\\', '\n', '\0', 'é'])?);
    (0..count).map(|_| character()).collect()
}
