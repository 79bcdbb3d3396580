//! What is kept of a repository, and how it is asked for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use trust::renewal::{LEAD, SNAPSHOT_LEAD};

/// Which repositories are asked for: those to which everything that is set applies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The beginning of their names.
    pub prefix: String,
    /// The id of a key that may sign for one of their roles.
    pub signer: Option<String>,
    /// A tag that one of their roles lists.
    pub tag: Option<String>,
    /// What one of their tags is, as `sha256:…`.
    pub digest: Option<String>,
    /// Something that people have to renew expires before.
    pub expires_before: Option<OffsetDateTime>,
    /// Something is wrong with them, or will be.
    pub is_unhealthy: bool,
}

/// In which order repositories come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sort {
    /// By name.
    #[default]
    Name,
    /// Those of which something expires first come first.
    Expires,
    /// Those with the newest timestamp come first.
    Published,
}

/// Some of the rows that were looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch<T, C> {
    /// Those that pass the filter, in order.
    pub rows: Vec<T>,
    /// How many were looked at.
    pub count: u32,
    /// Where the last of those was; `None` at the end.
    pub next: Option<C>,
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T, C = String> {
    /// In order; there may be none although more follow.
    pub rows: Vec<T>,
    /// What to ask for the next page with; `None` at the end.
    pub next: Option<C>,
}

/// How a repository is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Clients follow it.
    Whole,
    /// They do, and there is something to see to.
    Warning,
    /// A client cannot read or follow it.
    Broken,
}

impl Health {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Whole, Self::Warning, Self::Broken];

    /// The word for it in JSON and in metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Warning => "warning",
            Self::Broken => "broken",
        }
    }

    pub(crate) fn number(self) -> i64 {
        match self {
            Self::Whole => 0,
            Self::Warning => 1,
            Self::Broken => 2,
        }
    }

    /// What is not known counts as broken.
    pub(crate) fn of(number: i64) -> Self {
        match number {
            0 => Self::Whole,
            1 => Self::Warning,
            _ => Self::Broken,
        }
    }
}

/// Who renews a role before it expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    /// The server, while it runs and its signer answers.
    Server,
    /// The people who hold its keys.
    Publisher,
    /// The server if its signer holds the key, which the files do not tell; else its publisher.
    Either,
}

impl Owner {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Server, Self::Publisher, Self::Either];

    /// Who renews the role of this name.
    #[must_use]
    pub fn of(role: &str) -> Self {
        match role {
            "timestamp" => Self::Server,
            "snapshot" => Self::Either,
            _ => Self::Publisher,
        }
    }

    /// How long before the expiry a renewal by the server is overdue; `None` where publishers renew.
    /// The server walks once an hour, and looks at a snapshot together with its timestamp, which
    /// lives for two weeks, so a day is left to it.
    #[must_use]
    pub fn overdue(self) -> Option<Duration> {
        let lead = match self {
            Self::Publisher => return None,
            Self::Server => LEAD,
            Self::Either => SNAPSHOT_LEAD - Duration::days(14),
        };
        Some(lead - Duration::DAY)
    }

    /// The word for it in JSON and in metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Publisher => "publisher",
            Self::Either => "either",
        }
    }

    pub(crate) fn number(self) -> i64 {
        match self {
            Self::Server => 0,
            Self::Publisher => 1,
            Self::Either => 2,
        }
    }

    pub(crate) fn from_number(number: i64) -> Self {
        match number {
            0 => Self::Server,
            2 => Self::Either,
            _ => Self::Publisher,
        }
    }
}

/// One repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub gun: String,
    /// The version of the timestamp that all of this was computed from.
    pub version: i64,
    /// The SHA-256 of that timestamp.
    pub sha256: Vec<u8>,
    /// Its metadata format.
    pub format: String,
    /// When that timestamp was stored: by a publish, or by a renewal.
    pub published_at: OffsetDateTime,
    /// When all of this was computed.
    pub computed_at: OffsetDateTime,
    /// What expires first of all that people may have to renew.
    pub next: Option<NextExpiry>,
    /// How it was when this was computed.
    pub health: Health,
    /// How many tags its roles list.
    pub tags: u64,
    /// How many keys may sign for its roles.
    pub signers: u64,
    /// How many bytes its current files have.
    pub bytes: u64,
    /// Roles and problems.
    pub detail: Detail,
}

