//! What can be wrong with one file.

use time::OffsetDateTime;

use super::{
    delegation::DelegationFault, envelope::EnvelopeFault, meta::MetaFault, root::RootFault,
    signatures::SignatureFault, structure::StructureFault, update::UpdateFault,
};
use crate::{
    encoding::{date, json::Misreading},
    role::Role,
};

/// Why a file is not to be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is not one whole envelope.
    #[error(transparent)]
    Envelope(#[from] EnvelopeFault),
    /// It does not look as a file of its role must.
    #[error(transparent)]
    Structure(#[from] StructureFault),
    /// Its role's keys did not sign it.
    #[error(transparent)]
    Signatures(#[from] SignatureFault),
    /// It is a root that may not be trusted.
    #[error(transparent)]
    Root(#[from] RootFault),
    /// It is a delegation that no role vouches for.
    #[error(transparent)]
    Delegation(#[from] DelegationFault),
    /// A snapshot or timestamp lists something else.
    #[error(transparent)]
    Meta(#[from] MetaFault),
    /// The update around it is not complete.
    #[error(transparent)]
    Update(#[from] UpdateFault),
    /// Readers may disagree about an uploaded file.
    #[error("{role} metadata cannot be published: {reason}")]
    Reading {
        /// The role of the file.
        role: Role,
        /// Where they may, and why.
        reason: Box<Misreading>,
    },
    /// It has expired.
    #[error("{role} expired at {}", expires.map_or_else(|| "no date".to_owned(), date::format))]
    Expired {
        /// The role of the file.
        role: Role,
        /// When; `None` if it does not say.
        expires: Option<OffsetDateTime>,
    },
    /// Its version is out of reach of the stored one, or of the database.
    #[error("version {version} is too far above the current version {current}")]
    VersionOutOfReach {
        /// The version that it has.
        version: i64,
        /// The version that is stored; 0 if none is.
        current: i64,
    },
    /// Its version is the last one, so nothing can follow it.
    #[error("version {0} has no successor")]
    LastVersion(i64),
}

/// A stored file that cannot be what it was when it was accepted: a fault of the server's storage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored {role} cannot be used: {reason}")]
pub struct Damaged {
    /// Which file.
    pub role: Role,
    /// What is wrong with it.
    pub reason: Fault,
}

impl Damaged {
    /// For `map_err`: what is wrong with the stored file of `role`.
    pub(crate) fn of<F: Into<Fault>>(role: &Role) -> impl Fn(F) -> Self {
        move |fault| Self {
            role: role.clone(),
            reason: fault.into(),
        }
    }
}
