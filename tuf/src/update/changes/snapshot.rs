//! What a snapshot changes that a client made.
//!
//! A snapshot decides which file of every role is current, so whoever holds its key could bring back an old
//! file of a role that is not theirs, or hide it, without sending one. [`check`](crate::check) does not mind,
//! as Notary does not; whoever sends it has to be somebody who may say who signs.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{Change, Signed};
use crate::encoding::canonical;
use crate::encoding::json::{Member, Value};
use crate::metadata::{Meta, MetaFile};
use crate::wire::notary;
use crate::{File, Role};

/// The roles whose pins change without their file being in `current`.
pub(super) fn changes(
    stored: Option<&Bytes>,
    sent: &File,
    current: &BTreeMap<Role, File>,
) -> Vec<Change> {
    let roles = changed_roles(stored.map_or(b"{}", |stored| stored), sent, current);
    let roles = roles.unwrap_or_else(|| BTreeSet::from([Role::Snapshot]));
    roles.into_iter().map(Change::Signers).collect()
}

/// `None` if one of the snapshots cannot be read.
fn changed_roles(
    stored: &[u8],
    sent: &File,
    current: &BTreeMap<Role, File>,
) -> Option<BTreeSet<Role>> {
    let (before, after) = (listed(stored)?, listed(sent.bytes())?);
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut changed: BTreeSet<Role> = names
        .into_iter()
        .map(|name| (role_of(name), before.get(name), after.get(name)))
        .filter(|(role, before, after)| {
            !is_same(*before, *after) && !is_true(*after, current.get(role))
        })
        .map(|(role, ..)| role)
        .collect();
    if rest(stored)? != rest(sent.bytes())? {
        changed.insert(Role::Snapshot);
    }
    Some(changed)
}

/// The role that is pinned; what is no role's name is the snapshot's own affair.
fn role_of(name: &str) -> Role {
    Role::parse(name).unwrap_or(Role::Snapshot)
}

fn listed(snapshot: &[u8]) -> Option<Meta> {
    let envelope = notary::read(&Role::Snapshot, snapshot).ok()?;
    match envelope.body {
        None => Some(Meta::new()),
        Some(_) => notary::check_snapshot(&envelope).ok().cloned(),
    }
}

/// Everything beside the pins that is not known to be harmless, in canonical form.
fn rest(snapshot: &[u8]) -> Option<Vec<u8>> {
    const KNOWN: [&str; 4] = ["_type", "expires", "meta", "version"];
    let Signed { members, .. } = Signed::read(&Role::Snapshot, snapshot)?;
    let is_unknown = |(name, _): &Member<'_>| !KNOWN.contains(&name.as_ref());
    let unknown = members.into_iter().filter(is_unknown).collect();
    canonical::message(&Value::Object(unknown)).ok()
}

/// Whether these are the same entry, down to members that mean nothing here.
fn is_same(before: Option<&MetaFile>, after: Option<&MetaFile>) -> bool {
    let entry = |pin: Option<&MetaFile>| canonical::message(&pin?.entry).ok();
    entry(before).is_some_and(|before| entry(after) == Some(before))
}

/// Whether the server and clients find `file` by this pin. That its hashes are right was checked already,
/// but one of them is enough for that; the server goes by SHA-256.
fn is_true(pin: Option<&MetaFile>, file: Option<&File>) -> bool {
    let (Some(pin), Some(file)) = (pin, file) else {
        return false;
    };
    let actual = file.checksums();
    pin.sha256.as_deref() == Some(&actual.sha256) && u64::try_from(pin.length) == Ok(actual.length)
}
