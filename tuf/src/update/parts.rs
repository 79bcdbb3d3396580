//! What one upload brings.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    files::{File, Limits, Uploaded},
    role::Role,
    wire::Delegator,
};

/// The files of one upload, one for each role.
#[derive(Clone, Debug, Default)]
pub struct Update {
    pub(super) files: BTreeMap<Role, File>,
    pub(super) limits: Limits,
}

impl Update {
    /// The same update, which may ask for as much as `limits` say.
    #[must_use]
    pub fn within(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Adds a file. Of two for one role the last counts; a timestamp is left out, since the server
    /// makes its own.
    pub fn insert(&mut self, file: Uploaded) {
        let file = file.into_file();
        if *file.role() != Role::Timestamp {
            self.files.insert(file.role().clone(), file);
        }
    }

    /// Whether there is nothing to store. Such an update is fine: the server makes a new snapshot
    /// and timestamp.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The files, in the order in which to store them.
    pub fn files(&self) -> impl Iterator<Item = &File> + Clone {
        self.files.values()
    }

    /// Whether there is a file of `role`.
    #[must_use]
    pub fn contains(&self, role: &Role) -> bool {
        self.files.contains_key(role)
    }

    /// The roles of the targets tree whose stored files [`check`](crate::check) wants to see: those in
    /// the update, for their versions, and all that may delegate to them. `listed` are the names that
    /// the stored snapshot lists.
    #[must_use]
    pub fn needed_roles<'n>(&self, listed: impl IntoIterator<Item = &'n str>) -> BTreeSet<Role> {
        let mut needed = BTreeSet::new();
        let tree = self.files().filter(|file| file.role().is_in_targets_tree());
        for file in tree.clone() {
            let mut role = file.role().clone();
            while let Role::Delegation(name) = &role {
                let Delegator::Only(above) = file.format().conventions().delegator(name) else {
                    let listed = listed
                        .into_iter()
                        .filter_map(|name| file.format().role(name).ok());
                    needed.extend(listed.filter(Role::is_in_targets_tree));
                    needed.extend(tree.map(|file| file.role().clone()));
                    needed.insert(Role::Targets);
                    return needed;
                };
                needed.insert(std::mem::replace(&mut role, above));
            }
            needed.insert(role);
        }
        needed
    }
}
