//! Targets and the delegations below it.

use std::collections::{BTreeMap, BTreeSet};

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
    wire::{Delegator, MetadataFormat},
};

/// Up to which key the signatures of a file are verified.
type Verify = fn(&Verifier, Checked<'_>, &Effort) -> Result<Vec<KeyId>, Fault>;

/// The part of the targets tree that an update touches, verified from root down.
pub(super) struct Tree<'r> {
    format: MetadataFormat,
    root: &'r Root,
    effort: &'r Effort,
    loaded: BTreeMap<Role, File>,
    /// Which of the loaded files delegates to a role, where names do not tell.
    delegators: BTreeMap<Role, Role>,
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
        format: stored.format,
        root,
        effort,
        loaded: BTreeMap::new(),
        delegators: BTreeMap::new(),
        signed_by: Vec::new(),
    };
    let mut needed = update.needed_roles(stored.roles().map(Role::as_str));
    // Names that tell who delegates are ordered parents first, so a file's ancestors are loaded
    // before it. Other roles are loaded as soon as a file that was loaded delegates to them.
    while let Some(role) = tree.take_next(&mut needed, update) {
        match update.files.get(&role) {
            Some(file) => tree.load_sent(file, stored, now)?,
            None => tree.load_stored(&role, stored)?,
        }
        tree.note_delegations(&role);
    }
    Ok(tree)
}

impl Tree<'_> {
    /// The files that were loaded, by role, and whose signatures of those that were sent were
    /// verified.
    pub(super) fn into_files(self) -> (BTreeMap<Role, File>, Vec<Signer>) {
        (self.loaded, self.signed_by)
    }

    /// The first of the needed roles to which a file that was loaded delegates. If there is none, the
    /// first that was sent, which is refused then; else nothing is left to load.
    fn take_next(&self, needed: &mut BTreeSet<Role>, update: &Update) -> Option<Role> {
        let is_known = |role: &Role| match self.delegator(role) {
            Some(Delegator::Any) => self.delegators.contains_key(role),
            Some(Delegator::Only(_)) | None => true,
        };
        let next = needed
            .iter()
            .find(|role| is_known(role))
            .or_else(|| needed.iter().find(|role| update.contains(role)))
            .cloned()?;
        needed.take(&next)
    }

    /// Keeps to which roles a file delegates that was loaded. The first delegation counts.
    fn note_delegations(&mut self, role: &Role) {
        let Some(Ok(delegations)) = self.loaded.get(role).map(|file| {
            let checked = file.check(Strictness::Lenient)?;
            checked.known_delegations()
        }) else {
            return;
        };
        for delegation in &delegations.roles {
            if let Ok(below) = self.format.role(&delegation.name) {
                self.delegators.entry(below).or_insert_with(|| role.clone());
            }
        }
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
    fn load_stored(&mut self, role: &Role, stored: &Stored) -> Result<(), Refusal> {
        let Some(stored) = stored.get(role) else {
            return Ok(());
        };
        let file = stored.file()?;
        let checked = file.check(Strictness::Stored);
        let checked = checked.map_err(Damaged::of(role))?;
        checked.delegations().map_err(Damaged::of(role))?;
        match self.verify(checked, Verifier::verify) {
            // Whether the update depends on it is not known. What does is refused by itself.
            Err(_) if self.delegator(role) == Some(Delegator::Any) => return Ok(()),
            verified => verified.map_err(Refusal::Targets)?,
        };
        self.loaded.insert(role.clone(), file.clone());
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

    /// Who may delegate to a role; `None` for targets.
    fn delegator(&self, role: &Role) -> Option<Delegator> {
        match role {
            Role::Delegation(name) => Some(self.format.conventions().delegator(name)),
            _ => None,
        }
    }

    /// Who may sign for a delegation, as the file that delegates to it says.
    fn delegate(&self, role: &Role) -> Result<Verifier, Fault> {
        if !self.loaded.contains_key(&Role::Targets) {
            return Err(DelegationFault::NoTargets.into());
        }
        let delegator = match self.delegator(role) {
            Some(Delegator::Only(above)) => Some(above),
            Some(Delegator::Any) => self.delegators.get(role).cloned(),
            None => None,
        };
        match delegator.and_then(|delegator| self.loaded.get(&delegator)) {
            Some(parent) => delegate(parent, role),
            None => Err(DelegationFault::NotDelegated(role.clone()).into()),
        }
    }
}
