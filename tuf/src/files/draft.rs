//! Metadata that the server has to sign.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use time::{Duration, OffsetDateTime};

use super::file::File;
use crate::{
    key::{KeyId, Method, PublicKey},
    metadata::{Entry, Root},
    role::Role,
    wire::{Composed, MetadataFormat},
};

/// A snapshot or timestamp without signatures.
///
/// Have [`Draft::message`] signed by the [`Draft::keys`] that the server holds, then
/// [`Draft::seal`] it.
#[derive(Clone)]
pub struct Draft {
    format: MetadataFormat,
    role: Role,
    version: i64,
    composed: Composed,
    keys: Vec<PublicKey>,
    threshold: u32,
}

impl Draft {
    /// How long a snapshot is valid that the server makes: three years of 365 days (Notary 0.7).
    pub const SNAPSHOT_LIFETIME: Duration = Duration::days(3 * 365);
    /// How long a timestamp is valid (Notary 0.7).
    pub const TIMESTAMP_LIFETIME: Duration = Duration::days(14);

    pub(crate) fn new(
        format: MetadataFormat,
        role: Role,
        version: i64,
        meta: BTreeMap<String, Entry>,
        root: &Root,
        now: OffsetDateTime,
    ) -> Self {
        let lifetime = if role == Role::Snapshot {
            Self::SNAPSHOT_LIFETIME
        } else {
            Self::TIMESTAMP_LIFETIME
        };
        let expires = now.saturating_add(lifetime);
        let composed = format.spelling().compose(&role, version, expires, meta);
        let (keys, threshold) = (root.keys(&role), root.threshold(&role));
        Self {
            format,
            role,
            version,
            composed,
            keys,
            threshold,
        }
    }

    /// Snapshot or timestamp.
    #[must_use]
    pub fn role(&self) -> &Role {
        &self.role
    }

    /// The version that the file will have.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.version
    }

    /// The canonical bytes to sign.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.composed.message
    }

    /// The keys that root names for the role, in its order. The server need not hold all of them.
    #[must_use]
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// How many of the keys have to sign. More than there are keys makes a draft that nothing can
    /// seal.
    #[must_use]
    pub fn threshold(&self) -> u32 {
        self.threshold
    }

    /// Makes the file, if enough of the keys signed. A signature that does not verify, or is by
    /// another key, is left out; so is a second one by the same key.
    pub fn seal(self, signatures: Vec<(KeyId, Vec<u8>)>) -> Result<File, SealError> {
        let keys: BTreeMap<&KeyId, &PublicKey> =
            self.keys.iter().map(|key| (key.id(), key)).collect();
        let mut known = BTreeSet::new();
        let mut good: Vec<(KeyId, _, Vec<u8>)> = Vec::new();
        let mut refused = Vec::new();
        for (id, bytes) in signatures {
            let key = keys.get(&id);
            match key.filter(|key| key.verifies(&key.signature_method(), self.message(), &bytes)) {
                Some(key) if known.insert(key.id()) => {
                    good.push((id, key.signature_method(), bytes));
                }
                Some(_) => {}
                None => refused.push(id),
            }
        }
        let count = u32::try_from(good.len()).unwrap_or(u32::MAX);
        if count < self.threshold {
            return Err(SealError {
                role: self.role,
                good: count,
                threshold: self.threshold,
                refused,
            });
        }
        Ok(self.write(&good))
    }

    /// The key of a draft that one key seals.
    pub(crate) fn only_key(&self) -> Option<&PublicKey> {
        match self.keys.as_slice() {
            [key] if self.threshold == 1 => Some(key),
            _ => None,
        }
    }

    /// The file with these signatures, whatever they are.
    pub(crate) fn write(&self, signatures: &[(KeyId, Method, Vec<u8>)]) -> File {
        let file = self.format.spelling().seal(&self.composed, signatures);
        let file = File::parse(self.format, self.role.clone(), file.into());
        file.expect("what is composed here can be read")
    }
}

/// Names the file to be; what is in it stays out of logs.
impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut name = f.debug_struct("Draft");
        name.field("role", &self.role)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// Too few good signatures for a [`Draft`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{good} of {threshold} signatures needed for the {role}, {} refused", refused.len())]
pub struct SealError {
    /// What was to be signed.
    pub role: Role,
    /// How many distinct keys signed.
    pub good: u32,
    /// How many had to.
    pub threshold: u32,
    /// The keys with a signature that did not verify, or was not asked for.
    pub refused: Vec<KeyId>,
}
