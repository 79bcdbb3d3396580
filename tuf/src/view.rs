//! What serving the current files needs to know of a timestamp and a snapshot.

use std::collections::BTreeMap;

use time::OffsetDateTime;
use time::macros::datetime;

use crate::metadata::{Envelope, MetaFile};
use crate::wire::notary;
use crate::{Damaged, Role};

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
    pub fn parse(bytes: &[u8]) -> Result<Self, Damaged> {
        let damaged = |reason| Damaged {
            role: Role::Timestamp,
            reason,
        };
        let envelope = notary::read_listing(&Role::Timestamp, bytes).map_err(damaged)?;
        let meta = notary::check_timestamp(&envelope).map_err(damaged)?;
        let snapshot_sha256 = meta
            .get("snapshot")
            .and_then(sha256)
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
    pub fn parse(bytes: &[u8]) -> Result<Self, Damaged> {
        let damaged = |reason| Damaged {
            role: Role::Snapshot,
            reason,
        };
        let envelope = notary::read_listing(&Role::Snapshot, bytes).map_err(damaged)?;
        let meta = notary::check_snapshot(&envelope).map_err(damaged)?;
        let sha256_by_role = meta
            .iter()
            .filter_map(|(role, file)| Some((role.clone(), sha256(file)?)))
            .collect();
        Ok(Self {
            version: envelope.version,
            expires: expires(&envelope),
            sha256_by_role,
        })
    }
}

fn expires(envelope: &Envelope) -> OffsetDateTime {
    envelope.expires.unwrap_or(NEVER_VALID)
}

fn sha256(file: &MetaFile) -> Option<[u8; 32]> {
    file.sha256.as_deref()?.try_into().ok()
}