/// The same of a repository without its details.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Its name.
    pub gun: String,
    /// The version of the timestamp that all of this was computed from.
    pub version: i64,
    /// The SHA-256 of that timestamp.
    pub sha256: Vec<u8>,
    /// Its metadata format.
    pub format: String,
    /// When that timestamp was stored: by a publish, or by a renewal.
    pub published_at: OffsetDateTime,
    /// When all of this was computed.
    pub computed_at: OffsetDateTime,
    /// What expires first of all that people may have to renew.
    pub next: Option<NextExpiry>,
    /// How it was when this was computed.
    pub health: Health,
    /// How many tags its roles list.
    pub tags: u64,
    /// How many keys may sign for its roles.
    pub signers: u64,
    /// How many bytes its current files have.
    pub bytes: u64,
}

/// Where a page of repositories ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryCursor {
    pub(crate) key: i64,
    #[serde(with = "in_hex")]
    pub(crate) gun: Vec<u8>,
}

impl SummaryCursor {
    /// Behind all names that begin with `prefix`, whether or not there are any.
    #[must_use]
    pub fn behind_all(prefix: &str) -> Self {
        Self {
            key: 0,
            gun: end_of(prefix),
        }
    }

    /// Behind `summary`, in the order of `sort`.
    #[must_use]
    pub fn behind(summary: &Summary, sort: Sort) -> Self {
        let key = match sort {
            Sort::Name => 0,
            Sort::Expires => summary
                .next
                .as_ref()
                .map_or(i64::MAX, |next| next.expires.unix_timestamp()),
            Sort::Published => summary.published_at.unix_timestamp(),
        };
        Self {
            key,
            gun: summary.gun.as_bytes().to_vec(),
        }
    }

    /// Whether nothing that begins with `prefix` comes behind it in the order of names.
    #[must_use]
    pub fn is_behind_all(&self, prefix: &str) -> bool {
        is_behind_all(&self.gun, prefix)
    }
}

/// What expires first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextExpiry {
    /// When.
    pub expires: OffsetDateTime,
    /// Which role.
    pub role: String,
}

/// What a row says at length.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// Root, timestamp, snapshot, targets and delegations, parents first.
    pub roles: Vec<RoleDetail>,
    /// Empty if clients can follow the repository without a warning.
    pub problems: Vec<ProblemDetail>,
}

/// The current file of a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleDetail {
    /// Which role.
    pub role: String,
    /// The version of its file.
    pub version: i64,
    /// When that expires, in seconds since 1970; `None` if it does not say.
    pub expires: Option<i64>,
    /// The SHA-256 of the file, in hex.
    pub sha256: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// How many keys have to sign it.
    pub threshold: u32,
    /// The ids of the keys that may sign it.
    pub keys: Vec<String>,
    /// The ids of those that did.
    pub signed_by: Vec<String>,
    /// The beginnings of the names that it may list.
    pub paths: Vec<String>,
    /// Whether clients pass over it.
    pub is_skipped: bool,
    /// Whether it is verified up to the root.
    pub is_believed: bool,
}

/// Something to see to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemDetail {
    /// How bad it is.
    pub health: Health,
    /// The role that it is about.
    pub role: Option<String>,
    /// What is wrong.
    pub text: String,
    /// What to do about it.
    pub cure: String,
}

/// A tag of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// The role that lists it.
    pub role: String,
    /// Its name.
    pub name: String,
    /// What it is, as `sha256:…`.
    pub digest: String,
    /// How many bytes that has.
    pub length: i64,
}

/// Where a page of tags ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagCursor {
    #[serde(with = "in_hex")]
    pub(crate) role: Vec<u8>,
    #[serde(with = "in_hex")]
    pub(crate) name_start: Vec<u8>,
    #[serde(with = "in_hex")]
    pub(crate) name_sum: Vec<u8>,
}

/// A key that may sign for a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// For which role.
    pub role: String,
    /// The id of the key.
    pub key_id: String,
    /// The kind of key.
    pub algorithm: String,
    /// Whom its certificate names; `None` for a bare key.
    pub certificate: Option<String>,
    /// The last second of its certificate.
    pub expires: Option<OffsetDateTime>,
}

/// A role that expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// Of which repository.
    pub gun: String,
    /// Which role.
    pub role: String,
    /// The version that expires.
    pub version: i64,
    /// When; long ago for a file that does not say.
    pub expires: OffsetDateTime,
    /// Who renews it.
    pub owner: Owner,
}

/// How much there is of everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many repositories, by their health.
    pub repositories: BTreeMap<Health, u64>,
    /// What expires, by who renews it.
    pub expiring: BTreeMap<Owner, ExpiryTally>,
}

