//! New snapshots and timestamps without an upload, when the old ones are about to expire.

use std::collections::BTreeMap;

use bytes::Bytes;
use time::OffsetDateTime;

use crate::encoding::json::Value;
use crate::limits::Effort;
use crate::metadata::{Pins, Root, SharedKey};
use crate::wire::notary;
use crate::{Checksums, Draft, File, PublicKey, Role};

/// Makes the snapshot that follows `snapshot`: all entries are kept, root's is refreshed.
///
/// The expiry of `root`, and that of its certificates, is not looked at: a repository stays
/// readable until its clients judge (Notary 0.7 stops renewing).
pub fn renew_snapshot(root: &File, snapshot: &File, now: OffsetDateTime) -> Result<Draft, Damaged> {
    let trusted = trusted_root(root)?;
    let successor = Successor::after(snapshot)?;
    Ok(successor.pinning([(&Role::Root, root.checksums())], trusted, now))
}

/// Makes the timestamp that follows `previous` and pins `snapshot`, which root's keys must have
/// signed and which must not have expired.
///
/// The expiry of `root` is not looked at, as in [`renew_snapshot`].
pub fn renew_timestamp(
    root: &File,
    snapshot: &File,
    previous: &File,
    now: OffsetDateTime,
) -> Result<Draft, Damaged> {
    let trusted = trusted_root(root)?;
    let damaged = |reason| Damaged {
        role: Role::Snapshot,
        reason,
    };
    trusted
        .signers(&Role::Snapshot)
        .verify(snapshot.envelope(), &Effort::unlimited())
        .map_err(damaged)?;
    notary::check_snapshot(snapshot.envelope()).map_err(damaged)?;
    snapshot.check_expiry(now).map_err(damaged)?;
    let successor = Successor::after(previous)?;
    Ok(successor.pinning([(&Role::Snapshot, snapshot.checksums())], trusted, now))
}

/// The keys that `root` lists for a top role, in its order; see [`Root::keys`].
pub fn role_keys(root: &File, role: &Role) -> Result<Vec<PublicKey>, Damaged> {
    trusted_root(root).map(|root| root.keys(role))
}

/// The roles of `root` that fewer public keys speak for than have to sign; see
/// [`Root::shared_keys`].
pub fn shared_keys(root: &File) -> Result<Vec<SharedKey>, Damaged> {
    trusted_root(root).map(Root::shared_keys)
}

/// A stored file that cannot be what it was when it was accepted: a fault of the server's storage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored {role} cannot be used: {reason}")]
pub struct Damaged {
    /// Which file.
    pub role: Role,
    /// What is wrong with it.
    pub reason: String,
}

/// A snapshot or timestamp to be made: what follows from the one before it.
#[derive(Clone)]
pub(crate) struct Successor {
    role: Role,
    version: i64,
    /// The entries of the file before it, all of which are kept.
    meta: BTreeMap<String, Value<'static>>,
}

impl Successor {
    /// What follows the stored file of `role`; the first version if there is none.
    pub(crate) fn of(role: Role, stored: Option<&Bytes>) -> Result<Self, Damaged> {
        let Some(bytes) = stored else {
            return Ok(Self {
                role,
                version: 1,
                meta: BTreeMap::new(),
            });
        };
        let file = File::parse(role.clone(), bytes.clone());
        let file = file.map_err(|fault| Damaged {
            role,
            reason: fault.to_string(),
        })?;
        Self::after(&file)
    }

    /// What follows `file`, whose signatures and expiry do not matter (Notary 0.7).
    fn after(file: &File) -> Result<Self, Damaged> {
        let role = file.role().clone();
        let damaged = |reason| Damaged {
            role: role.clone(),
            reason,
        };
        let pins = pins(file).map_err(damaged)?;
        if file.version() >= i64::from(i32::MAX) {
            return Err(damaged(format!(
                "version {} has no successor",
                file.version()
            )));
        }
        let meta = pins
            .iter()
            .map(|(name, pin)| (name.clone(), pin.entry.clone()))
            .collect();
        Ok(Self {
            version: file.version() + 1,
            role,
            meta,
        })
    }

    /// How many files the file before it lists.
    pub(crate) fn size(&self) -> usize {
        self.meta.len()
    }

    /// Whether the file before it lists that of `role`.
    pub(crate) fn lists(&self, role: &Role) -> bool {
        self.meta.contains_key(role.as_str())
    }

    /// The file to sign, with entries for `files` in place of any earlier ones.
    pub(crate) fn pinning<'f>(
        &self,
        files: impl IntoIterator<Item = (&'f Role, &'f Checksums)>,
        root: &Root,
        now: OffsetDateTime,
    ) -> Draft {
        let mut meta = self.meta.clone();
        meta.extend(
            files
                .into_iter()
                .map(|(role, checksums)| (role.to_string(), notary::pin(checksums))),
        );
        Draft::new(self.role.clone(), self.version, meta, root, now)
    }
}

/// What a stored snapshot or timestamp pins, if it is whole and could be signed again.
fn pins(file: &File) -> Result<&Pins, String> {
    file.check_text()?;
    file.envelope().message.as_ref().map_err(Clone::clone)?;
    match file.role() {
        Role::Timestamp => notary::check_timestamp(file.envelope()),
        _ => notary::check_snapshot(file.envelope()),
    }
}

fn trusted_root(file: &File) -> Result<&Root, Damaged> {
    let damaged = |reason| Damaged {
        role: Role::Root,
        reason,
    };
    file.check_text().map_err(damaged)?;
    notary::check_root(file.envelope()).map_err(damaged)
}
