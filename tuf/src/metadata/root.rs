//! What a root says.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;

use super::role_keys::RoleKeys;
use crate::{
    fault::SharedKey,
    key::{KeyId, PublicKey},
    role::Role,
};

/// What a root says: which keys speak for the four top roles.
#[derive(Clone, Debug)]
pub struct Root {
    pub(crate) version: i64,
    pub(crate) expires: Option<OffsetDateTime>,
    pub(crate) keys: BTreeMap<KeyId, PublicKey>,
    /// By role name. Names other than the four top roles are kept and mean nothing.
    pub(crate) roles: BTreeMap<String, RoleKeys>,
}

impl Root {
    /// The root's version.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.version
    }

    /// When the root expires; `None` if it does not say, which counts as expired long ago.
    #[must_use]
    pub fn expires(&self) -> Option<OffsetDateTime> {
        self.expires
    }

    /// The keys that may sign for a top role, as listed, each once.
    ///
    /// A key listed under an id that is not its own is left out: no signature of it can ever count.
    #[must_use]
    pub fn keys(&self, role: &Role) -> Vec<PublicKey> {
        let listed = self.roles.get(role.as_str());
        let mut seen = BTreeSet::new();
        listed
            .into_iter()
            .flat_map(|role_keys| &role_keys.key_ids)
            .filter(|id| seen.insert(*id))
            .filter_map(|id| self.keys.get(id).filter(|key| key.id() == id))
            .cloned()
            .collect()
    }

    /// The roles whose threshold is higher than the number of public keys that are listed for them.
    ///
    /// One public key in two certificates has two key ids, and so met a threshold of 2 alone. A new
    /// root like that is refused; one that is stored already stays current until it is replaced.
    #[must_use]
    pub fn shared_keys(&self) -> Vec<SharedKey> {
        let roles = [Role::Root, Role::Targets, Role::Snapshot, Role::Timestamp];
        let shared = roles.into_iter().filter_map(|role| {
            let keys = self.keys(&role);
            let threshold = self.threshold(&role);
            let enough = |count: usize| u32::try_from(count).is_ok_and(|count| count >= threshold);
            let distinct: BTreeSet<Vec<u8>> = keys.iter().map(PublicKey::identity).collect();
            // Too few keys of any kind are another fault: such a role cannot sign at all.
            (enough(keys.len()) && !enough(distinct.len())).then_some(SharedKey {
                role,
                public_keys: distinct.len(),
                threshold,
            })
        });
        shared.collect()
    }

    /// How many of those keys must sign; 1 at least.
    #[must_use]
    pub fn threshold(&self, role: &Role) -> u32 {
        let threshold = self
            .roles
            .get(role.as_str())
            .map_or(1, |role_keys| role_keys.threshold.max(1));
        u32::try_from(threshold).unwrap_or(u32::MAX)
    }
}
