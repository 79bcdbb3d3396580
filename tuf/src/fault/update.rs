//! Updates that are not complete, or not for their repository.

use crate::role::Role;

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
    #[error("{role} is written in the format {sent}, and the repository in {own}")]
    OtherFormat {
        /// The role of the file.
        role: Role,
        /// The name of the format that it is in.
        sent: &'static str,
        /// The name of the format of the repository.
        own: &'static str,
    },
    /// The snapshot that the server makes would list too many files.
    #[error("the snapshot would list more than {0} files")]
    TooManyFiles(usize),
}
