//! What can be read of a repository that no client can follow.
//!
//! Nothing here decides what is believed: a file is, only if the same checks as a client's find
//! nothing wrong with it and everything above it is believed too.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use time::OffsetDateTime;

use super::{
    paths::Paths,
    survey::{
        PathsBelow, Standing, Survey, SurveyedFile, delegations, find_signers, read_paths, restrict,
    },
};
use crate::{
    client::{FileRequest, request, verify_delegation, verify_targets},
    fault::{Fault, SignatureFault},
    files::{File, Strictness},
    gun::Gun,
    key::KeyId,
    metadata::{Body, Meta, RoleKeys, Root},
    role::Role,
    rules::{
        delegation::delegate,
        effort::Effort,
        meta::{check_length, check_listed},
        root::{Dates, Terms, check_trust},
        threshold::Verifier,
    },
    wire::MetadataFormat,
};

/// Where the files come from.
pub(super) struct Salvage<'s> {
    pub(super) format: MetadataFormat,
    pub(super) gun: &'s Gun,
    pub(super) files: &'s dyn Fn(&Role, FileRequest) -> Option<Bytes>,
    pub(super) now: OffsetDateTime,
    /// Whether a root is not to be believed after the one before it.
    pub(super) is_root_refused: bool,
}

impl Salvage<'_> {
    /// Reads what can be read.
    pub(super) fn survey(&self) -> Survey {
        let timestamp = self.read(&Role::Timestamp, FileRequest::Newest);
        let of_timestamp = timestamp.as_ref().and_then(read_meta);
        let snapshot = self.read_current(of_timestamp, &Role::Snapshot);
        let of_snapshot = snapshot.as_ref().and_then(read_meta);
        let root = match of_snapshot.filter(|_| self.format.lists_root()) {
            None => self.read(&Role::Root, FileRequest::Newest),
            Some(meta) => self.read_current(Some(meta), &Role::Root),
        };
        let targets = self.read_current(of_snapshot, &Role::Targets);
        let top = Top::of(self.gun, root, self.is_root_refused);
        let root = top.survey_root();
        let timestamp = timestamp.as_ref().map(|file| {
            let above = standing(root.as_ref());
            top.survey_meta(file, above)
        });
        let snapshot = snapshot.as_ref().map(|file| {
            let above = listed_standing(file, of_timestamp, standing(timestamp.as_ref()));
            top.survey_meta(file, above)
        });
        let targets = targets.map(|file| {
            let above = listed_standing(&file, of_snapshot, standing(snapshot.as_ref()));
            top.survey_targets(file, above)
        });
        let tree = targets.map(|targets| self.survey_tree(targets, of_snapshot));
        let top = [root, timestamp, snapshot].into_iter().flatten();
        Survey {
            files: top.chain(tree.into_iter().flatten()).collect(),
        }
    }

    fn read(&self, role: &Role, wanted: FileRequest) -> Option<File> {
        let bytes = (self.files)(role, wanted)?;
        File::parse_to_verify(self.format, role.clone(), bytes).ok()
    }

    /// The file that `meta` lists, or the newest one, if what would list it cannot be read.
    fn read_current(&self, meta: Option<&Meta>, role: &Role) -> Option<File> {
        let wanted = meta.map_or(Some(FileRequest::Newest), |meta| request(meta, role))?;
        self.read(role, wanted)
    }

    /// Targets and what can be read below.
    fn survey_tree(&self, targets: SurveyedFile, meta: Option<&Meta>) -> Vec<SurveyedFile> {
        let mut roles = BTreeSet::from([Role::Targets]);
        let mut tree = vec![targets];
        let mut next = 0;
        while let Some(parent) = tree.get(next) {
            let is_expired = next > 0 && parent.file.is_expired(self.now);
            if parent.standing != Standing::Skipped && !is_expired {
                let children = self.survey_below(parent, meta, &mut roles);
                tree.extend(children);
            }
            next += 1;
        }
        tree
    }

    fn survey_below(
        &self,
        parent: &SurveyedFile,
        meta: Option<&Meta>,
        roles: &mut BTreeSet<Role>,
    ) -> Vec<SurveyedFile> {
        let mut below = read_paths(&parent.file);
        let named = delegations(&parent.file).into_iter();
        let named = named.flat_map(|found| &found.roles);
        let mut children = Vec::new();
        for delegation in named {
            let Ok(role) = self.format.role(&delegation.name) else {
                continue;
            };
            let is_below = matches!(role, Role::Delegation(_));
            if !is_below || roles.contains(&role) {
                continue;
            }
            if let Some(file) = self.read_current(meta, &role) {
                roles.insert(role);
                children.push(survey_delegation(parent, &mut below, file, meta));
            }
        }
        children
    }
}

/// What the root says of the top roles, believed or not.
struct Top {
    root: Option<File>,
    /// Who signed the root; `None` if it is not believed.
    signers: Option<Vec<KeyId>>,
}

