//! Files that clients send.

use bytes::Bytes;

use super::{file::File, limits::Limits};
use crate::{
    encoding::json::{DecodeError, Misreading, ReadingFault, ReadingProblem, SyntaxError},
    fault::{Fault, MalformedJson, Refusal},
    role::Role,
    wire::MetadataFormat,
};

/// A file that a client sent and of which every reader reads the same. Only such files can be
/// published.
///
/// The server checks one reading of a file and clients take another: Go's decoder merges repeated
/// members, takes names in any case and stops at the first value of a type that it does not expect.
/// What only a client sees is not signed; what it cannot decode locks it out. So a file is
/// refused if members are repeated anywhere, if a member that clients decode is spelled in another
/// way than theirs or has a value of another type, or if a number or a text is not signed as it
/// stands.
/// Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Uploaded(File);

impl Uploaded {
    /// Reads a part of an upload. Nothing is kept of a file that is refused, and the limits are
    /// checked before anything of it takes up memory.
    pub fn read(role: Role, bytes: Bytes, limits: &Limits) -> Result<Self, InvalidUpload> {
        CheckedUpload::new(role, bytes, limits)?.read()
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.0
    }

    /// The file.
    #[must_use]
    pub fn into_file(self) -> File {
        self.0
    }
}

/// A part of an upload that passed the strict pass, which keeps nothing of it: what it takes to
/// read it is known before it is taken.
#[derive(Clone, Debug)]
pub struct CheckedUpload {
    format: MetadataFormat,
    role: Role,
    bytes: Bytes,
    values: usize,
}

impl CheckedUpload {
    /// How many bytes of memory the strict pass may take for files in `text` beside the text
    /// itself: a hash for each name, and a copy if there is anything in it that is not UTF-8.
    #[must_use]
    pub fn memory_to_check(text: &[u8]) -> usize {
        // There is a colon behind each name.
        let colons = text.iter().map(|byte| usize::from(*byte == b':'));
        let names = colons.sum::<usize>() + 1;
        let is_text = std::str::from_utf8(text).is_ok();
        names * size_of::<u64>() + if is_text { 0 } else { text.len() }
    }

    /// The strict pass over a part of an upload.
    pub fn new(role: Role, bytes: Bytes, limits: &Limits) -> Result<Self, InvalidUpload> {
        let format = MetadataFormat::of_upload(&bytes);
        let most = |count| limits.most(count);
        let sizes = check_text(&bytes)
            .and_then(|()| format.spelling().check_reading(&role, &bytes, &most))
            .map_err(|fault| match fault {
                ReadingFault::Syntax(fault) => malformed_upload(DecodeError::Syntax(fault)),
                ReadingFault::Malformed(fault) => malformed_upload(Box::new(fault)),
                ReadingFault::Refused(fault) if limits.allow(format, &role, &bytes) => {
                    InvalidUpload::Refused(refusal(&role, fault))
                }
                ReadingFault::Refused(fault) => InvalidUpload::Oversized(refusal(&role, fault)),
            })?;
        Ok(Self {
            format,
            role,
            bytes,
            values: sizes.values(),
        })
    }

    /// Whom the file speaks for.
    #[must_use]
    pub fn role(&self) -> &Role {
        &self.role
    }

    /// How many bytes of memory the file takes at most beside its text, as long as it is there: what
    /// was signed, unless it stands in the text as it was signed.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.bytes.len()
    }

    /// How many more bytes it takes while it is read: for its values, and for those of targets once
    /// more, which are written canonically to see what changed.
    #[must_use]
    pub fn memory_to_read(&self) -> usize {
        self.values.min(most_values(self.bytes.len())) * BYTES_OF_VALUE * 2
    }

    /// Reads the file.
    pub fn read(self) -> Result<Uploaded, InvalidUpload> {
        let (role, most) = (self.role.clone(), most_values(self.bytes.len()));
        File::parse_within(self.format, self.role, self.bytes, most)
            .map(Uploaded)
            .map_err(|fault| match fault {
                DecodeError::Syntax(SyntaxError::TooManyValues) => {
                    let fault = Misreading::of_file(None, ReadingProblem::TooManyValues);
                    InvalidUpload::Refused(refusal(&role, fault))
                }
                fault => malformed_upload(fault),
            })
    }
}

/// Why a file is not taken, whatever is stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUpload {
    /// It is no metadata envelope.
    #[error(transparent)]
    Malformed(MalformedJson),
    /// Readers may disagree about it.
    #[error(transparent)]
    Refused(Refusal),
    /// It is beyond a limit. A file that is no larger than the one it replaces is fine all the
    /// same: see [`Limits::raised_to`].
    #[error(transparent)]
    Oversized(Refusal),
}

/// How many bytes of an upload need not be UTF-8. Each becomes three when it is read.
const MAX_INVALID_BYTES: usize = 1024;

/// How many JSON values any file may have beside targets in canonical form.
const FEW_VALUES: usize = 20_000;

/// How many bytes of a file there have to be for each value beyond that.
const BYTES_PER_VALUE: usize = 32;

/// How many bytes of memory a value takes while a file is read: 32 for itself, 24 for its name, and
/// what is left over between pieces in use.
const BYTES_OF_VALUE: usize = 64;

fn most_values(bytes: usize) -> usize {
    FEW_VALUES.max(bytes / BYTES_PER_VALUE)
}

fn check_text(bytes: &[u8]) -> Result<(), ReadingFault> {
    if std::str::from_utf8(bytes).is_ok() {
        return Ok(());
    }
    let invalid = bytes.utf8_chunks().map(|chunk| chunk.invalid().len());
    if invalid.sum::<usize>() > MAX_INVALID_BYTES {
        let problem = ReadingProblem::TooManyInvalidBytes {
            most: MAX_INVALID_BYTES,
        };
        return Err(ReadingFault::Refused(Misreading::of_file(None, problem)));
    }
    Ok(())
}

fn malformed_upload(fault: impl Into<MalformedJson>) -> InvalidUpload {
    InvalidUpload::Malformed(fault.into())
}

fn refusal(role: &Role, reason: Misreading) -> Refusal {
    let fault = Fault::Reading {
        role: role.clone(),
        reason: Box::new(reason),
    };
    match role {
        Role::Root => Refusal::Root(fault),
        Role::Targets | Role::Delegation(_) => Refusal::Targets(fault),
        Role::Snapshot => Refusal::Snapshot(fault),
        Role::Timestamp => Refusal::Validation(fault),
    }
}
