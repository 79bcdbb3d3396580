//! The files of an overview, with what is above them.

use std::collections::BTreeMap;

use super::paths::Paths;
use crate::{
    client::{Followed, SignedFile},
    files::{File, Strictness},
    key::KeyId,
    metadata::Delegations,
    role::Role,
    rules::{effort::Effort, threshold::Verifier},
};

/// The files that an overview is made of.
pub(super) struct Survey {
    /// Root, timestamp, snapshot, then targets and delegations, parents first.
    pub(super) files: Vec<SurveyedFile>,
}

/// A file, and what those above it say of its role.
pub(super) struct SurveyedFile {
    pub(super) file: File,
    pub(super) verifier: Verifier,
    /// Whose signatures were verified.
    pub(super) signers: Vec<KeyId>,
    pub(super) paths: Paths,
    pub(super) standing: Standing,
}

/// What a client makes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It believes it.
    Believed,
    /// It passes over it.
    Skipped,
    /// It stops there, or before.
    Doubted,
}

impl Survey {
    /// The files of a repository that clients can follow.
    pub(super) fn follow(followed: &Followed) -> Self {
        let top = [
            followed.root_file(),
            followed.timestamp.clone(),
            followed.snapshot.clone(),
        ];
        let top = top.map(|SignedFile { file, signers }| SurveyedFile {
            verifier: followed.root().verifier(file.role()),
            file,
            signers,
            paths: Paths::default(),
            standing: Standing::Believed,
        });
        let mut tree: Vec<SurveyedFile> = Vec::new();
        let mut below = Vec::new();
        for found in &followed.tree.files {
            let SignedFile { file, signers } = found.signed.clone();
            let paths = found.parent.map_or_else(Paths::all, |parent| {
                restrict(&tree[parent].paths, &mut below[parent], file.role())
            });
            below.push(read_paths(&file));
            tree.push(SurveyedFile {
                file,
                verifier: found.verifier.clone(),
                signers,
                paths,
                standing: Standing::Believed,
            });
        }
        let skipped = followed.tree.skipped.iter().map(|skipped| SurveyedFile {
            file: skipped.file.clone(),
            verifier: skipped.verifier.clone(),
            signers: find_signers(&skipped.verifier, &skipped.file),
            paths: restrict(
                &tree[skipped.parent].paths,
                &mut below[skipped.parent],
                skipped.file.role(),
            ),
            standing: Standing::Skipped,
        });
        let skipped: Vec<_> = skipped.collect();
        Self {
            files: top.into_iter().chain(tree).chain(skipped).collect(),
        }
    }
}

/// The paths of each role that a file delegates to, as it says.
pub(super) type PathsBelow = BTreeMap<String, Vec<String>>;

/// Reads the paths of all roles below a file at once.
pub(super) fn read_paths(file: &File) -> PathsBelow {
    let has_roles = delegations(file).is_some_and(|found| !found.roles.is_empty());
    let read = || file.format().spelling().paths(file.bytes());
    has_roles.then(read).flatten().unwrap_or_default()
}

/// The paths of `role` within those `above` it.
pub(super) fn restrict(above: &Paths, below: &mut PathsBelow, role: &Role) -> Paths {
    above.restrict(below.remove(role.as_str()).unwrap_or_default())
}

/// What a file of the targets tree delegates, if it can be read.
pub(super) fn delegations(file: &File) -> Option<&Delegations> {
    let checked = file.check(Strictness::Lenient).ok()?;
    checked.known_delegations().ok()
}

/// Which keys signed a file that is not believed.
pub(super) fn find_signers(verifier: &Verifier, file: &File) -> Vec<KeyId> {
    let effort = Effort::unlimited_and_spare();
    file.check(Strictness::Stored)
        .map(|checked| verifier.find_signers(checked, &effort))
        .unwrap_or_default()
}