impl Top {
    fn of(gun: &Gun, root: Option<File>, is_refused: bool) -> Self {
        let signers = root.as_ref().filter(|_| !is_refused).and_then(|file| {
            let effort = Effort::unlimited_and_spare();
            let terms = Terms::stored_root(Dates::Ignored, &effort);
            let signers = check_trust(gun, file, None, terms).ok()?;
            file.check_reading().ok().map(|()| signers)
        });
        Self { root, signers }
    }

    fn root(&self) -> Option<&Root> {
        let checked = self.root.as_ref()?.check(Strictness::Lenient).ok()?;
        match checked.body() {
            Ok(Body::Root(root)) => Some(root),
            _ => None,
        }
    }

    fn verifier(&self, role: &Role) -> Verifier {
        self.root()
            .map_or_else(|| no_keys(role), |root| root.verifier(role))
    }

    fn survey_root(&self) -> Option<SurveyedFile> {
        let file = self.root.clone()?;
        let verifier = self.verifier(&Role::Root);
        let signers = self.signers.clone();
        Some(SurveyedFile {
            standing: believe(signers.is_some()),
            signers: signers.unwrap_or_else(|| find_signers(&verifier, &file)),
            file,
            verifier,
            paths: Paths::default(),
        })
    }

    /// A timestamp or snapshot; `above` is the standing of what vouches for it.
    fn survey_meta(&self, file: &File, above: Standing) -> SurveyedFile {
        let verifier = self.verifier(file.role());
        let verify = || {
            let checked = file.check(Strictness::Stored)?;
            let signers = verifier.verify_all(checked, &Effort::unlimited_and_spare())?;
            checked.meta().map(|_| signers)
        };
        let signed = verify();
        SurveyedFile {
            standing: believe(above == Standing::Believed && is_sound(file, &signed)),
            signers: signed.unwrap_or_else(|_| find_signers(&verifier, file)),
            file: file.clone(),
            verifier,
            paths: Paths::default(),
        }
    }

    fn survey_targets(&self, file: File, above: Standing) -> SurveyedFile {
        let verifier = self.verifier(&Role::Targets);
        let signed = verify_targets(&verifier, &file, &Effort::unlimited_and_spare());
        SurveyedFile {
            standing: believe(above == Standing::Believed && is_sound(&file, &signed)),
            signers: signed.unwrap_or_else(|_| find_signers(&verifier, &file)),
            file,
            verifier,
            paths: Paths::all(),
        }
    }
}

fn believe(is_sound: bool) -> Standing {
    if is_sound {
        Standing::Believed
    } else {
        Standing::Doubted
    }
}

/// That of a file; what is not there vouches for nothing.
fn standing(found: Option<&SurveyedFile>) -> Standing {
    found.map_or(Standing::Doubted, |found| found.standing)
}

/// That of a file which lists others, as far as it lists this one.
fn listed_standing(file: &File, meta: Option<&Meta>, above: Standing) -> Standing {
    believe(above == Standing::Believed && is_listed(file, meta))
}

fn survey_delegation(
    parent: &SurveyedFile,
    below: &mut PathsBelow,
    file: File,
    meta: Option<&Meta>,
) -> SurveyedFile {
    let role = file.role().clone();
    let delegated = delegate(&parent.file, &role);
    let is_delegated = delegated.is_ok();
    let verifier = delegated.unwrap_or_else(|_| no_keys(&role));
    let signed = verify_delegation(&verifier, &file, &Effort::unlimited_and_spare());
    let is_good = is_delegated && is_listed(&file, meta) && file.check_reading().is_ok();
    let standing = match &signed {
        _ if !is_good || parent.standing != Standing::Believed => Standing::Doubted,
        Ok(_) => Standing::Believed,
        Err(Fault::Signatures(SignatureFault::Threshold { .. })) => Standing::Skipped,
        Err(_) => Standing::Doubted,
    };
    SurveyedFile {
        signers: signed.unwrap_or_else(|_| find_signers(&verifier, &file)),
        paths: restrict(&parent.paths, below, &role),
        file,
        verifier,
        standing,
    }
}

/// Whether `meta` lists the file as it is. Where nothing lists it, nothing says that it is current.
fn is_listed(file: &File, meta: Option<&Meta>) -> bool {
    meta.is_some_and(|meta| {
        check_listed(meta, file).is_ok()
            && check_length(meta, file.role(), file.checksums()).is_ok()
    })
}

/// Whether the signatures count, and clients can read the file.
fn is_sound(file: &File, signed: &Result<Vec<KeyId>, Fault>) -> bool {
    signed.is_ok() && file.check_reading().is_ok()
}

fn read_meta(file: &File) -> Option<&Meta> {
    match file.check(Strictness::Lenient).ok()?.body() {
        Ok(Body::Meta(meta)) => Some(meta),
        _ => None,
    }
}

/// Nothing readable says who may sign.
fn no_keys(role: &Role) -> Verifier {
    let none = RoleKeys {
        key_ids: Vec::new(),
        threshold: 1,
    };
    Verifier::of(&none, role.as_str(), &BTreeMap::new())
}
