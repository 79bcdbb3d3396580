//! What a client does with a repository: from the root down, it believes nothing that is not
//! vouched for.
//!
//! [`walk`] reads stored bytes as a client would, for the check of a repository or of a backup. It
//! fails on what time cannot heal; what has merely expired is listed, since timestamps and
//! snapshots are renewed when they are served.

mod chain;

use std::{collections::BTreeSet, fmt};

use bytes::Bytes;
pub use chain::RootCertificate;
use chain::RootChain;
use time::OffsetDateTime;

use crate::{
    File, Gun, MetadataFormat, Role, Root, SnapshotView, TimestampView,
    encoding::json::ReadingFault,
    envelope::{Checked, EnvelopeFault, Strictness},
    fault::Fault,
    limits::Effort,
    metadata::Meta,
    rules::{
        delegation::delegate,
        meta::{check_hashes, check_length},
        threshold::{SignatureFault, Verifier},
    },
};

/// Goes through everything that a client of `gun` would read at `now`, and everything that an old
/// client would read to catch up.
///
/// `files` gives the bytes of a role's file, or `None` if there are none. It is asked for the
/// newest timestamp, for roots by version, and for everything else by the checksum that vouches for
/// it.
///
/// Verified are, as Notary 0.7's client does it, that Go can decode the texts, structures,
/// signatures, checksums and lengths of the current files and of every delegation that the snapshot
/// lists, and that each stored root continues the one before it.
pub fn walk(
    format: MetadataFormat,
    gun: &Gun,
    files: &dyn Fn(&Role, FileRequest) -> Option<Bytes>,
    now: OffsetDateTime,
) -> Result<ClientOutcome, WalkError> {
    let source = Source { format, files };
    let timestamp = source.read(&Role::Timestamp, FileRequest::Newest)?;
    let snapshot = source.named_by_timestamp(&timestamp)?;
    let current = source.named_by_snapshot(&snapshot)?;
    let roots = RootChain::load(gun, current, &source)?;
    let root = roots.newest();
    let meta = verify_meta(root, &timestamp)?;
    check_listed(meta, &snapshot)?;
    let meta = verify_meta(root, &snapshot)?;
    check_listed(meta, roots.newest_file())?;
    let tree = Tree::load(root, meta, &source, now)?;
    let top = [roots.newest_file(), &timestamp, &snapshot];
    let files = top.into_iter().chain(&tree.files);
    Ok(ClientOutcome {
        files: files.map(|file| ClientFile::of(file, now)).collect(),
        skipped: tree.skipped,
        roots,
    })
}

/// Which file of a role is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileRequest {
    /// The one of the highest version: asked of the timestamp only.
    Newest,
    /// The one of this version: asked of root only.
    Version(i64),
    /// The one whose bytes have this SHA-256.
    Sha256([u8; 32]),
}

impl fmt::Display for FileRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newest => f.write_str("newest version"),
            Self::Version(version) => write!(f, "version {version}"),
            Self::Sha256(sha256) => write!(f, "version with checksum {}", hex::encode(sha256)),
        }
    }
}

/// A repository that a client can follow, but for what has expired.
#[derive(Clone, Debug)]
pub struct ClientOutcome {
    /// The current files in the order in which they vouch for each other: root, timestamp,
    /// snapshot, targets, delegations (parents first).
    pub files: Vec<ClientFile>,
    /// Delegations that clients pass over with a warning, and all below them.
    pub skipped: Vec<SkippedDelegation>,
    roots: RootChain,
}

impl ClientOutcome {
    /// The root in force.
    #[must_use]
    pub fn root(&self) -> &Root {
        self.roots.newest()
    }

    /// The version of the oldest root that is still there. A client whose root is older cannot
    /// catch up.
    #[must_use]
    pub fn first_root(&self) -> i64 {
        self.roots.first_version()
    }

    /// The certificates that speak for the repository in the root of a version, in no particular
    /// order; none if the version is not there.
    #[must_use]
    pub fn root_certificates(&self, version: i64) -> Vec<RootCertificate> {
        self.roots.certificates(version)
    }

    /// Whether a client without trust data takes the current root at `now`.
    ///
    pub fn check_new_client(&self, now: OffsetDateTime) -> Result<(), Fault> {
        self.roots.check_new_client(now)
    }

    /// Whether a client whose root has the version `from` gets to the root in force at `now`.
    ///
    /// Notary 0.7's client looks at the dates of certificates in every root it reads, its own
    /// included, although only the last one is to be believed for longer.
    ///
    /// # Errors
    ///
    /// Why it does not, naming the root at which it gives up.
    pub fn check_returning_client(&self, from: i64, now: OffsetDateTime) -> Result<(), WalkError> {
        self.roots.check_returning_client(from, now)
    }

    /// The files that have expired: clients refuse them, except for delegations, which they pass
    /// over.
    pub fn expired(&self) -> impl Iterator<Item = &ClientFile> {
        self.files.iter().filter(|file| file.is_expired)
    }
}

/// A current file that is as it should be, unless it has expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFile {
    /// The role that it is for.
    pub role: Role,
    /// Its version.
    pub version: i64,
    /// When it expires; `None` if it does not say, which counts as long ago.
    pub expires: Option<OffsetDateTime>,
    /// Whether that was before the walk.
    pub is_expired: bool,
}

impl ClientFile {
    fn of(file: &File, now: OffsetDateTime) -> Self {
        Self {
            role: file.role().clone(),
            version: file.version(),
            expires: file.expires(),
            is_expired: file.is_expired(now),
        }
    }
}

/// A delegation that clients pass over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedDelegation {
    /// Which one.
    pub role: Role,
    /// Why.
    pub reason: Fault,
}

