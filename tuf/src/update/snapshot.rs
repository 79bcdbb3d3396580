//! Snapshots: sent by a client that holds the key, or to be made by the server.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use crate::{
    fault::{Fault, Refusal, UpdateFault},
    files::{File, Stored, Strictness},
    key::KeyId,
    metadata::Root,
    role::Role,
    rules::{
        effort::Effort,
        meta::{check_listed, is_listed},
        next_version::NextVersion,
        version_step::check_version_step,
    },
};

/// Checks a snapshot that a client made, against everything else in the update. Answers whose
/// signatures were verified.
pub(super) fn check(
    root: &Root,
    file: &File,
    stored: &Stored,
    pending: &BTreeMap<Role, File>,
    effort: &Effort,
    now: OffsetDateTime,
) -> Result<Vec<KeyId>, Refusal> {
    let current = stored.version(&Role::Snapshot)?;
    check_sent(root, file, current, pending, effort, now).map_err(Refusal::Snapshot)
}

fn check_sent(
    root: &Root,
    file: &File,
    current: i64,
    pending: &BTreeMap<Role, File>,
    effort: &Effort,
    now: OffsetDateTime,
) -> Result<Vec<KeyId>, Fault> {
    let checked = file.check(Strictness::Sent)?;
    let signers = root.verifier(&Role::Snapshot).verify_all(checked, effort)?;
    let meta = checked.meta()?;
    check_version_step(file, current)?;
    file.check_expiry(now)?;
    pending
        .values()
        .filter(|pending| is_listed(file.format(), pending.role()))
        .try_for_each(|pending| check_listed(meta, pending))?;
    Ok(signers)
}

/// Refuses to let a snapshot that the server makes grow beyond what a client may send.
pub(super) fn check_growth(
    planned: &NextVersion,
    pending: &BTreeMap<Role, File>,
    most: usize,
) -> Result<(), Refusal> {
    let is_added = |role: &&Role| is_listed(planned.format(), role) && !planned.lists(role);
    let added = pending.keys().filter(is_added).count();
    if added > 0 && planned.size() + added > most {
        let fault = UpdateFault::TooManyFiles(most);
        return Err(Refusal::Validation(fault.into()));
    }
    Ok(())
}

/// Prepares the snapshot that the server makes; the first one needs targets in the update.
pub(super) fn plan(stored: &Stored, has_targets: bool) -> Result<NextVersion, Refusal> {
    if stored.get(&Role::Snapshot).is_none() && !has_targets {
        return Err(Refusal::Validation(UpdateFault::NoTargets.into()));
    }
    let next = NextVersion::of(stored, Role::Snapshot);
    next.map_err(Refusal::from)
}
