//! The targets tree of a client.

use std::collections::BTreeSet;

use time::OffsetDateTime;

use super::{
    error::WalkError,
    outcome::SkippedDelegation,
    source::{Source, read_listed},
};
use crate::{
    fault::{Fault, SignatureFault},
    files::{Checked, File, Strictness},
    metadata::{Meta, Root},
    role::Role,
    rules::{delegation::delegate, effort::Effort, threshold::Verifier},
};

/// Targets and the delegations that a client reads.
pub(super) struct Tree {
    pub(super) files: Vec<File>,
    /// The roles of `files`.
    roles: BTreeSet<Role>,
    pub(super) skipped: Vec<SkippedDelegation>,
}

impl Tree {
    pub(super) fn load(
        root: &Root,
        meta: &Meta,
        source: &Source<'_>,
        now: OffsetDateTime,
    ) -> Result<Self, WalkError> {
        let mut tree = Self {
            files: Vec::new(),
            roles: BTreeSet::from([Role::Targets]),
            skipped: Vec::new(),
        };
        let targets = read_listed(meta, &Role::Targets, source)?
            .expect("the check of the snapshot found a checksum of targets");
        verify_targets(&root.verifier(&Role::Targets), &targets)
            .map_err(WalkError::refuse(&targets))?;
        tree.files.push(targets);
        let mut next = 0;
        while let Some(parent) = tree.files.get(next).cloned() {
            // What has expired delegates nothing: clients do not read on.
            if next == 0 || !parent.is_expired(now) {
                tree.load_delegations(&parent, meta, source)?;
            }
            next += 1;
        }
        Ok(tree)
    }

    /// Reads what `parent` delegates, as far as it was ever published.
    fn load_delegations(
        &mut self,
        parent: &File,
        meta: &Meta,
        source: &Source<'_>,
    ) -> Result<(), WalkError> {
        let delegations = parent
            .check(Strictness::Stored)
            .and_then(Checked::delegations)
            .map_err(WalkError::refuse(parent))?;
        for delegation in &delegations.roles {
            let role = source.format.role(&delegation.name);
            let role = role.expect("the check of its parent found the name of a role");
            if self.roles.contains(&role) {
                continue;
            }
            if let Some(file) = read_listed(meta, &role, source)? {
                self.add(parent, file)?;
            }
        }
        Ok(())
    }

    /// Adds a delegation, or passes over it if too few signed.
    fn add(&mut self, parent: &File, file: File) -> Result<(), WalkError> {
        let role = file.role().clone();
        let verifier = delegate(parent, &role).map_err(WalkError::refuse(parent))?;
        match verify_delegation(&verifier, &file) {
            Ok(()) => {
                self.roles.insert(role);
                self.files.push(file);
            }
            Err(reason @ Fault::Signatures(SignatureFault::Threshold { .. })) => {
                self.skipped.push(SkippedDelegation { role, reason });
            }
            Err(fault) => return Err(WalkError::refuse(&file)(fault)),
        }
        Ok(())
    }
}

/// Checks targets, in the order of Notary 0.7: signatures, then structure.
fn verify_targets(verifier: &Verifier, targets: &File) -> Result<(), Fault> {
    let checked = targets.check(Strictness::Stored)?;
    verifier.verify(checked, &Effort::unlimited())?;
    checked.delegations().map(drop)
}

/// Checks a delegation, in the order of Notary 0.7: structure, then signatures.
fn verify_delegation(verifier: &Verifier, delegation: &File) -> Result<(), Fault> {
    let checked = delegation.check(Strictness::Stored)?;
    checked.delegations()?;
    verifier.verify(checked, &Effort::unlimited()).map(drop)
}
