//! Roots that an update brings, or that it is judged by.

use std::collections::BTreeSet;

use time::OffsetDateTime;

use crate::{
    fault::{Damaged, Fault, Refusal, RootFault},
    files::{File, Stored, StoredFile, Strictness},
    gun::Gun,
    key::KeyId,
    metadata::Root,
    role::Role,
    rules::{
        effort::Effort,
        root::{Dates, Terms, check_trust},
        version_step::check_version_step,
    },
};

/// The stored root, if the repository has one.
pub(super) fn load_current(gun: &Gun, stored: &Stored) -> Result<Option<File>, Damaged> {
    let Some(root) = stored.get(&Role::Root) else {
        let depends_on_it = |role| stored.get(role).is_some();
        if [Role::Snapshot, Role::Timestamp].iter().any(depends_on_it) {
            return Err(Damaged::of(&Role::Root)(RootFault::Gone));
        }
        return Ok(None);
    };
    let judge = |file: &File| {
        let effort = Effort::unlimited();
        let terms = Terms::stored_root(Dates::Ignored, &effort);
        let verdict = check_trust(gun, file, None, terms);
        verdict.map(drop).map_err(Damaged::of(&Role::Root))
    };
    root.as_trusted_root(gun, judge).cloned().map(Some)
}

/// Checks that `new` may follow `current`, or may be the first root. Answers whose signatures were
/// verified.
pub(super) fn replace(
    gun: &Gun,
    current: Option<&File>,
    new: &File,
    effort: &Effort,
    now: OffsetDateTime,
) -> Result<Vec<KeyId>, Refusal> {
    check_replacement(gun, current, new, effort, now).map_err(Refusal::Root)
}

fn check_replacement(
    gun: &Gun,
    current: Option<&File>,
    new: &File,
    effort: &Effort,
    now: OffsetDateTime,
) -> Result<Vec<KeyId>, Fault> {
    let (from, sent) = (current.map_or(1, File::version), new.version());
    let conventions = new.format().conventions();
    if !conventions.may_follow(current.map(File::version), sent) {
        return Err(Fault::Root(RootFault::VersionSkipped {
            current: from,
            sent,
        }));
    }
    new.check(Strictness::Sent)?;
    let previous = current.map(File::root).transpose()?;
    // Sending the current root again changes nothing, so it is judged as what it is: stored.
    let is_same = current.is_some_and(|current| current.bytes() == new.bytes());
    let terms = if is_same {
        Terms::stored_root(Dates::Checked(now), effort)
    } else {
        Terms::new_root(now, effort)
    };
    let signers = check_trust(gun, new, previous, terms)?;
    if !is_same {
        check_public_keys(new.root()?)?;
    }
    check_version_step(new, from)?;
    new.check_expiry(now)?;
    Ok(signers)
}

/// Refuses thresholds that one public key in several certificates could meet alone.
fn check_public_keys(root: &Root) -> Result<(), RootFault> {
    match root.shared_keys().into_iter().next() {
        None => Ok(()),
        Some(shared) => Err(RootFault::SharedKeys(shared)),
    }
}

/// The keys that `new` gives snapshot and timestamp and the root that is `stored` does not, each
/// with its role.
pub(super) fn introduced_keys(stored: Option<&StoredFile>, new: &Root) -> Vec<(Role, KeyId)> {
    let stored = stored.and_then(|stored| stored.file().ok()?.root().ok());
    let mut introduced = Vec::new();
    for role in [Role::Snapshot, Role::Timestamp] {
        let known: BTreeSet<KeyId> = stored
            .map(|root| root.keys(&role))
            .into_iter()
            .flatten()
            .map(|key| key.id().clone())
            .collect();
        let named = new.keys(&role).into_iter().map(|key| key.id().clone());
        introduced.extend(
            named
                .filter(|id| !known.contains(id))
                .map(|id| (role.clone(), id)),
        );
    }
    introduced
}
