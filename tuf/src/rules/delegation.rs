//! Who may sign for a role below targets.

use super::{certificate, threshold::Verifier};
use crate::{
    fault::{DelegationFault, Fault},
    files::{File, Strictness},
    role::Role,
};

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
