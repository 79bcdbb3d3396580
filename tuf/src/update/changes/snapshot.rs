//! What a snapshot changes that a client made.
//!
//! A snapshot decides which file of every role is current, so its key alone could bring back an old
//! file of another role, or hide it, without an upload for that role. [`check`](crate::check)
//! accepts this, as Notary does, so it takes the right to say who signs.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    files::{File, StoredFile, Strictness},
    metadata::{Meta, MetaFile},
    role::Role,
};

/// The roles whose entries change without their file being in `current`.
pub(super) fn find(
    stored: Option<&StoredFile>,
    sent: &File,
    current: &BTreeMap<Role, File>,
) -> BTreeSet<Role> {
    let roles = changed_roles(stored, sent, current);
    roles.unwrap_or_else(|| BTreeSet::from([Role::Snapshot]))
}

/// `None` if one of the snapshots cannot be read.
fn changed_roles(
    stored: Option<&StoredFile>,
    sent: &File,
    current: &BTreeMap<Role, File>,
) -> Option<BTreeSet<Role>> {
    let nothing = StoredFile::nothing(sent.format(), Role::Snapshot);
    let stored = stored.unwrap_or(&nothing);
    let before = read_meta(stored.file().ok()?)?;
    let after = read_meta(sent)?;
    // A name that is no role's is the snapshot's own affair.
    let role_named = |name: &str| sent.format().role(name).unwrap_or(Role::Snapshot);
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut changed: BTreeSet<Role> = names
        .into_iter()
        .map(|name| (role_named(name), before.get(name), after.get(name)))
        .filter(|(role, before, after)| {
            !is_same(*before, *after) && !is_true(*after, current.get(role))
        })
        .map(|(role, ..)| role)
        .collect();
    if stored.parts()?.rest.as_ref()? != sent.parts()?.rest.as_ref()? {
        changed.insert(Role::Snapshot);
    }
    Some(changed)
}

/// What the first snapshot replaces.
static NOTHING: Meta = Meta::new();

fn read_meta(snapshot: &File) -> Option<&Meta> {
    let checked = snapshot.check(Strictness::Lenient).ok()?;
    if checked.is_empty() {
        return Some(&NOTHING);
    }
    checked.meta().ok()
}

/// Whether these are the same entry, down to members that mean nothing here.
fn is_same(before: Option<&MetaFile>, after: Option<&MetaFile>) -> bool {
    let (Some(before), Some(after)) = (before, after) else {
        return false;
    };
    before.entry.is_same(&after.entry)
}

/// Whether the server and clients find `file` by this entry. That its hashes are right was checked
/// already, but one of them is enough for that; the server goes by SHA-256.
fn is_true(listed: Option<&MetaFile>, file: Option<&File>) -> bool {
    let (Some(listed), Some(file)) = (listed, file) else {
        return false;
    };
    let actual = file.checksums();
    listed.sha256.as_deref() == Some(&actual.sha256)
        && listed.length.map(u64::try_from) == Some(Ok(actual.length))
}
