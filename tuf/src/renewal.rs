//! New snapshots and timestamps without an upload, when the old ones are about to expire.

use time::OffsetDateTime;

use crate::limits::Effort;
use crate::metadata::{Root, SharedKey};
use crate::rules::next_version::NextVersion;
use crate::wire::notary;
use crate::{Damaged, Draft, File, PublicKey, Role};

/// Makes the snapshot that follows `snapshot`: all entries are kept, root's is refreshed.
///
/// The expiry of `root`, and that of its certificates, is not looked at: a repository stays
/// readable until its clients judge (Notary 0.7 stops renewing).
pub fn renew_snapshot(root: &File, snapshot: &File, now: OffsetDateTime) -> Result<Draft, Damaged> {
    let trusted = trusted_root(root)?;
    let next = NextVersion::after(snapshot)?;
    Ok(next.draft([(&Role::Root, root.checksums())], trusted, now))
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
        .verifier(&Role::Snapshot)
        .verify(snapshot.envelope(), &Effort::unlimited())
        .map_err(damaged)?;
    notary::check_snapshot(snapshot.envelope()).map_err(damaged)?;
    snapshot.check_expiry(now).map_err(damaged)?;
    let next = NextVersion::after(previous)?;
    Ok(next.draft([(&Role::Snapshot, snapshot.checksums())], trusted, now))
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

fn trusted_root(file: &File) -> Result<&Root, Damaged> {
    let damaged = |reason| Damaged {
        role: Role::Root,
        reason,
    };
    file.check_text().map_err(damaged)?;
    notary::check_root(file.envelope()).map_err(damaged)
}