/// Why no client can follow a repository, whatever the date.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalkError {
    /// A file that others vouch for is not there.
    #[error("{wanted} of {role} is missing")]
    Missing {
        /// The role of the file.
        role: Role,
        /// Which one.
        wanted: FileRequest,
    },
    /// A file is there, and clients, which are written in Go, cannot read it, or find something
    /// else in it than this crate.
    #[error("clients cannot read {role} version {version}, or read it otherwise: {reason}")]
    Unreadable {
        /// The role of the file.
        role: Role,
        /// Its version.
        version: i64,
        /// What is wrong with it.
        reason: Box<ReadingFault>,
    },
    /// A file is there and not to be believed.
    #[error("{role} version {version} is not to be believed: {reason}")]
    Refused {
        /// The role of the file.
        role: Role,
        /// Its version, 0 if it cannot be read.
        version: i64,
        /// What is wrong with it.
        reason: Box<Fault>,
    },
}

impl WalkError {
    /// For `map_err`: what is wrong with `file`.
    fn refused<F: Into<Fault>>(file: &File) -> impl Fn(F) -> Self {
        Self::refused_version(file.role(), file.version())
    }

    fn refused_version<F: Into<Fault>>(role: &Role, version: i64) -> impl Fn(F) -> Self {
        move |fault| Self::Refused {
            role: role.clone(),
            version,
            reason: Box::new(fault.into()),
        }
    }
}

/// Where the files come from.
struct Source<'f> {
    format: MetadataFormat,
    files: &'f dyn Fn(&Role, FileRequest) -> Option<Bytes>,
}

impl Source<'_> {
    fn find(&self, role: &Role, wanted: FileRequest) -> Result<Option<File>, WalkError> {
        let Some(bytes) = (self.files)(role, wanted) else {
            return Ok(None);
        };
        let file = File::parse(self.format, role.clone(), bytes)
            .map_err(EnvelopeFault::Malformed)
            .map_err(WalkError::refused_version(role, 0))?;
        file.check(Strictness::Stored)
            .map_err(WalkError::refused(&file))?;
        file.check_reading()
            .map_err(|reason| WalkError::Unreadable {
                role: role.clone(),
                version: file.version(),
                reason: Box::new(reason),
            })?;
        Ok(Some(file))
    }

    fn read(&self, role: &Role, wanted: FileRequest) -> Result<File, WalkError> {
        self.find(role, wanted)?.ok_or_else(|| WalkError::Missing {
            role: role.clone(),
            wanted,
        })
    }

    /// The snapshot that a timestamp names; nothing vouches for either yet.
    fn named_by_timestamp(&self, timestamp: &File) -> Result<File, WalkError> {
        let view = TimestampView::parse(self.format, timestamp.bytes())
            .map_err(|damaged| WalkError::refused(timestamp)(damaged.reason))?;
        self.read(&Role::Snapshot, FileRequest::Sha256(view.snapshot_sha256))
    }

    /// The root that a snapshot names; nothing vouches for either yet.
    fn named_by_snapshot(&self, snapshot: &File) -> Result<File, WalkError> {
        let view = SnapshotView::parse(self.format, snapshot.bytes())
            .map_err(|damaged| WalkError::refused(snapshot)(damaged.reason))?;
        let sha256 = view
            .listed
            .sha256("root")
            .expect("the check found a checksum of 32 bytes");
        self.read(&Role::Root, FileRequest::Sha256(sha256))
    }
}

/// What a snapshot or timestamp lists, if the keys that `root` names signed it.
fn verify_meta<'f>(root: &Root, file: &'f File) -> Result<&'f Meta, WalkError> {
    let verified = || {
        let checked = file.check(Strictness::Stored)?;
        let verifier = root.verifier(file.role());
        verifier.verify(checked, &Effort::unlimited())?;
        checked.meta()
    };
    verified().map_err(WalkError::refused(file))
}

/// Checks a file against the hashes under which it is listed, and that it is no longer than listed.
fn check_listed(meta: &Meta, file: &File) -> Result<(), WalkError> {
    let (role, actual) = (file.role(), file.checksums());
    check_hashes(meta, role, actual)
        .and_then(|()| Ok(check_length(meta, role, actual)?))
        .map_err(WalkError::refused(file))
}

/// Targets and the delegations that a client reads.
struct Tree {
    files: Vec<File>,
    /// The roles of `files`.
    roles: BTreeSet<Role>,
    skipped: Vec<SkippedDelegation>,
}

impl Tree {
    fn load(
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
            .map_err(WalkError::refused(&targets))?;
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
            .map_err(WalkError::refused(parent))?;
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
        let verifier = delegate(parent, &role).map_err(WalkError::refused(parent))?;
        match verify_delegation(&verifier, &file) {
            Ok(()) => {
                self.roles.insert(role);
                self.files.push(file);
            }
            Err(reason @ Fault::Signatures(SignatureFault::Threshold { .. })) => {
                self.skipped.push(SkippedDelegation { role, reason });
            }
            Err(fault) => return Err(WalkError::refused(&file)(fault)),
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

/// The file of `role` that `meta` lists; none if it lists none, as before a delegation's first
/// publication.
fn read_listed(meta: &Meta, role: &Role, source: &Source<'_>) -> Result<Option<File>, WalkError> {
    let sha256 = meta
        .get(role.as_str())
        .and_then(|file| file.sha256.as_deref()?.try_into().ok());
    let Some(sha256) = sha256 else {
        return Ok(None);
    };
    let file = source.read(role, FileRequest::Sha256(sha256))?;
    check_listed(meta, &file)?;
    Ok(Some(file))
}
