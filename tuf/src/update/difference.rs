//! What an update changed, by names that mean something to people: tags, signers, and whose keys
//! signed. For audit logs; what a caller may change is decided by [`Change`](crate::Change).
//!
//! An update may change any number of tags, so only the first ones are named, and all are counted.

use std::{
    collections::{BTreeSet, hash_map::RandomState},
    hash::BuildHasher as _,
};

use super::signer::Signer;
use crate::{
    encoding::json,
    fault::Fault,
    files::{File, Stored, StoredFile, Strictness},
    key::KeyId,
    metadata::{Body, Digest, Listing, RoleKeys},
    role::Role,
    wire::Spelling,
};

/// How many changes of one kind are named.
pub const MOST_NAMED: usize = 20;

/// What an update changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Targets that are new.
    pub added: Named<Tag>,
    /// Targets that have other contents than before.
    pub moved: Named<MovedTag>,
    /// Targets that are gone.
    pub removed: Named<Tag>,
    /// Keys that may sign for a role now.
    pub signers_added: Named<Signer>,
    /// Keys that may no longer sign for a role.
    pub signers_removed: Named<Signer>,
    /// Keys whose signatures were verified, by the role whose file they signed: all of them, unless
    /// so many signed beyond the threshold that verifying them would cost more than it tells.
    pub signed_by: Named<Signer>,
    /// Roles whose old or new file could not be compared.
    pub unreadable: Vec<Role>,
}

/// The first of many, and how many there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<T> {
    /// The first [`MOST_NAMED`].
    pub first: Vec<T>,
    /// How many there are in all.
    pub count: usize,
}

/// A target, and what it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// The role that lists it.
    pub role: Role,
    /// Its name; of an image, the tag.
    pub name: String,
    /// The digest of what it names.
    pub digest: Digest,
}

/// A target that names something else than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedTag {
    /// The role that lists it.
    pub role: Role,
    /// Its name; of an image, the tag.
    pub name: String,
    /// The digest of what it named.
    pub from: Digest,
    /// The digest of what it names now.
    pub to: Digest,
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self {
            first: Vec::new(),
            count: 0,
        }
    }
}

impl<T> Named<T> {
    /// Counts one more, which `make` names if it is among the first.
    fn push(&mut self, make: impl FnOnce() -> T) {
        self.count += 1;
        if self.first.len() < MOST_NAMED {
            self.first.push(make());
        }
    }

    /// Adds those of another file.
    fn append(&mut self, other: Self) {
        self.count += other.count;
        let room = MOST_NAMED - self.first.len();
        self.first.extend(other.first.into_iter().take(room));
    }

    /// How many there are beyond the first.
    #[must_use]
    pub fn unnamed(&self) -> usize {
        self.count - self.first.len()
    }
}

/// The fewest bytes of text for each target. A name, a length and a checksum take more; without
/// this bound, a file of tiny entries would take several times its own size to compare.
const SHORTEST_TARGET: usize = 32;

/// The targets of a file in 16 bytes each, whatever their names.
struct Listed(Vec<(u64, u64)>);

impl Listed {
    /// Reads the list in `text`, and tells `each` of every target. `None` if it cannot be read, has
    /// a name twice, or has more targets than its length allows.
    fn read(
        spelling: &dyn Spelling,
        text: &str,
        keys: &RandomState,
        mut each: impl FnMut(&str, Digest),
    ) -> Option<Self> {
        let most = text.len() / SHORTEST_TARGET;
        let (mut entries, mut lists) = (Vec::new(), 0);
        spelling.each_target(text, &mut |listing| match listing {
            Listing::Begins => lists += 1,
            Listing::Target { name, digest, .. } => {
                if entries.len() <= most {
                    entries.push((keys.hash_one(name), keys.hash_one(digest)));
                    each(name, digest);
                }
            }
        })?;
        entries.sort_unstable();
        let is_once = entries.windows(2).all(|pair| pair[0].0 != pair[1].0);
        (lists <= 1 && is_once && entries.len() <= most).then_some(Self(entries))
    }

    /// The hash of the digest of a target, by the hash of its name.
    fn digest(&self, name: u64) -> Option<u64> {
        let found = self.0.binary_search_by_key(&name, |(name, _)| *name);
        found.ok().map(|place| self.0[place].1)
    }
}

