//! Targets and the delegations below it.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::{Refusal, Stored, Update, check_version_step, read};
use crate::limits::Effort;
use crate::rules::delegation::delegate;
use crate::rules::threshold::Verifier;
use crate::wire::notary;
use crate::{Damaged, File, Role, Root};

/// The part of the targets tree that an update touches, verified from root down.
pub(super) struct Tree<'r> {
    root: &'r Root,
    effort: &'r Effort,
    loaded: BTreeMap<Role, File>,
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
    /// The files that were loaded, by role.
    pub(super) fn into_files(self) -> BTreeMap<Role, File> {
        self.loaded
    }

    fn load_sent(
        &mut self,
        file: &File,
        stored: &Stored,
        now: OffsetDateTime,
    ) -> Result<(), Refusal> {
        file.check_text()
            .and_then(|()| file.check_members())
            .map_err(Refusal::Targets)?;
        self.verify(file).map_err(Refusal::Targets)?;
        check_version_step(file, stored_version(file.role(), stored)?).map_err(Refusal::Targets)?;
        file.check_expiry(now).map_err(Refusal::Targets)?;
        self.loaded.insert(file.role().clone(), file.clone());
        Ok(())
    }

    /// Loads an ancestor from the store, where expired is fine. One that is not there is left out:
    /// what depends on it then fails by itself.
    fn load_stored(&mut self, role: Role, stored: &Stored) -> Result<(), Refusal> {
        let Some(bytes) = stored.targets.get(&role) else {
            return Ok(());
        };
        let file = read(&role, bytes)?;
        let damaged = |reason| {
            Refusal::from(Damaged {
                role: role.clone(),
                reason,
            })
        };
        file.check_text().map_err(damaged)?;
        notary::check_targets(&role, file.envelope()).map_err(damaged)?;
        self.verify(&file).map_err(Refusal::Targets)?;
        self.loaded.insert(role, file);
        Ok(())
    }

    /// Checks structure and signatures, for a delegation in this order and for targets in the other
    /// (Notary 0.7).
    fn verify(&self, file: &File) -> Result<(), String> {
        let (role, envelope) = (file.role(), file.envelope());
        if *role == Role::Targets {
            self.root.verifier(role).verify(envelope, self.effort)?;
            return notary::check_targets(role, envelope).map(|_| ());
        }
        let signers = self.delegate(role)?;
        notary::check_targets(role, envelope)?;
        signers.verify(envelope, self.effort)
    }

    /// Who may sign for a delegation, as its parent says.
    fn delegate(&self, role: &Role) -> Result<Verifier, String> {
        if !self.loaded.contains_key(&Role::Targets) {
            return Err("targets must be loaded first".to_owned());
        }
        let missing = || format!("tuf: invalid role {role}. delegation does not exist");
        let parent = role.parent().ok_or_else(missing)?;
        let file = self.loaded.get(&parent).ok_or_else(missing)?;
        delegate(file, role)
    }
}

/// The version of the stored file that a sent one follows; 0 if there is none.
fn stored_version(role: &Role, stored: &Stored) -> Result<i64, Refusal> {
    let Some(bytes) = stored.targets.get(role) else {
        return Ok(0);
    };
    notary::version(bytes).map_err(|reason| {
        Damaged {
            role: role.clone(),
            reason,
        }
        .into()
    })
}
