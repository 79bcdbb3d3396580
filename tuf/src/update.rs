//! Whether an upload is to be believed: the whole validation of a publish, as a pure function.

mod changes;
mod difference;
mod root;
mod snapshot;
mod tree;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

pub use changes::Change;
pub(crate) use difference::Listing;
pub use difference::{Difference, Digest, MOST_NAMED, MovedTag, Named, Signer, Tag};
use time::OffsetDateTime;

use crate::{
    Damaged, Draft, File, Gun, KeyId, Limits, MetadataFormat, Role, Root, Stored, Uploaded,
    fault::Fault,
    limits::Effort,
    rules::{next_version::NextVersion, root::RootFault},
};

/// How far a role's version may be above the version that is stored.
///
/// Notary 0.7 takes any version, so one publish of version 2147483647, the last that the database
/// can hold, ends all publishing (audit finding TUF-01-002). Root is held to steps of one in any
/// case.
pub const MAX_VERSION_STEP: i64 = 10_000;

/// Judges an update of the repository `gun` whose current files are `stored`.
///
/// The steps, their order and the texts of refusals are Notary 0.7's, but for these differences:
///
/// * Checksums are of the bytes as they came. Notary hashed what it had parsed and written again,
///   and lost files, even the root, by it.
/// * A stored root that cannot be read, or that is gone while a snapshot or timestamp is still
///   there, is [`Refusal::Stored`], never "no root": otherwise anyone's root could take its place.
/// * The dates of a stored root's certificates are not looked at, so an expired certificate can be
///   replaced by a root that old and new keys sign. A new root's certificates are checked in full.
/// * A version too far above the stored one is refused; see [`MAX_VERSION_STEP`].
/// * Files that readers may read in two ways are no part of an [`Update`]; see [`Uploaded`].
/// * Members beside `signed` and `signatures` are refused (TUF-01-001).
/// * A new root whose threshold for a role is higher than the number of distinct public keys listed
///   for it is refused, and only distinct public keys count when it signs itself.
/// * Verifying signatures tries the cheapest first and may take no more work than
///   [`Limits::verifications`]. Whether an update is taken is known at the threshold; a little more
///   is verified to tell who else signed.
/// * `null` for `signed` or for a delegated role is refused; Notary's request crashed.
/// * A stored file of the targets tree that the new root's keys did not sign is
///   [`Refusal::Targets`], with a text.
pub fn check(
    gun: &Gun,
    stored: &Stored,
    update: Update,
    now: OffsetDateTime,
) -> Result<Accepted, Refusal> {
    let effort = Effort::of(update.limits);
    let stored = in_format(stored.clone(), &update)?;
    let current = root::load_current(gun, &stored)?;
    let mut signed_by = Vec::new();
    let root = match update.files.get(&Role::Root) {
        Some(new) => {
            let keys = root::replace(gun, current.as_ref(), new, &effort, now)?;
            note_signers(&mut signed_by, &Role::Root, keys);
            new.clone()
        }
        None => current.ok_or(Refusal::Validation(UpdateFault::NoRoot.into()))?,
    };
    let trusted = root.root().map_err(Refusal::Root)?;
    let tree = tree::load(trusted, &stored, &update, &effort, now)?;
    let (mut pending, signers_of_tree) = tree.into_files();
    signed_by.extend(signers_of_tree);
    let has_targets = pending.contains_key(&Role::Targets);
    pending.insert(Role::Root, root.clone());
    let snapshot = if let Some(sent) = update.files.get(&Role::Snapshot) {
        let keys = snapshot::check(trusted, sent, &stored, &pending, &effort, now)?;
        note_signers(&mut signed_by, &Role::Snapshot, keys);
        None
    } else {
        let planned = snapshot::plan(&stored, has_targets)?;
        snapshot::check_growth(&planned, &pending, update.limits.meta_files)?;
        Some(planned)
    };
    let timestamp = NextVersion::of(&stored, Role::Timestamp)?;
    let (trusted, files) = (trusted.clone(), update.files.into_values().collect());
    Ok(Accepted {
        files,
        before: stored,
        trusted,
        pending,
        snapshot,
        timestamp,
        signed_by,
    })
}

/// Keeps whose signatures of the file of `role` were verified.
fn note_signers(signed_by: &mut Vec<Signer>, role: &Role, keys: Vec<KeyId>) {
    let signer = |key_id| Signer {
        role: role.to_string(),
        key_id,
    };
    signed_by.extend(keys.into_iter().map(signer));
}

