//! Updates that are not to be believed.

use super::{
    file::{Damaged, Fault},
    root::RootFault,
    update::UpdateFault,
};
use crate::role::Role;

/// Why an update is not to be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The root is bad (`ErrBadRoot`).
    #[error("{0}")]
    Root(Fault),
    /// Targets or a delegation is bad (`ErrBadTargets`).
    #[error("{0}")]
    Targets(Fault),
    /// The snapshot is bad (`ErrBadSnapshot`).
    #[error("{0}")]
    Snapshot(Fault),
    /// No snapshot was sent and the server cannot sign one (`ErrBadHierarchy`, missing `snapshot`).
    #[error("{0}")]
    Hierarchy(Fault),
    /// The update is incomplete (`ErrValidation`).
    #[error("{0}")]
    Validation(Fault),
    /// A stored file is damaged: a fault of the server, which clients are not told.
    #[error(transparent)]
    Stored(#[from] Damaged),
}

impl Refusal {
    /// The refusal if the server holds too few of the keys that root names for `role`.
    #[must_use]
    pub fn missing_key(role: &Role) -> Self {
        match role {
            Role::Snapshot => Self::Hierarchy(UpdateFault::NoSnapshot.into()),
            _ => Self::Root(RootFault::NoTimestampKey.into()),
        }
    }

    /// What is wrong with the update.
    #[must_use]
    pub fn fault(&self) -> &Fault {
        match self {
            Self::Root(fault)
            | Self::Targets(fault)
            | Self::Snapshot(fault)
            | Self::Hierarchy(fault)
            | Self::Validation(fault)
            | Self::Stored(Damaged { reason: fault, .. }) => fault,
        }
    }
}
