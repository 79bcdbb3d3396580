//! Why trust data could not be read or published.

use access::{Reason, Scope};
use tuf::{Change, Gun, Refusal, Role};

use crate::{
    attempts::ATTEMPTS,
    memory::NoSpace,
    signer::{NewKeyError, SignerError},
    store::StoreError,
};

/// Why something could not be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something stored is not what it should be.
    #[error("the stored {role} of {gun} is damaged: {reason}")]
    Damaged {
        /// The repository.
        gun: Gun,
        /// Whose file it is.
        role: Role,
        /// What is wrong with it.
        reason: String,
    },
    /// The repository was deleted, or made again, while it was read.
    #[error("{0} was deleted while it was read")]
    Outdated(Gun),
    /// Others changed the repository each time that this was tried.
    #[error("{0} is being changed by others all the time")]
    Contended(Gun),
    /// Expired metadata cannot be renewed here, because its key is held elsewhere.
    #[error("the {role} of {gun} has expired and this server does not hold its key")]
    CannotRenew {
        /// The repository.
        gun: Gun,
        /// What has expired.
        role: Role,
    },
    /// The stored files that an update is checked against do not fit into memory.
    #[error("there is no memory for the stored files")]
    NoSpace(NoSpace),
    /// The signer failed.
    #[error(transparent)]
    Signer(#[from] SignerError),
}

/// Why an update was not taken.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PublishError {
    /// A rule of trust forbids it.
    #[error("{0}")]
    Refused(Refusal),
    /// It changes something that its sender may not change.
    #[error("{0}")]
    Denied(Box<Denied>),
    /// What is current could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The signer failed.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// A version exists, or the store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Rivals came first each time that this was tried.
    #[error("rivals changed the repository during each of {ATTEMPTS} attempts; the last one: {0}")]
    Contended(Box<PublishError>),
}

impl PublishError {
    /// Whether others published first: the same client, or several, will soon try again.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(
            self,
            Self::Contended(_) | Self::Store(StoreError::Moved | StoreError::VersionExists(_))
        )
    }
}

impl From<NewKeyError> for PublishError {
    fn from(error: NewKeyError) -> Self {
        match error {
            NewKeyError::Refused(refusal) => Self::Refused(refusal),
            NewKeyError::Signer(error) => Self::Signer(error),
        }
    }
}

/// A change that was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{change} is not granted: {reason}")]
pub struct Denied {
    /// What the update would change.
    pub change: Change,
    /// What it takes, in the words of tokens.
    pub scope: Scope,
    /// Why not, for operators.
    pub reason: Reason,
}
