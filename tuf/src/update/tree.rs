//! Targets and the delegations below it.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::{
    parts::Update,
    signer::{Signer, note_signers},
};
use crate::{
    fault::{Damaged, DelegationFault, Fault, Refusal},
    files::{Checked, File, Stored, Strictness},
    key::KeyId,
    metadata::Root,
    role::Role,
    rules::{
        delegation::delegate, effort::Effort, threshold::Verifier, version_step::check_version_step,
    },
};

/// Up to which key the signatures of a file are verified.
type Verify = fn(&Verifier, Checked<'_>, &Effort) -> Result<Vec<KeyId>, Fault>;

/// The part of the targets tree that an update touches, verified from root down.
pub(super) struct Tree<'r> {
    root: &'r Root,
    effort: &'r Effort,
    loaded: BTreeMap<Role, File>,
    signed_by: Vec<Signer>,
}

/// Loads the targets files of `update`, and the stored ones above them that it does not replace.
pub(super) fn load<'r>(
    root: &'r Root,
    stored: &Stored,
    update: &Update,
    effort: &'r Effort,
    now: OffsetDateTime,
) -> Result<Tree<'r>, Refusal> {
    let mut tree = Tree {
        root,
        effort,
        loaded: BTreeMap::new(),
        signed_by: Vec::new(),
    };
    // Roles are ordered parents first, so a file's ancestors are loaded before it.
    for role in update.needed() {
        match update.files.get(&role) {
            Some(file) => tree.load_sent(file, stored, now)?,
            None => tree.load_stored(role, stored)?,
        }
    }
    Ok(tree)
}

impl Tree<'_> {
    /// The files that were loaded, by role, and whose signatures of those that were sent were
    /// verified.
    pub(super) fn into_files(self) -> (BTreeMap<Role, File>, Vec<Signer>) {
        (self.loaded, self.signed_by)
    }

    fn load_sent(
        &mut self,
        file: &File,
        stored: &Stored,
        now: OffsetDateTime,
    ) -> Result<(), Refusal> {
        let role = file.role();
        let signers = file
            .check(Strictness::Sent)
            .and_then(|checked| self.verify(checked, Verifier::verify_all))
            .map_err(Refusal::Targets)?;
        let current = stored.version(role)?;
        check_version_step(file, current)
            .and_then(|()| file.check_expiry(now))
            .map_err(Refusal::Targets)?;
        self.loaded.insert(role.clone(), file.clone());
        note_signers(&mut self.signed_by, role, signers);
        Ok(())
    }

    /// Loads an ancestor from the store, where expired is fine. One that is not there is left out:
    /// what depends on it then fails by itself.
    fn load_stored(&mut self, role: Role, stored: &Stored) -> Result<(), Refusal> {
        let Some(stored) = stored.get(&role) else {
            return Ok(());
        };
        let file = stored.file()?;
        let checked = file.check(Strictness::Stored);
        let checked = checked.map_err(Damaged::of(&role))?;
        checked.delegations().map_err(Damaged::of(&role))?;
        self.verify(checked, Verifier::verify)
            .map_err(Refusal::Targets)?;
        self.loaded.insert(role, file.clone());
        Ok(())
    }

    /// Checks structure and signatures, for a delegation in this order and for targets in the other
    /// (Notary 0.7).
    fn verify(&self, file: Checked<'_>, verify: Verify) -> Result<Vec<KeyId>, Fault> {
        if *file.role() == Role::Targets {
            let verifier = self.root.verifier(&Role::Targets);
            let signers = verify(&verifier, file, self.effort)?;
            return file.delegations().map(|_| signers);
        }
        let verifier = self.delegate(file.role())?;
        file.delegations()?;
        verify(&verifier, file, self.effort)
    }

    /// Who may sign for a delegation, as its parent says.
    fn delegate(&self, role: &Role) -> Result<Verifier, Fault> {
        if !self.loaded.contains_key(&Role::Targets) {
            return Err(DelegationFault::NoTargets.into());
        }
        let parent = role.parent().and_then(|parent| self.loaded.get(&parent));
        match parent {
            Some(parent) => delegate(parent, role),
            None => Err(DelegationFault::NotDelegated(role.clone()).into()),
        }
    }
}
