//! Delegations that no role vouches for.

use super::certificate::CertificateFault;
use crate::role::Role;

/// Why no role vouches for a delegation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DelegationFault {
    /// Targets, below which all delegations stand, are not there.
    #[error("there are no targets that could delegate")]
    NoTargets,
    /// No file that is there delegates to the role.
    #[error("no role delegates to {0}")]
    NotDelegated(Role),
    /// A certificate among its keys is bad.
    #[error(transparent)]
    Certificate(#[from] CertificateFault),
}
