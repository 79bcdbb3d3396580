//! What an update changes: the right to publish targets does not include the right to say who
//! signs.
//!
//! Files are compared by their text and not by what this crate reads of them: a member that means
//! nothing here may mean something to a client.

mod snapshot;

use std::collections::BTreeMap;

use super::change::Change;
use crate::{
    files::{File, Stored, StoredFile},
    role::Role,
};

/// What `files` change of what is stored. `current` has the files that will be current, as far as
/// the update was checked against them.
pub(super) fn find(stored: &Stored, files: &[File], current: &BTreeMap<Role, File>) -> Vec<Change> {
    files
        .iter()
        .flat_map(|file| match file.role() {
            Role::Root => find_in_root(stored.get(&Role::Root), file),
            Role::Snapshot => snapshot::find(stored.get(&Role::Snapshot), file, current)
                .into_iter()
                .map(Change::Signers)
                .collect(),
            Role::Timestamp => Vec::new(),
            role => find_in_targets(stored.get(role), file),
        })
        .collect()
}

fn find_in_root(stored: Option<&StoredFile>, sent: &File) -> Vec<Change> {
    if stored.map(StoredFile::bytes) == Some(sent.bytes()) {
        return Vec::new();
    }
    vec![Change::Signers(Role::Root)]
}

fn find_in_targets(stored: Option<&StoredFile>, sent: &File) -> Vec<Change> {
    let role = sent.role();
    let differs = Differences::between(stored, sent).unwrap_or(Differences::ALL);
    let mut changes = Vec::new();
    if differs.signers {
        changes.push(Change::Signers(role.clone()));
    }
    if differs.targets || !differs.signers {
        changes.push(Change::Targets(role.clone()));
    }
    changes
}

struct Differences {
    targets: bool,
    signers: bool,
}

impl Differences {
    const ALL: Self = Self {
        targets: true,
        signers: true,
    };

    /// `None` if one of the files cannot be read.
    fn between(stored: Option<&StoredFile>, sent: &File) -> Option<Self> {
        let nothing = StoredFile::nothing(sent.format(), sent.role().clone());
        let stored = stored.unwrap_or(&nothing).parts()?;
        let sent = sent.parts()?;
        Some(Self {
            targets: stored.targets != sent.targets,
            signers: stored.rest.as_ref()? != sent.rest.as_ref()?,
        })
    }
}
