//! From the newest timestamp down.

use bytes::Bytes;
use time::OffsetDateTime;

use super::{
    chain::RootChain,
    error::WalkError,
    outcome::{ClientFile, ClientOutcome, SkippedDelegation},
    request::FileRequest,
    signed::SignedFile,
    source::{Source, check_listed},
    tree::Tree,
};
use crate::{
    fault::Fault,
    files::{File, Strictness},
    gun::Gun,
    key::KeyId,
    metadata::{Meta, Root},
    role::Role,
    rules::effort::Effort,
    wire::MetadataFormat,
};

/// Goes through everything that a client of `gun` would read at `now`, and everything that an old
/// client would read to catch up.
///
/// `files` gives the bytes of a role's file, or `None` if there are none. It is asked for the
/// newest timestamp, for roots by version, and for everything else by the checksum that vouches for
/// it, as far as the format lists checksums.
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
    let followed = follow(format, gun, files, now, Effort::unlimited())?;
    Ok(followed.outcome(now))
}

/// A repository that a client can follow, with all of its current files.
pub(crate) struct Followed {
    roots: RootChain,
    pub(crate) timestamp: SignedFile,
    pub(crate) snapshot: SignedFile,
    pub(crate) tree: Tree,
}

impl Followed {
    /// What the current root says.
    pub(crate) fn root(&self) -> &Root {
        self.roots.newest()
    }

    /// The current root, and who signed it.
    pub(crate) fn root_file(&self) -> SignedFile {
        self.roots.newest_signed()
    }

    /// What it comes to, told at `now`.
    pub(crate) fn outcome(&self, now: OffsetDateTime) -> ClientOutcome {
        let top = [
            self.roots.newest_file(),
            &self.timestamp.file,
            &self.snapshot.file,
        ];
        let tree = self.tree.files.iter().map(|found| &found.signed.file);
        let files = top.into_iter().chain(tree);
        let skipped = self.tree.skipped.iter().map(|skipped| SkippedDelegation {
            role: skipped.file.role().clone(),
            reason: skipped.reason.clone(),
        });
        ClientOutcome {
            files: files.map(|file| ClientFile::of(file, now)).collect(),
            skipped: skipped.collect(),
            roots: self.roots.clone(),
        }
    }
}

/// The walk itself; `effort` bounds what verifying may cost.
pub(crate) fn follow(
    format: MetadataFormat,
    gun: &Gun,
    files: &dyn Fn(&Role, FileRequest) -> Option<Bytes>,
    now: OffsetDateTime,
    effort: Effort,
) -> Result<Followed, WalkError> {
    let source = Source {
        format,
        files,
        effort,
    };
    let timestamp = source.read(&Role::Timestamp, FileRequest::Newest)?;
    let snapshot = source.named_by_timestamp(&timestamp)?;
    let current = source.root_of_snapshot(&snapshot)?;
    let roots = RootChain::load(gun, current, &source)?;
    let root = roots.newest();
    let (meta, timestamp_signers) = verify_meta(root, &timestamp, &source.effort)?;
    check_listed(meta, &snapshot)?;
    let (meta, snapshot_signers) = verify_meta(root, &snapshot, &source.effort)?;
    if format.lists_root() {
        check_listed(meta, roots.newest_file())?;
    }
    let tree = Tree::load(root, meta, &source, now)?;
    Ok(Followed {
        roots,
        timestamp: SignedFile {
            file: timestamp,
            signers: timestamp_signers,
        },
        snapshot: SignedFile {
            file: snapshot,
            signers: snapshot_signers,
        },
        tree,
    })
}

/// What a snapshot or timestamp lists, if the keys that `root` names signed it; and who signed it.
fn verify_meta<'f>(
    root: &Root,
    file: &'f File,
    effort: &Effort,
) -> Result<(&'f Meta, Vec<KeyId>), WalkError> {
    let verified = || {
        let checked = file.check(Strictness::Stored)?;
        let signers = root.verifier(file.role()).verify_all(checked, effort)?;
        Ok((checked.meta()?, signers))
    };
    verified().map_err(WalkError::refuse::<Fault>(file))
}
