//! What serving the current files needs to know of a timestamp and a snapshot.

use std::fmt;

use time::{OffsetDateTime, macros::datetime};

use super::checked::{Checked, Strictness};
use crate::{
    fault::{Damaged, EnvelopeFault, MalformedJson},
    metadata::{Envelope, Meta, MetaFile},
    role::Role,
    wire::MetadataFormat,
};

/// When a file without an expiry expired: Go's zero time.
const NEVER_VALID: OffsetDateTime = datetime!(0001-01-01 00:00 UTC);

/// A stored timestamp, as far as a reader follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimestampView {
    /// The timestamp's version.
    pub version: i64,
    /// When it expires; the year 1 if it does not say.
    pub expires: OffsetDateTime,
    /// The checksum of the snapshot that is current.
    pub snapshot_sha256: [u8; 32],
}

/// A stored snapshot, as far as a reader follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotView {
    /// The snapshot's version.
    pub version: i64,
    /// When it expires; the year 1 if it does not say.
    pub expires: OffsetDateTime,
    /// The checksums of the current files. Entries without a usable SHA-256 are left out.
    pub listed: Listed,
}

/// Checksums by the name of a role, in two pieces of memory whatever their number: what is
/// remembered for long must not lie between pieces that are soon given back.
#[derive(Clone, PartialEq, Eq)]
pub struct Listed {
    /// All names, one behind the other.
    names: Box<str>,
    /// In the order of the names: where its name ends, and the checksum.
    files: Box<[(usize, [u8; 32])]>,
}

impl Listed {
    /// The checksum of a role's file.
    #[must_use]
    pub fn sha256(&self, role: &str) -> Option<[u8; 32]> {
        let (mut from, mut to) = (0, self.files.len());
        while from < to {
            let middle = usize::midpoint(from, to);
            match self.name(middle).cmp(role) {
                std::cmp::Ordering::Equal => return Some(self.files[middle].1),
                std::cmp::Ordering::Less => from = middle + 1,
                std::cmp::Ordering::Greater => to = middle,
            }
        }
        None
    }

    /// The names, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        (0..self.files.len()).map(|at| self.name(at))
    }

    /// How many bytes of memory this takes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.names.len() + size_of_val(&*self.files)
    }

    fn name(&self, at: usize) -> &str {
        let begin = at.checked_sub(1).map_or(0, |before| self.files[before].0);
        &self.names[begin..self.files[at].0]
    }
}

impl<'n> FromIterator<(&'n str, [u8; 32])> for Listed {
    /// The files must come in the order of their names, each once.
    fn from_iter<I: IntoIterator<Item = (&'n str, [u8; 32])>>(listed: I) -> Self {
        let mut names = String::new();
        let files = listed.into_iter().map(|(name, sha256)| {
            names.push_str(name);
            (names.len(), sha256)
        });
        Self {
            files: files.collect(),
            names: names.into(),
        }
    }
}

impl fmt::Debug for Listed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.files.iter().map(|(_, sha256)| hex::encode(sha256));
        formatter
            .debug_map()
            .entries(self.names().zip(entries))
            .finish()
    }
}

impl TimestampView {
    /// Reads a stored timestamp; signatures were checked when it was made.
    pub fn parse(format: MetadataFormat, bytes: &[u8]) -> Result<Self, Damaged> {
        let envelope = read(format, &Role::Timestamp, bytes)?;
        let meta = read_meta(format, &envelope, &Role::Timestamp)?;
        let snapshot_sha256 = meta
            .get(Role::Snapshot.as_str())
            .and_then(MetaFile::proper_sha256)
            .expect("the check found a checksum of 32 bytes");
        Ok(Self {
            version: envelope.version,
            expires: expires(&envelope),
            snapshot_sha256,
        })
    }
}

impl SnapshotView {
    /// Reads a stored snapshot; signatures were checked when it was stored.
    pub fn parse(format: MetadataFormat, bytes: &[u8]) -> Result<Self, Damaged> {
        let envelope = read(format, &Role::Snapshot, bytes)?;
        // A map, and so in the order of the names.
        let listed = read_meta(format, &envelope, &Role::Snapshot)?
            .iter()
            .filter_map(|(role, file)| Some((role.as_str(), file.proper_sha256()?)))
            .collect();
        Ok(Self {
            version: envelope.version,
            expires: expires(&envelope),
            listed,
        })
    }
}

fn read(format: MetadataFormat, role: &Role, bytes: &[u8]) -> Result<Envelope, Damaged> {
    let envelope = format.spelling().read_listing(role, bytes);
    envelope
        .map_err(MalformedJson::from)
        .map_err(EnvelopeFault::from)
        .map_err(Damaged::of(role))
}

fn read_meta<'e>(
    format: MetadataFormat,
    envelope: &'e Envelope,
    role: &'e Role,
) -> Result<&'e Meta, Damaged> {
    let checked = Checked::new(format, role, envelope, Strictness::Lenient);
    checked.and_then(Checked::meta).map_err(Damaged::of(role))
}

fn expires(envelope: &Envelope) -> OffsetDateTime {
    envelope.expires.unwrap_or(NEVER_VALID)
}
