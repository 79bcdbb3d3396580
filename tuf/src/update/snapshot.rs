//! Snapshots: sent by a client that holds the key, or to be made by the server.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::{Refusal, Stored, check_version_step};
use crate::limits::Effort;
use crate::rules::meta::check_listed;
use crate::rules::next_version::NextVersion;
use crate::wire::notary;
use crate::{Damaged, File, Role, Root};

/// Checks a snapshot that a client made, against everything else in the update.
pub(super) fn check(
    root: &Root,
    file: &File,
    stored: &Stored,
    pending: &BTreeMap<Role, File>,
    effort: &Effort,
    now: OffsetDateTime,
) -> Result<(), Refusal> {
    let current = stored
        .snapshot
        .as_ref()
        .map_or(Ok(0), |bytes| notary::version(bytes));
    let current = current.map_err(|reason| Damaged {
        role: Role::Snapshot,
        reason,
    })?;
    check_sent(root, file, current, pending, effort, now).map_err(Refusal::Snapshot)
}

fn check_sent(
    root: &Root,
    file: &File,
    current: i64,
    pending: &BTreeMap<Role, File>,
    effort: &Effort,
    now: OffsetDateTime,
) -> Result<(), String> {
    file.check_text()?;
    file.check_members()?;
    root.verifier(&Role::Snapshot)
        .verify(file.envelope(), effort)?;
    let meta = notary::check_snapshot(file.envelope())?;
    check_version_step(file, current)?;
    file.check_expiry(now)?;
    pending
        .iter()
        .try_for_each(|(role, file)| check_listed(meta, role, file.checksums()))
}

/// Refuses to let a snapshot that the server makes grow beyond what a client may send.
pub(super) fn check_growth(
    planned: &NextVersion,
    pending: &BTreeMap<Role, File>,
    most: usize,
) -> Result<(), Refusal> {
    let added = pending.keys().filter(|role| !planned.lists(role)).count();
    if added > 0 && planned.size() + added > most {
        return Err(Refusal::Validation(format!(
            "the snapshot would list more than {most} files"
        )));
    }
    Ok(())
}

/// Prepares the snapshot that the server makes; the first one needs targets in the update.
pub(super) fn plan(stored: &Stored, has_targets: bool) -> Result<NextVersion, Refusal> {
    if stored.snapshot.is_none() && !has_targets {
        return Err(Refusal::Validation(
            "targets must be loaded first".to_owned(),
        ));
    }
    Ok(NextVersion::of(Role::Snapshot, stored.snapshot.as_ref())?)
}
