//! What an archive holds: a header, rows, and an end mark.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339, serde::rfc3339};

use crate::Fingerprint;

/// The first line of every archive; the number is the version of the format.
pub(crate) const MAGIC: &[u8] = b"countersign archive 1\n";
/// What the first line begins with in every version.
pub(crate) const MAGIC_NAME: &[u8] = b"countersign archive ";

/// Bytes of the numbers before a record: kind, length of head, length of body.
pub(crate) const PREFIX: usize = 9;
/// Bytes of a checksum.
pub(crate) const LINK: usize = 32;
/// The longest head: columns have at most 255 characters.
pub(crate) const MAX_HEAD: u32 = 64 * 1024;
/// The longest body; clients of Notary refuse metadata above 100 MiB.
pub(crate) const MAX_BODY: u32 = 512 * 1024 * 1024;

/// Letters of the records that are not rows.
pub(crate) mod tag {
    pub(crate) const HEADER: u8 = b'H';
    pub(crate) const END: u8 = b'E';
}

/// Whose database an archive is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `notary-server`: metadata and the changefeed.
    TrustData,
    /// `notary-signer`: encrypted private keys.
    Keys,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::TrustData => "trust data of notary-server",
            Self::Keys => "keys of notary-signer",
        })
    }
}

/// What an archive says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Whose rows these are.
    pub kind: Kind,
    /// When the backup began, by the clock of the program; its rows are those of a moment not
    /// before.
    #[serde(with = "rfc3339")]
    pub taken_at: OffsetDateTime,
    /// Name and version of the program that made it, for people.
    pub program: String,
}

impl Header {
    /// When the backup began, for people: RFC 3339, in whole seconds of UTC.
    #[must_use]
    pub fn moment(&self) -> String {
        moment(self.taken_at)
    }
}

/// A point in time for people: RFC 3339, in whole seconds of UTC.
#[must_use]
pub fn moment(time: OffsetDateTime) -> String {
    let time = time.to_offset(UtcOffset::UTC);
    let whole = time.replace_nanosecond(0).unwrap_or(time);
    whole.format(&Rfc3339).unwrap_or_else(|_| whole.to_string())
}

/// A row as a backup holds it. Each program has a type for the rows of its own tables.
pub trait Row: ReadRow + Send + 'static {
    /// The number of the row in its table.
    fn id(&self) -> i64;

    /// The letter of its table, by which [`ReadRow::read`] knows it again: neither `H` nor `E`.
    fn table(&self) -> u8;

    /// Its columns as JSON, without the large one.
    ///
    /// # Errors
    ///
    /// A time that RFC 3339 cannot express.
    fn columns(&self) -> serde_json::Result<Vec<u8>>;

    /// The one large column, as it is; nothing if the table has none.
    fn body(&self) -> &[u8];

    /// Adds every column but times, which databases hold with more or fewer digits.
    fn add_to(&self, fingerprint: &mut Fingerprint);
}

/// What is read from the rows of a backup.
pub trait ReadRow: Sized {
    /// Whose backups hold such rows.
    const KIND: Kind;

    /// Reads a row; `None` if the kind of archive has no `table` of this letter.
    fn read(table: u8, columns: &[u8], body: Vec<u8>) -> Option<serde_json::Result<Self>>;
}

/// What the end mark says.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct End {
    /// How many rows come before it.
    pub(crate) rows: u64,
}
