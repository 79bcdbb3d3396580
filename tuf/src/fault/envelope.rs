//! Files that are not one whole envelope.

use crate::encoding::{
    canonical::CanonicalError,
    json::{DecodeError, Misreading, SyntaxError},
};

/// Why a file is not one whole envelope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeFault {
    /// It is no envelope at all.
    #[error(transparent)]
    Malformed(#[from] MalformedJson),
    /// Something follows it.
    #[error("something follows the file: {0}")]
    Trailing(SyntaxError),
    /// It has a member that is neither the signed part nor the signatures.
    #[error("unexpected member {0:?} in the envelope")]
    UnexpectedMember(String),
    /// It has no signed part.
    #[error("there is nothing to sign: signed is null")]
    NothingSigned,
    /// Its signed part has no canonical form.
    #[error(transparent)]
    NotCanonical(#[from] CanonicalError),
    /// Its signed part holds something that clients cannot decode.
    #[error(transparent)]
    Undecodable(DecodeError),
}

/// Why bytes are no metadata envelope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedJson {
    /// They are not JSON, or have a value of the wrong kind where the envelope is read.
    #[error(transparent)]
    Undecodable(#[from] DecodeError),
    /// Readers would take the envelope in two ways.
    #[error(transparent)]
    Misreading(#[from] Box<Misreading>),
}