/// Compares `files` with the stored ones that they replace.
pub(super) fn find(before: &Stored, files: &[File], signed_by: &[Signer]) -> Difference {
    let mut difference = Difference::default();
    for signer in signed_by {
        difference.signed_by.push(|| signer.clone());
    }
    for file in files {
        let role = file.role();
        let old = match role {
            Role::Snapshot | Role::Timestamp => continue,
            role => before.get(role),
        };
        if old.map(StoredFile::bytes) != Some(file.bytes()) {
            difference.compare(old, file);
        }
    }
    difference
}

impl Difference {
    /// Adds what `new` changes of `old`, two stored versions of one role; without `old`, all that
    /// `new` says. Signatures are not verified, so [`signed_by`](Self::signed_by) stays as it is.
    pub fn add(&mut self, old: Option<&StoredFile>, new: &StoredFile) {
        match new.file() {
            Ok(file) => self.compare(old, file),
            Err(_) => self.unreadable.push(new.role().clone()),
        }
    }

    fn compare(&mut self, old: Option<&StoredFile>, file: &File) {
        let compared = self.compare_signers(old, file);
        if compared.is_err() || !self.compare_targets(old, file) {
            self.unreadable.push(file.role().clone());
        }
    }

    /// Compares who may sign for what.
    fn compare_signers(&mut self, old: Option<&StoredFile>, file: &File) -> Result<(), Fault> {
        let old = match old {
            None => BTreeSet::new(),
            Some(old) => signers(old.body()?),
        };
        let new = signers(file.check(Strictness::Lenient)?.body()?);
        for signer in new.difference(&old) {
            self.signers_added.push(|| signer.clone());
        }
        for signer in old.difference(&new) {
            self.signers_removed.push(|| signer.clone());
        }
        Ok(())
    }

    /// Compares what the files list; says whether both could be read.
    fn compare_targets(&mut self, old: Option<&StoredFile>, file: &File) -> bool {
        let role = file.role();
        if *role == Role::Root {
            return true;
        }
        let spelling = file.format().spelling();
        let old = json::to_text(old.map_or(b"{}", |old| old.bytes()));
        let new = json::to_text(file.bytes());
        let keys = RandomState::new();
        let tag = |name: &str, digest: Digest| Tag {
            role: role.clone(),
            name: name.to_owned(),
            digest,
        };
        let Some(before) = Listed::read(spelling, &old, &keys, |_, _| ()) else {
            return false;
        };
        let (mut added, mut moved, mut kept) = (Named::default(), Named::<MovedTag>::default(), 0);
        let after = Listed::read(spelling, &new, &keys, |name, digest| {
            let Some(was) = before.digest(keys.hash_one(name)) else {
                return added.push(|| tag(name, digest));
            };
            kept += 1;
            if was != keys.hash_one(digest) {
                moved.push(|| MovedTag {
                    role: role.clone(),
                    name: name.to_owned(),
                    from: Digest::Unknown,
                    to: digest,
                });
            }
        });
        let Some(after) = after else {
            return false;
        };
        let mut removed = Named::default();
        if kept < before.0.len() || moved.count > 0 {
            // Names and digests of before are not kept in memory.
            let again = Listed::read(spelling, &old, &keys, |name, digest| {
                if after.digest(keys.hash_one(name)).is_none() {
                    removed.push(|| tag(name, digest));
                } else if let Some(tag) = moved.first.iter_mut().find(|tag| tag.name == name) {
                    tag.from = digest;
                }
            });
            debug_assert!(again.is_some(), "it was read a moment ago");
        }
        self.added.append(added);
        self.moved.append(moved);
        self.removed.append(removed);
        true
    }
}

/// Who may sign for the roles that a file is about.
fn signers(body: &Body) -> BTreeSet<Signer> {
    let of = |role: &str, keys: &RoleKeys| {
        let role = role.to_owned();
        let signer = move |id: &KeyId| Signer {
            role: role.clone(),
            key_id: id.clone(),
        };
        keys.key_ids.iter().map(signer).collect::<Vec<_>>()
    };
    match body {
        Body::Root(root) => {
            let roles = root.roles.iter();
            roles.flat_map(|(role, keys)| of(role, keys)).collect()
        }
        Body::Targets(delegations) => {
            let roles = delegations.roles.iter();
            roles
                .flat_map(|role| of(&role.name, &role.role_keys))
                .collect()
        }
        Body::Meta(_) => BTreeSet::new(),
    }
}
