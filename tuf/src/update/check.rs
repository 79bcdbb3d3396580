//! The judgement, step by step.

use time::OffsetDateTime;

use super::{accepted::Accepted, parts::Update, root, signer::note_signers, snapshot, tree};
use crate::{
    fault::{Fault, Refusal, UpdateFault},
    files::Stored,
    gun::Gun,
    role::Role,
    rules::{effort::Effort, next_version::NextVersion},
};

/// Judges an update of the repository `gun` whose current files are `stored`.
///
/// The steps, their order and the texts of refusals are Notary 0.7's, but for these differences:
///
/// * Checksums are of the bytes as they came. Notary hashed what it had parsed and written again,
///   and lost files, even the root, by it.
/// * A stored root that cannot be read, or that is gone while a snapshot or timestamp is still
///   there, is [`Refusal::Stored`], never "no root": otherwise anyone's root could take its place.
/// * The dates of a stored root's certificates are not looked at, so an expired certificate can be
///   replaced by a root that old and new keys sign. A new root's certificates are checked in full.
/// * A version too far above the stored one is refused; see
///   [`MAX_VERSION_STEP`](crate::MAX_VERSION_STEP).
/// * Files that readers may read in two ways are no part of an [`Update`]; see
///   [`Uploaded`](crate::Uploaded).
/// * Members beside `signed` and `signatures` are refused (TUF-01-001).
/// * A new root whose threshold for a role is higher than the number of distinct public keys listed
///   for it is refused, and only distinct public keys count when it signs itself.
/// * Verifying signatures tries the cheapest first and may take no more work than
///   [`Limits::verifications`](crate::Limits::verifications). Whether an update is taken is known
///   at the threshold; a little more is verified to tell who else signed.
/// * `null` for `signed` or for a delegated role is refused; Notary's request crashed.
/// * A stored file of the targets tree that the new root's keys did not sign is
///   [`Refusal::Targets`], with a text.
pub fn check(
    gun: &Gun,
    stored: &Stored,
    update: Update,
    now: OffsetDateTime,
) -> Result<Accepted, Refusal> {
    let effort = Effort::of(update.limits);
    let stored = in_format(stored.clone(), &update)?;
    let current = root::load_current(gun, &stored)?;
    let mut signed_by = Vec::new();
    let root = match update.files.get(&Role::Root) {
        Some(new) => {
            let keys = root::replace(gun, current.as_ref(), new, &effort, now)?;
            note_signers(&mut signed_by, &Role::Root, keys);
            new.clone()
        }
        None => current.ok_or(Refusal::Validation(UpdateFault::NoRoot.into()))?,
    };
    let trusted = root.root().map_err(Refusal::Root)?;
    let tree = tree::load(trusted, &stored, &update, &effort, now)?;
    let (mut pending, signers_of_tree) = tree.into_files();
    signed_by.extend(signers_of_tree);
    let has_targets = pending.contains_key(&Role::Targets);
    pending.insert(Role::Root, root.clone());
    let snapshot = if let Some(sent) = update.files.get(&Role::Snapshot) {
        let keys = snapshot::check(trusted, sent, &stored, &pending, &effort, now)?;
        note_signers(&mut signed_by, &Role::Snapshot, keys);
        None
    } else {
        let planned = snapshot::plan(&stored, has_targets)?;
        snapshot::check_growth(&planned, &pending, update.limits.meta_files)?;
        Some(planned)
    };
    let timestamp = NextVersion::of(&stored, Role::Timestamp)?;
    let (trusted, files) = (trusted.clone(), update.files.into_values().collect());
    Ok(Accepted {
        files,
        before: stored,
        trusted,
        pending,
        snapshot,
        timestamp,
        signed_by,
    })
}

/// What is stored, in the format of the repository: a new one has that of its first file.
fn in_format(mut stored: Stored, update: &Update) -> Result<Stored, Refusal> {
    let is_new = stored.get(&Role::Root).is_none();
    if is_new && let Some(first) = update.files().next() {
        stored.format = first.format();
    }
    let foreign = update.files().find(|file| file.format() != stored.format);
    match foreign {
        None => Ok(stored),
        Some(file) => Err(Refusal::Validation(Fault::Update(
            UpdateFault::OtherFormat {
                role: file.role().clone(),
                sent: file.format().name(),
                own: stored.format.name(),
            },
        ))),
    }
}
