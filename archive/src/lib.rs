//! Backups: one format for the trust data of `notary-server` and for the keys of `notary-signer`.
//!
//! An archive is a stream of table rows, each as it stands in its database and none of them in the
//! words of one kind of database, so that what was taken from `SQLite` goes into PostgreSQL. What
//! columns a row has is known to the program whose tables it is of, which has a type for it
//! ([`Row`]). A chain of checksums runs through it and an end mark closes it: an archive that is
//! damaged or cut off anywhere is noticed ([`Reader`]). [`backup`] and [`restore`] move rows
//! between an archive and whatever implements [`Transfer`]; [`sealed`] encrypts an archive to the
//! holder of an [`escrow`] key.
//!
//! Checksums find damage, not forgery. Trust data proves itself, since clients verify its
//! signatures; keys are authenticated by the passphrase they are encrypted under.
//!
//! # Format
//!
//! The line `countersign archive 1`, then records up to the end of the file, numbers big-endian:
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | kind of record: `H` header, `E` end, or the letter of a table: `F` files, `C` changes, `K` keys |
//! | 4 | length of the head |
//! | 4 | length of the body |
//! | … | head: the columns as JSON |
//! | … | body: the one large column as it is: the metadata of a file, the envelope of a key |
//! | 32 | SHA-256 over the previous record's checksum (the first one: that of the line) and this record up to here |
//!
//! The first record is the header, the last one is the end, whose head counts the rows.

pub mod escrow;
mod file;
mod fingerprint;
mod hpke;
mod progress;
mod reader;
mod record;
pub mod sealed;
pub mod sql;
mod transfer;
mod writer;

pub use file::{Input, Output, open};
pub use fingerprint::Fingerprint;
pub use progress::Progress;
pub use reader::{ArchiveError, Place, Reader};
pub use record::{Header, Kind, ReadRow, Row, moment};
pub use transfer::{
    BackupError, Emptiness, Empty, Incoming, Reading, RestoreError, Sink, Transfer, TransferError,
    backup, restore, stream,
};
pub use writer::Writer;
