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
    /// What to do about it.
    #[must_use]
    pub fn cure(&self) -> &'static str {
        match self {
            Self::Missing { .. } => {
                "put the lost row back from a backup; if there is none, delete the repository and publish it again (its clients then have to forget it)"
            }
            Self::Refused { .. } => {
                "restore the row from a backup, or publish a new version with the keys of that role"
            }
            // Such files were stored before uploads were checked for it.
            Self::Unreadable { role, .. } => match role {
                Role::Root => {
                    "if a newer root is current, only clients with an older one are affected, and have to forget \
                 the repository (`notary delete NAME`, without `--remote`); otherwise restore the repository \
                 from a backup, or delete it and publish it again"
                }
                Role::Snapshot | Role::Timestamp => {
                    "publish to the repository with a client that does not have to read it first, or restore it \
                 from a backup: a snapshot or timestamp that the server signs is put right by the next one"
                }
                Role::Targets | Role::Delegation(_) => {
                    "publish a corrected version of the role, signed by its keys, with a client that does not have \
                 to read the present one first (Go's clients have to); otherwise restore the repository from a \
                 backup, or delete it and publish it again"
                }
            },
        }
    }

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
