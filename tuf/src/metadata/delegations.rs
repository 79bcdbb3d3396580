//! What a file of the targets tree says about the roles below it.

use std::collections::BTreeMap;

use super::role_keys::RoleKeys;
use crate::{
    key::{KeyId, PublicKey},
    role::Role,
};

/// What a file of the targets tree says about the roles below it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delegations {
    pub(crate) keys: BTreeMap<KeyId, PublicKey>,
    pub(crate) roles: Vec<Delegation>,
    /// Where in `roles` the definition of a name stands that counts.
    by_name: BTreeMap<String, usize>,
}

/// One role that another delegates to.
#[derive(Clone, Debug)]
pub(crate) struct Delegation {
    /// As written: whether it is a valid name is part of the checks.
    pub(crate) name: String,
    pub(crate) role_keys: RoleKeys,
}

impl Delegations {
    pub(crate) fn new(keys: BTreeMap<KeyId, PublicKey>, roles: Vec<Delegation>) -> Self {
        let mut by_name = BTreeMap::new();
        for (at, delegation) in roles.iter().enumerate() {
            by_name.entry(delegation.name.clone()).or_insert(at);
        }
        Self {
            keys,
            roles,
            by_name,
        }
    }

    /// The definition of a role: the first of that name counts.
    pub(crate) fn find(&self, role: &Role) -> Option<&Delegation> {
        let at = self.by_name.get(role.as_str())?;
        self.roles.get(*at)
    }
}
