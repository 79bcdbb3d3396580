//! The model of a metadata file, whatever format it was written in.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;

use crate::{KeyId, PublicKey, Role, wire::Entry};

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
    /// root like that is refused; one that is stored already stays in force until it is replaced.
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

/// A role that fewer public keys speak for than its threshold asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the threshold of {role} is {threshold}, but the keys listed for it hold only {public_keys} \
     distinct public keys"
)]
pub struct SharedKey {
    /// The role.
    pub role: Role,
    /// How many distinct public keys are listed for it.
    pub public_keys: usize,
    /// How many have to sign.
    pub threshold: u32,
}

/// The keys of a role, any `threshold` of which have to sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoleKeys {
    pub(crate) key_ids: Vec<KeyId>,
    /// As written; below 1 it is refused with the file that says so.
    pub(crate) threshold: i64,
}

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

/// What a snapshot or timestamp lists: the exact bytes of other files, by role.
pub(crate) type Meta = BTreeMap<String, MetaFile>;

/// The bytes of one file, as listed.
#[derive(Clone, Debug)]
pub(crate) struct MetaFile {
    /// As listed, of whatever length; `None` if not listed.
    pub(crate) sha256: Option<Vec<u8>>,
    /// As listed, of whatever length; `None` if not listed.
    pub(crate) sha512: Option<Vec<u8>>,
    /// How many bytes the file has at most, as listed; 0 if not listed.
    pub(crate) length: i64,
    /// The whole entry, to be carried over into the next snapshot; empty if it was not kept.
    pub(crate) entry: Entry,
}

/// The part of a file that depends on its role.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Root(Root),
    Targets(Delegations),
    Meta(Meta),
}
