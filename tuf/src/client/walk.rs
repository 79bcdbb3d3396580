//! From the newest timestamp down.

use bytes::Bytes;
use time::OffsetDateTime;

use super::{
    chain::RootChain,
    error::WalkError,
    outcome::{ClientFile, ClientOutcome},
    request::FileRequest,
    source::{Source, check_listed},
    tree::Tree,
};
use crate::{
    files::{File, Strictness},
    gun::Gun,
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
    let source = Source { format, files };
    let timestamp = source.read(&Role::Timestamp, FileRequest::Newest)?;
    let snapshot = source.named_by_timestamp(&timestamp)?;
    let current = source.root_of_snapshot(&snapshot)?;
    let roots = RootChain::load(gun, current, &source)?;
    let root = roots.newest();
    let meta = verify_meta(root, &timestamp)?;
    check_listed(meta, &snapshot)?;
    let meta = verify_meta(root, &snapshot)?;
    if format.lists_root() {
        check_listed(meta, roots.newest_file())?;
    }
    let tree = Tree::load(root, meta, &source, now)?;
    let top = [roots.newest_file(), &timestamp, &snapshot];
    let files = top.into_iter().chain(&tree.files);
    Ok(ClientOutcome {
        files: files.map(|file| ClientFile::of(file, now)).collect(),
        skipped: tree.skipped,
        roots,
    })
}

/// What a snapshot or timestamp lists, if the keys that `root` names signed it.
fn verify_meta<'f>(root: &Root, file: &'f File) -> Result<&'f Meta, WalkError> {
    let verified = || {
        let checked = file.check(Strictness::Stored)?;
        let verifier = root.verifier(file.role());
        verifier.verify(checked, &Effort::unlimited())?;
        checked.meta()
    };
    verified().map_err(WalkError::refuse(file))
}
