//! The targets tree of a client.

use std::collections::BTreeSet;

use time::OffsetDateTime;

use super::{
    error::WalkError,
    signed::SignedFile,
    source::{Source, read_listed},
};
use crate::{
    fault::{Fault, SignatureFault},
    files::{Checked, File, Strictness},
    key::KeyId,
    metadata::{Meta, Root},
    role::Role,
    rules::{delegation::delegate, effort::Effort, threshold::Verifier},
};

/// Targets and the delegations that a client reads.
pub(crate) struct Tree {
    /// Parents before children.
    pub(crate) files: Vec<TreeFile>,
    /// The roles of `files`.
    roles: BTreeSet<Role>,
    pub(crate) skipped: Vec<SkippedFile>,
}

/// A file of the tree.
pub(crate) struct TreeFile {
    pub(crate) signed: SignedFile,
    /// Which file of the tree delegates to it; `None` for targets.
    pub(crate) parent: Option<usize>,
    /// Who may sign it.
    pub(crate) verifier: Verifier,
}

/// The file of a delegation that clients pass over.
pub(crate) struct SkippedFile {
    pub(crate) file: File,
    pub(crate) parent: usize,
    pub(crate) verifier: Verifier,
    pub(crate) reason: Fault,
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
        let verifier = root.verifier(&Role::Targets);
        let signers = verify_targets(&verifier, &targets, &source.effort)
            .map_err(WalkError::refuse(&targets))?;
        tree.files.push(TreeFile {
            signed: SignedFile {
                file: targets,
                signers,
            },
            parent: None,
            verifier,
        });
        let mut next = 0;
        while let Some(parent) = tree.files.get(next) {
            let parent = parent.signed.file.clone();
            // What has expired delegates nothing: clients do not read on.
            if next == 0 || !parent.is_expired(now) {
                tree.load_delegations(next, &parent, meta, source)?;
            }
            next += 1;
        }
        Ok(tree)
    }

    /// Reads what `parent`, which stands at `place`, delegates, as far as it was ever published.
    fn load_delegations(
        &mut self,
        place: usize,
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
                self.add(place, parent, file, &source.effort)?;
            }
        }
        Ok(())
    }

    /// Adds a delegation, or passes over it if too few signed.
    fn add(
        &mut self,
        place: usize,
        parent: &File,
        file: File,
        effort: &Effort,
    ) -> Result<(), WalkError> {
        let role = file.role().clone();
        let verifier = delegate(parent, &role).map_err(WalkError::refuse(parent))?;
        match verify_delegation(&verifier, &file, effort) {
            Ok(signers) => {
                self.roles.insert(role);
                self.files.push(TreeFile {
                    signed: SignedFile { file, signers },
                    parent: Some(place),
                    verifier,
                });
            }
            Err(reason @ Fault::Signatures(SignatureFault::Threshold { .. })) => {
                self.skipped.push(SkippedFile {
                    file,
                    parent: place,
                    verifier,
                    reason,
                });
            }
            Err(fault) => return Err(WalkError::refuse(&file)(fault)),
        }
        Ok(())
    }
}

/// Checks targets, in the order of Notary 0.7: signatures, then structure.
pub(crate) fn verify_targets(
    verifier: &Verifier,
    targets: &File,
    effort: &Effort,
) -> Result<Vec<KeyId>, Fault> {
    let checked = targets.check(Strictness::Stored)?;
    let signers = verifier.verify_all(checked, effort)?;
    checked.delegations()?;
    Ok(signers)
}

/// Checks a delegation, in the order of Notary 0.7: structure, then signatures.
pub(crate) fn verify_delegation(
    verifier: &Verifier,
    delegation: &File,
    effort: &Effort,
) -> Result<Vec<KeyId>, Fault> {
    let checked = delegation.check(Strictness::Stored)?;
    checked.delegations()?;
    verifier.verify_all(checked, effort)
}
