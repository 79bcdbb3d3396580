//! The roles of a repository and their names.

use std::{cmp::Ordering, fmt, sync::Arc};

/// The role that a metadata file is for.
///
/// Roles are ordered as a publish stores them: root, then the targets tree (parents before
/// children, siblings by name), then snapshot, then timestamp.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Names the keys of the other three top roles.
    Root,
    /// Lists what the repository contains, or delegates that.
    Targets,
    /// Lists one version of root and of every file in the targets tree.
    Snapshot,
    /// Lists one snapshot, for a short time.
    Timestamp,
    /// A role below targets, for example `targets/releases`.
    Delegation(DelegationName),
}

/// The name of a delegated role, with the leading `targets/`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DelegationName(Arc<str>);

impl Role {
    /// The longest role name, in bytes (Notary 0.7).
    pub const MAX_BYTES: usize = 255;

    /// The name as it stands in metadata and URLs.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Root => "root",
            Self::Targets => "targets",
            Self::Snapshot => "snapshot",
            Self::Timestamp => "timestamp",
            Self::Delegation(name) => name.as_str(),
        }
    }

    /// Whether the role is targets or below it.
    #[must_use]
    pub fn is_in_targets_tree(&self) -> bool {
        matches!(self, Self::Targets | Self::Delegation(_))
    }

    /// Where the role stands in the saving order, before names are looked at.
    fn rank(&self) -> (u8, usize) {
        match self {
            Self::Root => (0, 0),
            Self::Targets => (1, 0),
            Self::Delegation(name) => (1, 1 + name.as_str().matches('/').count()),
            Self::Snapshot => (2, 0),
            Self::Timestamp => (3, 0),
        }
    }
}

impl Ord for Role {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank()
            .cmp(&other.rank())
            .then_with(|| self.as_str().cmp(other.as_str()))
    }
}

impl PartialOrd for Role {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl DelegationName {
    /// A name that a metadata format takes for that of a delegation.
    pub(crate) fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The whole name, `targets/` included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that names no role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the name of a role")]
pub struct InvalidRole(String);

impl InvalidRole {
    pub(crate) fn new(name: &str) -> Self {
        Self(name.to_owned())
    }
}
