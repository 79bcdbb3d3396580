//! What became of tags from one version of a role to the next.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{
    encoding::json,
    files::{File, Strictness},
    key::KeyId,
    metadata::{Digest, Listing},
    role::Role,
    wire::MetadataFormat,
};

/// The fewest bytes of text for each target: without this bound, a file of tiny entries would take
/// many times its own size. A name, a length and a checksum take more.
const SHORTEST_TARGET: usize = 32;

/// A stored version of a role of the targets tree: which tags it lists, and who signed it.
#[derive(Clone, Debug)]
pub struct TagVersion {
    version: i64,
    signed_by: Vec<KeyId>,
    tags: BTreeMap<String, Digest>,
}

/// What a version of a role did to a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagChange {
    /// Its name.
    pub name: String,
    /// What it named before; `None` if it was not there.
    pub from: Option<Digest>,
    /// What it names since; `None` if it is gone.
    pub to: Option<Digest>,
}

impl TagVersion {
    /// Reads a stored file; `None` if it cannot be read. With `only`, it knows of no other tag.
    #[must_use]
    pub fn read(
        format: MetadataFormat,
        role: &Role,
        bytes: &Bytes,
        only: Option<&str>,
    ) -> Option<Self> {
        let file = File::parse(format, role.clone(), bytes.clone()).ok()?;
        let checked = file.check(Strictness::Lenient).ok()?;
        let mut signed_by: Vec<_> = checked
            .signatures()
            .iter()
            .map(|signature| signature.key_id.clone())
            .collect();
        signed_by.sort_unstable();
        signed_by.dedup();
        let text = json::to_text(bytes);
        let most = text.len() / SHORTEST_TARGET;
        let mut tags = BTreeMap::new();
        format.spelling().each_target(&text, &mut |listing| {
            if let Listing::Target { name, digest, .. } = listing
                && tags.len() < most
                && only.is_none_or(|only| only == name)
            {
                tags.insert(name.to_owned(), digest);
            }
        })?;
        Some(Self {
            version: file.version(),
            signed_by,
            tags,
        })
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.version
    }

    /// The keys that its signatures name. Whoever stored it had verified them.
    #[must_use]
    pub fn signed_by(&self) -> &[KeyId] {
        &self.signed_by
    }

    /// What it changed, by name, if `before` was the version before; `None` if there was none.
    pub fn changes_since<'v>(
        &'v self,
        before: Option<&'v Self>,
    ) -> impl Iterator<Item = TagChange> + 'v {
        let old = before.map(|before| &before.tags);
        let come = self.tags.iter().filter_map(move |(name, to)| {
            let from = old.and_then(|old| old.get(name));
            let is_same = from == Some(to);
            (!is_same).then(|| TagChange {
                name: name.clone(),
                from: from.copied(),
                to: Some(*to),
            })
        });
        let gone = old.into_iter().flatten().filter_map(|(name, from)| {
            let is_there = self.tags.contains_key(name);
            (!is_there).then(|| TagChange {
                name: name.clone(),
                from: Some(*from),
                to: None,
            })
        });
        come.chain(gone)
    }
}
