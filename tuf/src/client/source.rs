//! Where a client gets files from.

use bytes::Bytes;

use super::{error::WalkError, request::FileRequest};
use crate::{
    fault::EnvelopeFault,
    files::{Checked, File, Strictness},
    metadata::{Meta, MetaFile},
    role::Role,
    rules::{self, effort::Effort, meta::check_length},
    wire::MetadataFormat,
};

/// Where the files come from.
pub(super) struct Source<'f> {
    pub(super) format: MetadataFormat,
    pub(super) files: &'f dyn Fn(&Role, FileRequest) -> Option<Bytes>,
    /// What verifying all of them may cost.
    pub(super) effort: Effort,
}

impl Source<'_> {
    pub(super) fn find(&self, role: &Role, wanted: FileRequest) -> Result<Option<File>, WalkError> {
        let Some(bytes) = (self.files)(role, wanted) else {
            return Ok(None);
        };
        let file = File::parse_to_verify(self.format, role.clone(), bytes)
            .map_err(EnvelopeFault::Malformed)
            .map_err(WalkError::refuse_version(role, 0))?;
        file.check(Strictness::Stored)
            .map_err(WalkError::refuse(&file))?;
        file.check_reading()
            .map_err(|reason| WalkError::Unreadable {
                role: role.clone(),
                version: file.version(),
                reason: Box::new(reason),
            })?;
        Ok(Some(file))
    }

    pub(super) fn read(&self, role: &Role, wanted: FileRequest) -> Result<File, WalkError> {
        self.find(role, wanted)?.ok_or_else(|| WalkError::Missing {
            role: role.clone(),
            wanted,
        })
    }

    /// The snapshot that a timestamp names; nothing vouches for either yet.
    pub(super) fn named_by_timestamp(&self, timestamp: &File) -> Result<File, WalkError> {
        let sha256 = listed(timestamp, &Role::Snapshot)?;
        self.read(&Role::Snapshot, FileRequest::Sha256(sha256))
    }

    /// The root that goes with a snapshot: the one that it names, or the newest one; nothing vouches
    /// for either yet.
    pub(super) fn root_of_snapshot(&self, snapshot: &File) -> Result<File, WalkError> {
        if !self.format.lists_root() {
            return self.read(&Role::Root, FileRequest::Newest);
        }
        let sha256 = listed(snapshot, &Role::Root)?;
        self.read(&Role::Root, FileRequest::Sha256(sha256))
    }
}

/// The checksum under which `file` lists `role`, which it has to.
fn listed(file: &File, role: &Role) -> Result<[u8; 32], WalkError> {
    let meta = file.check(Strictness::Lenient).and_then(Checked::meta);
    let meta = meta.map_err(WalkError::refuse(file))?;
    let sha256 = meta.get(role.as_str()).and_then(MetaFile::proper_sha256);
    Ok(sha256.expect("the check found a checksum of 32 bytes"))
}

/// Checks a file against the hashes under which it is listed, and that it is no longer than listed.
pub(super) fn check_listed(meta: &Meta, file: &File) -> Result<(), WalkError> {
    rules::meta::check_listed(meta, file)
        .and_then(|()| check_length(meta, file.role(), file.checksums()))
        .map_err(WalkError::refuse(file))
}

/// The file of `role` that `meta` lists; none if it lists none, as before a delegation's first
/// publication.
pub(super) fn read_listed(
    meta: &Meta,
    role: &Role,
    source: &Source<'_>,
) -> Result<Option<File>, WalkError> {
    let Some(wanted) = request(meta, role) else {
        return Ok(None);
    };
    let file = source.read(role, wanted)?;
    check_listed(meta, &file)?;
    Ok(Some(file))
}

/// How to ask for the file of `role` that `meta` lists; `None` if it lists none.
pub(crate) fn request(meta: &Meta, role: &Role) -> Option<FileRequest> {
    let listed = meta.get(role.as_str())?;
    let sha256 = listed.sha256.as_deref();
    let by_checksum = sha256.and_then(|sha256| Some(FileRequest::Sha256(sha256.try_into().ok()?)));
    by_checksum.or(listed.version.map(FileRequest::Version))
}
