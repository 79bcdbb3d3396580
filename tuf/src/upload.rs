//! Files that clients send.

use bytes::Bytes;

use crate::json::Fault;
use crate::wire::notary;
use crate::{File, Limits, MalformedJson, Refusal, Role};

/// A file that a client sent and of which every reader reads the same. Only such files can be
/// published.
///
/// The server checks one reading of a file and clients take another: Go's decoder merges repeated
/// members, takes names in any case and stops at the first value of a type that it does not expect.
/// What only a client sees, nobody signed; what it cannot decode, locks it out. So a file is
/// refused if members are repeated anywhere, if a member that clients decode is spelled in another
/// way than theirs or has a value of another type, or if a number or a text is not signed as it
/// stands.
/// Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Uploaded(File);

impl Uploaded {
    /// Reads a part of an upload. Nothing is kept of a file that is refused, and the limits are
    /// checked before anything of it takes up memory.
    ///
    /// # Errors
    ///
    /// If the bytes are not a metadata envelope, or if readers may disagree about them.
    pub fn read(role: Role, bytes: Bytes, limits: &Limits) -> Result<Self, InvalidUpload> {
        notary::check_reading(&role, &bytes, &|count| limits.most(count)).map_err(|fault| {
            match fault {
                Fault::Malformed(text) => InvalidUpload::Malformed(MalformedJson(text)),
                Fault::Refused(text) => InvalidUpload::Refused(refusal(&role, &text)),
            }
        })?;
        File::parse(role, bytes)
            .map(Self)
            .map_err(InvalidUpload::Malformed)
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
    /// Readers may disagree about it, or it is beyond a limit.
    #[error(transparent)]
    Refused(Refusal),
}

fn refusal(role: &Role, text: &str) -> Refusal {
    let text = format!("{role} metadata cannot be published: {text}");
    match role {
        Role::Root => Refusal::Root(text),
        Role::Targets | Role::Delegation(_) => Refusal::Targets(text),
        Role::Snapshot => Refusal::Snapshot(text),
        Role::Timestamp => Refusal::Validation(text),
    }
}
