//! New snapshots and timestamps without an upload, when the old ones are about to expire.

use time::OffsetDateTime;

use crate::{
    fault::{Damaged, Fault, SharedKey},
    files::{Draft, File, Strictness},
    key::PublicKey,
    metadata::Root,
    role::Role,
    rules::{effort::Effort, next_version::NextVersion},
};

/// Makes the snapshot that follows `snapshot`: all entries are kept, root's is refreshed.
///
/// The expiry of `root`, and that of its certificates, is not looked at: a repository stays
/// readable until its clients judge (Notary 0.7 stops renewing).
pub fn renew_snapshot(root: &File, snapshot: &File, now: OffsetDateTime) -> Result<Draft, Damaged> {
    let trusted = trusted_root(root)?;
    let next = NextVersion::after(snapshot)?;
    Ok(next.draft([root], trusted, now))
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
    check_snapshot(trusted, snapshot, now).map_err(Damaged::of(&Role::Snapshot))?;
    let next = NextVersion::after(previous)?;
    Ok(next.draft([snapshot], trusted, now))
}

/// Checks that clients would take a snapshot that the next timestamp is to list.
fn check_snapshot(root: &Root, snapshot: &File, now: OffsetDateTime) -> Result<(), Fault> {
    let checked = snapshot.check(Strictness::Lenient)?;
    let verifier = root.verifier(&Role::Snapshot);
    verifier.verify(checked, &Effort::unlimited())?;
    checked.meta()?;
    snapshot.check_expiry(now)
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
    file.root().map_err(Damaged::of(&Role::Root))
}