impl Tally {
    /// How far ahead roles are counted, in days; what has expired is counted in all of them.
    pub const DAYS: [u16; 4] = [0, 7, 30, 90];
}

/// How much expires of the roles of one kind of owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpiryTally {
    /// How many roles expire within each of the [`Tally::DAYS`].
    pub within: [u64; 4],
    /// When the first expires; long ago for a file that does not say; `None` if there is none.
    pub first: Option<OffsetDateTime>,
}

/// Where a page of what expires ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpiryCursor {
    pub(crate) expires: i64,
    #[serde(with = "in_hex")]
    pub(crate) gun: Vec<u8>,
    #[serde(with = "in_hex")]
    pub(crate) role: Vec<u8>,
}

impl ExpiryCursor {
    /// Begins with what expires at `at`.
    #[must_use]
    pub fn starting_at(at: OffsetDateTime) -> Self {
        Self {
            expires: at.unix_timestamp(),
            gun: Vec::new(),
            role: Vec::new(),
        }
    }

    /// Behind `expiry`.
    #[must_use]
    pub fn behind(expiry: &Expiry) -> Self {
        Self {
            expires: expiry.expires.unix_timestamp(),
            gun: expiry.gun.as_bytes().to_vec(),
            role: expiry.role.as_bytes().to_vec(),
        }
    }
}

/// That a key may sign for a role of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The id of the key.
    pub key_id: String,
    /// For which repository.
    pub gun: String,
    /// For which role.
    pub role: String,
    /// The kind of key.
    pub algorithm: String,
    /// Whom its certificate names; `None` for a bare key.
    pub certificate: Option<String>,
    /// The last second of its certificate.
    pub expires: Option<OffsetDateTime>,
}

/// Where a page of those ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureCursor {
    #[serde(with = "in_hex")]
    pub(crate) key_id: Vec<u8>,
    #[serde(with = "in_hex")]
    pub(crate) gun: Vec<u8>,
    #[serde(with = "in_hex")]
    pub(crate) role: Vec<u8>,
}

impl SignatureCursor {
    /// Behind all names that begin with `prefix`, for one key.
    #[must_use]
    pub fn behind_all(prefix: &str) -> Self {
        Self {
            gun: end_of(prefix),
            ..Self::default()
        }
    }

    /// Whether no repository that begins with `prefix` comes behind it, for one key.
    #[must_use]
    pub fn is_behind_all(&self, prefix: &str) -> bool {
        is_behind_all(&self.gun, prefix)
    }

    /// Behind `signature`.
    #[must_use]
    pub fn behind(signature: &Signature) -> Self {
        Self {
            key_id: signature.key_id.as_bytes().to_vec(),
            gun: signature.gun.as_bytes().to_vec(),
            role: signature.role.as_bytes().to_vec(),
        }
    }
}

/// All that is stored of one repository.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What is asked for.
    pub row: Row,
    /// When it has to be computed again although nothing was published; `i64::MAX` for never.
    pub stale_at: i64,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// The keys that may sign for its roles.
    pub signers: Vec<Signer>,
}

/// What a stored row was computed from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The name of the repository.
    pub gun: Vec<u8>,
    /// Changes whenever the row is written.
    pub revision: i64,
    /// The edition of the computation.
    pub edition: i64,
    /// The version of the newest timestamp.
    pub version: i64,
    /// The SHA-256 of that timestamp.
    pub sha256: Vec<u8>,
    /// When it has to be computed again.
    pub stale_at: i64,
}

/// How far the changefeed is followed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The id of the last line that was followed; 0 before the first.
    pub line: i64,
    /// What tells that line from another one with its id.
    pub(crate) line_sum: Vec<u8>,
    /// When the end of the feed was last reached, as far as it was settled then.
    pub reached_at: i64,
    /// When all repositories were last walked through.
    pub walked_at: i64,
}

/// Behind all names that begin with `prefix`: no name holds this byte.
fn end_of(prefix: &str) -> Vec<u8> {
    [prefix.as_bytes(), &[u8::MAX]].concat()
}

fn is_behind_all(place: &[u8], prefix: &str) -> bool {
    match place.strip_prefix(prefix.as_bytes()) {
        Some(rest) => rest.first() == Some(&u8::MAX),
        None => place > prefix.as_bytes(),
    }
}

/// Bytes of names, which are of any kind, as text.
mod in_hex {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        hex::decode(String::deserialize(from)?).map_err(D::Error::custom)
    }
}
