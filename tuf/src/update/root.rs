//! Roots that an update brings, or that it is judged by.

use std::collections::BTreeSet;

use bytes::Bytes;
use time::OffsetDateTime;

use super::{Refusal, Stored, check_version_step, read};
use crate::limits::Effort;
use crate::rules::root::{Dates, Terms, check_trust, trusted_bundles};
use crate::{Damaged, File, Gun, KeyId, Role, Root};

/// The stored root, if the repository has one.
pub(super) fn current(gun: &Gun, stored: &Stored) -> Result<Option<File>, Refusal> {
    let damaged = |reason| {
        Refusal::from(Damaged {
            role: Role::Root,
            reason,
        })
    };
    let Some(bytes) = &stored.root else {
        if stored.snapshot.is_some() || stored.timestamp.is_some() {
            return Err(damaged(
                "it is gone, but its snapshot or timestamp is there".to_owned(),
            ));
        }
        return Ok(None);
    };
    let file = read(&Role::Root, bytes)?;
    let effort = Effort::unlimited();
    let terms = Terms::stored_root(Dates::Ignored, &effort);
    check_trust(gun, &file, None, terms).map_err(damaged)?;
    Ok(Some(file))
}

/// Checks that `new` may follow `current`, or may be the first root.
pub(super) fn replace(
    gun: &Gun,
    current: Option<&File>,
    new: &File,
    effort: &Effort,
    now: OffsetDateTime,
) -> Result<File, Refusal> {
    check_replacement(gun, current, new, effort, now).map_err(Refusal::Root)?;
    Ok(new.clone())
}

fn check_replacement(
    gun: &Gun,
    current: Option<&File>,
    new: &File,
    effort: &Effort,
    now: OffsetDateTime,
) -> Result<(), String> {
    let from = current.map_or(1, File::version);
    if new.version() != from && Some(new.version()) != from.checked_add(1) {
        return Err(format!(
            "Root modifications must increment the version. Current {from}, new {}",
            new.version()
        ));
    }
    new.check_text()?;
    new.check_members()?;
    let previous = current.map(File::trusted).transpose()?;
    // Sending the root in force again changes nothing, so it is judged as what it is: stored.
    let is_same = current.is_some_and(|current| current.bytes() == new.bytes());
    let terms = if is_same {
        Terms::stored_root(Dates::Checked(now), effort)
    } else {
        Terms::new_root(now, effort)
    };
    check_trust(gun, new, previous, terms).map_err(|text| explain_dates(gun, new, now, text))?;
    if !is_same {
        check_public_keys(new.trusted()?)?;
    }
    check_version_step(new, from)?;
    new.check_expiry(now)
}

/// Refuses thresholds that one public key in several certificates could meet alone.
fn check_public_keys(root: &Root) -> Result<(), String> {
    match root.shared_keys().first() {
        None => Ok(()),
        Some(shared) => Err(format!("root type metadata invalid: {shared}")),
    }
}

/// `text`, with the two dates that do not go together if that is what is wrong: often it is a clock.
fn explain_dates(gun: &Gun, new: &File, now: OffsetDateTime, text: String) -> String {
    let Ok(root) = new.trusted() else { return text };
    if !trusted_bundles(gun, root, Dates::Checked(now)).is_empty() {
        return text;
    }
    let bundles = trusted_bundles(gun, root, Dates::Ignored);
    match bundles.first() {
        Some(bundle) => format!("{text}: {}", bundle.leaf.describe_dates(now)),
        None => text,
    }
}

/// The keys that `new` gives snapshot and timestamp and the root that is `stored` does not, each with
/// its role.
pub(super) fn introduced_keys(stored: Option<&Bytes>, new: &Root) -> Vec<(Role, KeyId)> {
    let stored = stored.and_then(|bytes| read(&Role::Root, bytes).ok());
    let stored = stored.as_ref().and_then(|file| file.trusted().ok());
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
