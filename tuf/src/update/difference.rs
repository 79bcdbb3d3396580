//! What an update changed, by names that mean something to people: tags, signers, and whose keys
//! signed. For audit logs; what a caller may change is decided by [`Change`](crate::Change).
//!
//! An update may change any number of tags, so only the first ones are named, and all are counted.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use bytes::Bytes;

use super::Stored;
use crate::{
    Dialect, File, KeyId, Role,
    encoding::json,
    envelope::Strictness,
    fault::Fault,
    metadata::{Body, RoleKeys},
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
    /// Keys whose signatures were verified, by the role whose file they signed: as many of a role
    /// as its threshold asks for.
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

/// A key, and the role that it signs for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signer {
    /// The name of the role.
    pub role: String,
    /// The key.
    pub key_id: KeyId,
}

/// The digest of a target, as far as it is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// Its SHA-256.
    Sha256([u8; 32]),
    /// The first half of its SHA-512: no SHA-256 is listed.
    HalfOfSha512([u8; 32]),
    /// Neither is listed.
    Unknown,
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, bytes, end) = match self {
            Self::Sha256(bytes) => ("sha256", bytes, ""),
            Self::HalfOfSha512(bytes) => ("sha512", bytes, "…"),
            Self::Unknown => return f.write_str("unknown"),
        };
        write!(f, "{name}:{}{end}", hex::encode(bytes))
    }
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

    /// How many there are beyond the first.
    #[must_use]
    pub fn unnamed(&self) -> usize {
        self.count - self.first.len()
    }
}

/// The targets that a file lists, by name.
pub(crate) type Digests<'a> = BTreeMap<Cow<'a, str>, Digest>;

/// Compares `files` with the stored ones that they replace.
pub(super) fn find(before: &Stored, files: &[File], signed_by: &[Signer]) -> Difference {
    let mut difference = Difference::default();
    for signer in signed_by {
        difference.signed_by.push(|| signer.clone());
    }
    for file in files {
        let role = file.role();
        let old = match role {
            Role::Root => before.root.as_ref(),
            Role::Snapshot | Role::Timestamp => continue,
            role => before.targets.get(role),
        };
        if old == Some(file.bytes()) {
            continue;
        }
        let compared = difference.compare_signers(before.dialect, old, file);
        if compared.is_err() || !difference.compare_targets(before.dialect, old, file) {
            difference.unreadable.push(role.clone());
        }
    }
    difference
}

impl Difference {
    /// Compares who may sign for what.
    fn compare_signers(
        &mut self,
        dialect: Dialect,
        old: Option<&Bytes>,
        file: &File,
    ) -> Result<(), Fault> {
        let role = file.role();
        let old = match old {
            None => BTreeSet::new(),
            Some(bytes) => {
                let envelope = dialect.spelling().read_listing(role, bytes);
                let envelope = envelope.map_err(crate::MalformedJson::from);
                let envelope = envelope.map_err(crate::EnvelopeFault::from)?;
                signers(envelope.check(role, Strictness::Lenient)?.body()?)
            }
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
    fn compare_targets(&mut self, dialect: Dialect, old: Option<&Bytes>, file: &File) -> bool {
        let role = file.role();
        if *role == Role::Root {
            return true;
        }
        let spelling = dialect.spelling();
        let old = json::to_text(old.map_or(b"{}", |old| old));
        let new = json::to_text(file.bytes());
        let (Some(old), Some(new)) = (spelling.digests(&old), spelling.digests(&new)) else {
            return false;
        };
        let tag = |name: &str, digest: Digest| Tag {
            role: role.clone(),
            name: name.to_owned(),
            digest,
        };
        for (name, digest) in &new {
            match old.get(name) {
                None => self.added.push(|| tag(name, *digest)),
                Some(from) if from != digest => self.moved.push(|| MovedTag {
                    role: role.clone(),
                    name: name.to_string(),
                    from: *from,
                    to: *digest,
                }),
                Some(_) => {}
            }
        }
        for (name, digest) in old.iter().filter(|(name, _)| !new.contains_key(*name)) {
            self.removed.push(|| tag(name, *digest));
        }
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
