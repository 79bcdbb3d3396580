//! Repositories that no client can follow.

use super::request::FileRequest;
use crate::{encoding::json::ReadingFault, fault::Fault, files::File, role::Role};

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
    pub(super) fn refuse<F: Into<Fault>>(file: &File) -> impl Fn(F) -> Self {
        Self::refuse_version(file.role(), file.version())
    }

    pub(super) fn refuse_version<F: Into<Fault>>(role: &Role, version: i64) -> impl Fn(F) -> Self {
        move |fault| Self::Refused {
            role: role.clone(),
            version,
            reason: Box::new(fault.into()),
        }
    }
}
