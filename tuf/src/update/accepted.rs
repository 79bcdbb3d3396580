//! An update that is to be believed, and what follows from it.

use std::{collections::BTreeMap, fmt};

use time::OffsetDateTime;

use super::{
    change::Change,
    changes,
    difference::{self, Difference},
    root,
    signer::Signer,
};
use crate::{
    files::{Draft, File, Stored},
    key::KeyId,
    metadata::Root,
    role::Role,
    rules::next_version::NextVersion,
};

/// An update that is to be believed. Only [`check`](crate::check) makes one.
#[derive(Clone)]
pub struct Accepted {
    pub(super) files: Vec<File>,
    /// What was current.
    pub(super) before: Stored,
    /// The current root.
    pub(super) trusted: Root,
    /// What a snapshot has to pin: the current root and every file of the targets tree that was
    /// looked at.
    pub(super) pending: BTreeMap<Role, File>,
    /// The snapshot that the server makes; `None` if the client sent one.
    pub(super) snapshot: Option<NextVersion>,
    pub(super) timestamp: NextVersion,
    /// The keys whose signatures were verified.
    pub(super) signed_by: Vec<Signer>,
}

impl Accepted {
    /// The uploaded files in the order in which to store them: root, targets, delegations,
    /// snapshot.
    #[must_use]
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// The uploaded files in the order in which to store them: root, targets, delegations,
    /// snapshot.
    #[must_use]
    pub fn into_files(self) -> Vec<File> {
        self.files
    }

    /// What the update changes, to be held against what its sender may change. A root that is the
    /// current one changes nothing, and neither does a snapshot that pins the files of the update
    /// and leaves all others as they are.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        self.changes_since(&self.before)
    }

    /// Like [`changes`](Self::changes), but compared with the files in `before` instead of those
    /// that are stored. An update that is stored already changes nothing; what it changed when it
    /// was stored follows from the versions before it.
    #[must_use]
    pub fn changes_since(&self, before: &Stored) -> Vec<Change> {
        changes::find(before, &self.files, &self.pending)
    }

    /// What the update changes, by names and within bounds.
    #[must_use]
    pub fn difference(&self) -> Difference {
        difference::find(&self.before, &self.files, &self.signed_by)
    }

    /// The snapshot that the server has to sign, unless the client sent one. All entries of the
    /// previous snapshot are kept, also those of delegations that were removed (Notary 0.7).
    ///
    /// If the server holds too few of its keys, the publish ends with
    /// [`Refusal::missing_key`](crate::Refusal::missing_key).
    #[must_use]
    pub fn snapshot_to_make(&self, now: OffsetDateTime) -> Option<Draft> {
        let next = self.snapshot.as_ref()?;
        Some(next.draft(self.pending.values(), self.root(), now))
    }

    /// The timestamp that the server has to sign, for the snapshot that was sent or made.
    #[must_use]
    pub fn timestamp_to_make(&self, snapshot: &File, now: OffsetDateTime) -> Draft {
        self.timestamp.draft([snapshot], self.root(), now)
    }

    /// The keys that the update's root gives snapshot and timestamp and the stored root does not,
    /// each with its role.
    #[must_use]
    pub fn introduced_keys(&self) -> Vec<(Role, KeyId)> {
        if self.files.iter().all(|file| *file.role() != Role::Root) {
            return Vec::new();
        }
        root::introduced_keys(self.before.get(&Role::Root), &self.trusted)
    }

    /// The current root: the one that was sent, or the stored one.
    #[must_use]
    pub fn root(&self) -> &Root {
        &self.trusted
    }
}

/// Names the files; what is in them stays out of logs.
impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accepted")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}
