//! Who may sign for a role below targets.

use super::threshold::Verifier;
use crate::wire::notary;
use crate::{File, PublicKey, Role};

/// Who may sign for the delegation `role`, as `parent` says, whose structure was checked.
pub(crate) fn delegate(parent: &File, role: &Role) -> Result<Verifier, String> {
    let delegations = notary::delegations(parent.role(), parent.envelope())?;
    let signers = delegations
        .find(role)
        .ok_or_else(|| format!("tuf: invalid role {role}. delegation does not exist"))?
        .role_keys
        .verifier(role.as_str(), &delegations.keys);
    signers
        .keys
        .values()
        .try_for_each(PublicKey::check_for_delegation)?;
    Ok(signers)
}
