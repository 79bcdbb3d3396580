//! The format: nothing is lost, and no damage goes unnoticed.

use archive::{ArchiveError, Kind, Reader};
use proptest::prelude::*;

use crate::{TestRow, file, header, read, rows, written};

#[test]
fn rows_come_back_as_they_were_in_their_order() {
    assert_eq!(read(&written(&rows())).unwrap(), rows());
}

#[test]
fn an_archive_of_an_empty_database_is_whole() {
    assert_eq!(read(&written(&[])).unwrap(), []);
}

#[test]
fn the_header_says_what_the_archive_is() {
    let archive = written(&[]);
    let reader = Reader::new(archive.as_slice()).unwrap();
    assert_eq!(*reader.header(), header(Kind::TrustData));
    assert_eq!(reader.header().moment(), "2026-11-22T12:00:00Z");
    assert!(reader.expect(Kind::TrustData).is_ok());
    let other = reader.expect(Kind::Keys).unwrap_err().to_string();
    assert_eq!(
        other,
        "this archive holds the trust data of notary-server, not the keys of notary-signer"
    );
}

#[test]
fn an_archive_that_is_cut_off_anywhere_is_noticed() {
    let whole = written(&rows());
    for length in 0..whole.len() {
        assert!(read(&whole[..length]).is_err(), "cut to {length} bytes");
    }
    let without_end = &whole[..whole.len() - 50];
    assert!(matches!(
        read(without_end),
        Err(ArchiveError::CutOff { row: 4 })
    ));
}

#[test]
fn a_byte_that_changed_anywhere_is_noticed() {
    let whole = written(&rows());
    for place in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[place] ^= 1;
        assert!(read(&damaged).is_err(), "byte {place}");
    }
}

#[test]
fn a_row_that_was_left_out_or_moved_is_noticed() {
    // All records of the same length, so that they can be cut out whole.
    let archive = written(&[file(1, b"1"), file(2, b"2"), file(3, b"3")]);
    let record = (written(&[file(1, b"1"), file(2, b"2")]).len()) - written(&[file(1, b"1")]).len();
    let first = written(&[]).len() - end_length();
    let (before, after) = archive.split_at(first);
    let without = [before, &after[record..]].concat();
    assert!(read(&without).is_err());
    let (one, rest) = after.split_at(record);
    let (two, rest) = rest.split_at(record);
    assert!(read(&[before, two, one, rest].concat()).is_err());
    assert!(read(&[before, one, two, rest].concat()).is_ok());
}

/// Octets of the end mark of an archive with fewer than ten rows.
fn end_length() -> usize {
    9 + r#"{"rows":0}"#.len() + 32
}

#[test]
fn what_follows_the_end_is_noticed() {
    let mut archive = written(&rows());
    archive.push(b'\n');
    assert!(matches!(read(&archive), Err(ArchiveError::Damaged { .. })));
}

#[test]
fn other_files_and_later_formats_are_named_as_such() {
    let refusal = |text: &[u8]| read(text).unwrap_err().to_string();
    assert!(refusal(b"SQLite format 3").contains("not an archive"));
    assert!(refusal(b"").contains("not an archive"));
    assert!(refusal(b"countersign archive 2\nwhatever").contains("newer version"));
    assert!(refusal(b"countersign sealed archive 1\n").contains("--escrow-key"));
}

#[test]
fn a_place_leads_to_the_body_of_a_row() {
    let archive = written(&rows());
    let mut reader = Reader::new(archive.as_slice()).unwrap();
    let row: TestRow = reader.next_row().unwrap().unwrap();
    let place = reader.place(row.body.len());
    let from = usize::try_from(place.offset).unwrap();
    assert_eq!(
        archive[from..from + place.length as usize],
        *row.body.as_slice()
    );
}

proptest! {
    #[test]
    fn nothing_that_is_no_archive_is_taken_for_one(bytes: Vec<u8>) {
        prop_assert!(read(&bytes).is_err());
        let line = b"countersign archive 1\n".as_slice();
        prop_assert!(read(&[line, &bytes].concat()).is_err());
    }
}