/// The files of one upload, one for each role.
#[derive(Clone, Debug, Default)]
pub struct Update {
    files: BTreeMap<Role, File>,
    limits: Limits,
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
    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.files.values()
    }

    /// Whether there is a file of `role`.
    #[must_use]
    pub fn contains(&self, role: &Role) -> bool {
        self.files.contains_key(role)
    }

    /// The roles of the targets tree whose stored files [`check`] wants to see: those in the
    /// update, for their versions, and all above them, for their delegations.
    #[must_use]
    pub fn needed(&self) -> BTreeSet<Role> {
        let mut needed = BTreeSet::new();
        for role in self.files.keys().filter(|role| role.is_in_targets_tree()) {
            needed.extend(std::iter::successors(Some(role.clone()), Role::parent));
        }
        needed
    }
}

/// An update that is to be believed. Only [`check`] makes one.
#[derive(Clone)]
pub struct Accepted {
    files: Vec<File>,
    /// What was current.
    before: Stored,
    /// The root in force.
    trusted: Root,
    /// What a snapshot has to pin: the root in force and every file of the targets tree that was
    /// looked at.
    pending: BTreeMap<Role, File>,
    /// The snapshot that the server makes; `None` if the client sent one.
    snapshot: Option<NextVersion>,
    timestamp: NextVersion,
    /// The keys whose signatures were verified.
    signed_by: Vec<Signer>,
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
    /// [`Refusal::missing_key`].
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

    /// The root in force: the one that was sent, or the stored one.
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

/// Why an update is not to be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The root is bad (`ErrBadRoot`).
    #[error("{0}")]
    Root(Fault),
    /// Targets or a delegation is bad (`ErrBadTargets`).
    #[error("{0}")]
    Targets(Fault),
    /// The snapshot is bad (`ErrBadSnapshot`).
    #[error("{0}")]
    Snapshot(Fault),
    /// No snapshot was sent and the server cannot sign one (`ErrBadHierarchy`, missing `snapshot`).
    #[error("{0}")]
    Hierarchy(Fault),
    /// The update is incomplete (`ErrValidation`).
    #[error("{0}")]
    Validation(Fault),
    /// A stored file is damaged: a fault of the server, which clients are not told.
    #[error(transparent)]
    Stored(#[from] Damaged),
}

impl Refusal {
    /// The refusal if the server holds too few of the keys that root names for `role`.
    #[must_use]
    pub fn missing_key(role: &Role) -> Self {
        match role {
            Role::Snapshot => Self::Hierarchy(UpdateFault::NoSnapshot.into()),
            _ => Self::Root(RootFault::NoTimestampKey.into()),
        }
    }

    /// What is wrong with the update.
    #[must_use]
    pub fn fault(&self) -> &Fault {
        match self {
            Self::Root(fault)
            | Self::Targets(fault)
            | Self::Snapshot(fault)
            | Self::Hierarchy(fault)
            | Self::Validation(fault)
            | Self::Stored(Damaged { reason: fault, .. }) => fault,
        }
    }
}

/// What an update lacks, or has too much of, as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpdateFault {
    /// There is no root in it, and none is stored.
    #[error("the update has no root, and none is stored")]
    NoRoot,
    /// There are no targets in it, and no snapshot is stored.
    #[error("the first snapshot needs targets in the update")]
    NoTargets,
    /// There is no snapshot in it, and the server cannot sign one.
    #[error("the update has no snapshot, and the server does not hold the key for one")]
    NoSnapshot,
    /// A file is in another format than the repository.
    #[error("{role} is written in the format {sent:?}, and the repository in {own:?}")]
    OtherFormat {
        /// The role of the file.
        role: Role,
        /// The format that it is in.
        sent: MetadataFormat,
        /// The format of the repository.
        own: MetadataFormat,
    },
    /// The snapshot that the server makes would list too many files.
    #[error("the snapshot would list more than {0} files")]
    TooManyFiles(usize),
}

/// What is stored, in the format of the repository: a new one has that of its first file.
fn in_format(mut stored: Stored, update: &Update) -> Result<Stored, Refusal> {
    let is_new = stored.get(&Role::Root).is_none();
    if is_new && let Some(first) = update.files().next() {
        stored.format = first.format();
    }
    let foreign = update.files().find(|file| file.format() != stored.format);
    match foreign {
        None => Ok(stored),
        Some(file) => Err(Refusal::Validation(Fault::Update(
            UpdateFault::OtherFormat {
                role: file.role().clone(),
                sent: file.format(),
                own: stored.format,
            },
        ))),
    }
}

/// Refuses a version that is out of reach of the stored one, or of the database.
fn check_version_step(file: &File, current: i64) -> Result<(), Fault> {
    let version = file.version();
    if version > i64::from(i32::MAX) || version > current.saturating_add(MAX_VERSION_STEP) {
        return Err(Fault::VersionOutOfReach { version, current });
    }
    Ok(())
}
