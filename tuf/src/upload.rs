//! Files that clients send.

use bytes::Bytes;

use crate::{
    Dialect, File, Limits, MalformedJson, Refusal, Role,
    encoding::json::{DecodeError, Misreading, ReadingFault, ReadingProblem, SyntaxError},
    fault::Fault,
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
        let dialect = Dialect::of_upload(&bytes);
        let most = |count| limits.most(count);
        check_text(&bytes)
            .and_then(|()| dialect.spelling().check_reading(&role, &bytes, &most))
            .map_err(|fault| match fault {
                ReadingFault::Syntax(fault) => malformed(DecodeError::Syntax(fault)),
                ReadingFault::Malformed(fault) => malformed(Box::new(fault)),
                ReadingFault::Refused(fault) if limits.allow(dialect, &role, &bytes) => {
                    InvalidUpload::Refused(refusal(&role, fault))
                }
                ReadingFault::Refused(fault) => InvalidUpload::Oversized(refusal(&role, fault)),
            })?;
        let most = most_values(bytes.len());
        let of_role = role.clone();
        File::parse_within(dialect, role, bytes, most)
            .map(Self)
            .map_err(|fault| match fault {
                DecodeError::Syntax(SyntaxError::TooManyValues) => {
                    let fault = Misreading::of_file(None, ReadingProblem::TooManyValues);
                    InvalidUpload::Refused(refusal(&of_role, fault))
                }
                fault => malformed(fault),
            })
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

/// How many bytes of a file there have to be for each value beyond that. A value takes some 60
/// bytes of memory while a file is read.
const BYTES_PER_VALUE: usize = 32;

fn most_values(bytes: usize) -> usize {
    FEW_VALUES.max(bytes / BYTES_PER_VALUE)
}

fn check_text(bytes: &[u8]) -> Result<(), ReadingFault> {
    let invalid = bytes.utf8_chunks().map(|chunk| chunk.invalid().len());
    if invalid.sum::<usize>() > MAX_INVALID_BYTES {
        let problem = ReadingProblem::TooManyInvalidBytes {
            most: MAX_INVALID_BYTES,
        };
        return Err(ReadingFault::Refused(Misreading::of_file(None, problem)));
    }
    Ok(())
}

fn malformed(fault: impl Into<MalformedJson>) -> InvalidUpload {
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
