//! What a snapshot or timestamp lists.

use std::collections::BTreeMap;

use crate::encoding::{canonical, json::Value};

/// What a snapshot or timestamp lists: the exact bytes of other files, by role.
pub(crate) type Meta = BTreeMap<String, MetaFile>;

/// The bytes of one file, as listed.
#[derive(Clone, Debug)]
pub(crate) struct MetaFile {
    /// As listed, of whatever length; `None` if not listed.
    pub(crate) sha256: Option<Vec<u8>>,
    /// As listed, of whatever length; `None` if not listed.
    pub(crate) sha512: Option<Vec<u8>>,
    /// Which version it has; `None` if not listed.
    pub(crate) version: Option<i64>,
    /// How many bytes the file has at most; `None` if the format does without and none is listed.
    pub(crate) length: Option<i64>,
    /// The whole entry, to be carried over into the next snapshot; empty if it was not kept.
    pub(crate) entry: Entry,
}

impl MetaFile {
    /// The SHA-256, if what is listed has its length.
    pub(crate) fn proper_sha256(&self) -> Option<[u8; 32]> {
        self.sha256.as_deref()?.try_into().ok()
    }
}

/// One entry of a snapshot or timestamp as its format spells it, to be carried over into the next
/// one with members that mean nothing here.
#[derive(Clone, Debug)]
pub(crate) struct Entry(pub(crate) Value<'static>);

impl Entry {
    /// Whether these are the same entry, down to members that mean nothing here. Entries without a
    /// canonical form are the same as none.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let form = |entry: &Self| canonical::message(&entry.0).ok();
        form(self).is_some_and(|own| form(other) == Some(own))
    }
}
