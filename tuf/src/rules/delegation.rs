//! Who may sign for a role below targets.

use super::{certificate, certificate::CertificateFault, threshold::Verifier};
use crate::{File, Role, envelope::Strictness, fault::Fault};

/// The keys that may sign for the delegation `role`, as `parent` says, whose structure was checked.
pub(crate) fn delegate(parent: &File, role: &Role) -> Result<Verifier, Fault> {
    let delegations = parent.check(Strictness::Stored)?.known_delegations()?;
    let delegation = delegations
        .find(role)
        .ok_or_else(|| DelegationFault::NotDelegated(role.clone()))?;
    let verifier = Verifier::of(&delegation.role_keys, role.as_str(), &delegations.keys);
    for certificate in verifier.keys.values().filter_map(|key| key.certificate()) {
        certificate::check(certificate).map_err(DelegationFault::Certificate)?;
    }
    Ok(verifier)
}

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
