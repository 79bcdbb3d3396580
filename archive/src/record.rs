//! What an archive holds: rows, each with every column that Notary 0.7 gave its table.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339, serde::rfc3339};

/// The first line of every archive; the number is the version of the format.
pub(crate) const MAGIC: &[u8] = b"countersign archive 1\n";
/// What the first line begins with in every version.
pub(crate) const MAGIC_NAME: &[u8] = b"countersign archive ";

/// Octets of the numbers before a record: kind, length of head, length of body.
pub(crate) const PREFIX: usize = 9;
/// Octets of a checksum.
pub(crate) const LINK: usize = 32;
/// The longest head: columns have at most 255 characters.
pub(crate) const MAX_HEAD: u32 = 64 * 1024;
/// The longest body; clients of Notary refuse metadata above 100 MiB.
pub(crate) const MAX_BODY: u32 = 512 * 1024 * 1024;

/// Kinds of records, as they are written.
pub(crate) mod tag {
    pub(crate) const HEADER: u8 = b'H';
    pub(crate) const FILE: u8 = b'F';
    pub(crate) const CHANGE: u8 = b'C';
    pub(crate) const KEY: u8 = b'K';
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
    /// When the backup began, by the clock of the program; its rows are those of a moment not before.
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

/// A row of one of the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// Of `tuf_files`.
    File(FileRow),
    /// Of `changefeed`.
    Change(ChangeRow),
    /// Of `private_keys`.
    Key(KeyRow),
}

impl Row {
    /// The number of the row in its table.
    #[must_use]
    pub fn id(&self) -> i64 {
        match self {
            Self::File(row) => row.id,
            Self::Change(row) => row.id,
            Self::Key(row) => row.id,
        }
    }
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
    /// Set by other software: nobody reads the row, and its version stays taken.
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

/// One key of `private_keys`, as encrypted as it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRow {
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

/// What the end mark says.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct End {
    /// How many rows come before it.
    pub(crate) rows: u64,
}
