//! What serving the current files needs to know of a timestamp and a snapshot.

use std::collections::BTreeMap;

use time::{OffsetDateTime, macros::datetime};

use crate::{
    Damaged, MalformedJson, MetadataFormat, Role,
    envelope::{Checked, Envelope, EnvelopeFault, Strictness},
    metadata::{Meta, MetaFile},
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
    /// The checksums of the current files, by role. Entries without a usable SHA-256 are left out.
    pub sha256_by_role: BTreeMap<String, [u8; 32]>,
}

impl TimestampView {
    /// Reads a stored timestamp; signatures were checked when it was made.
    pub fn parse(format: MetadataFormat, bytes: &[u8]) -> Result<Self, Damaged> {
        let envelope = read(format, &Role::Timestamp, bytes)?;
        let meta = listed(&envelope, &Role::Timestamp)?;
        let snapshot_sha256 = meta
            .get(Role::Snapshot.as_str())
            .and_then(sha256)
            .expect("the check found a checksum of 32 bytes");
        Ok(Self {
            version: envelope.version(),
            expires: expires(&envelope),
            snapshot_sha256,
        })
    }
}

impl SnapshotView {
    /// Reads a stored snapshot; signatures were checked when it was stored.
    pub fn parse(format: MetadataFormat, bytes: &[u8]) -> Result<Self, Damaged> {
        let envelope = read(format, &Role::Snapshot, bytes)?;
        let sha256_by_role = listed(&envelope, &Role::Snapshot)?
            .iter()
            .filter_map(|(role, file)| Some((role.clone(), sha256(file)?)))
            .collect();
        Ok(Self {
            version: envelope.version(),
            expires: expires(&envelope),
            sha256_by_role,
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

fn listed<'e>(envelope: &'e Envelope, role: &'e Role) -> Result<&'e Meta, Damaged> {
    envelope
        .check(role, Strictness::Lenient)
        .and_then(Checked::meta)
        .map_err(Damaged::of(role))
}

fn expires(envelope: &Envelope) -> OffsetDateTime {
    envelope.expires().unwrap_or(NEVER_VALID)
}

fn sha256(file: &MetaFile) -> Option<[u8; 32]> {
    file.sha256.as_deref()?.try_into().ok()
}
