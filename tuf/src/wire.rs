//! The spellings of the metadata model: how each metadata format writes it.
//!
//! Everything that knows member names, `_type` names, the grammar of role names, how keys and
//! hashes are encoded, or the words in which clients are refused, is in here. A format is one
//! implementation of [`Spelling`]; everything else goes through a [`MetadataFormat`].

mod notary;
#[cfg(test)]
mod sketch;

use std::{collections::BTreeMap, fmt};

use time::OffsetDateTime;

use crate::{
    File, InvalidRole, KeyId, Method, Role,
    encoding::{
        canonical,
        json::{Count, DecodeError, ReadingFault, Sizes, Value},
    },
    envelope::{Checked, Envelope},
    fault::Fault,
    metadata::{Delegations, Meta, Root},
    update::Listing,
};

/// The metadata format of a repository. All of its files are in one.
#[derive(Clone, Copy)]
pub struct MetadataFormat(&'static dyn Spelling);

/// What a metadata format is.
pub(crate) trait Spelling: Sync {
    /// What the format is called.
    fn name(&self) -> &'static str;

    /// Whether an uploaded file is in this format.
    fn recognises(&self, bytes: &[u8]) -> bool;

    /// Whether `name` can be that of a role below targets.
    fn is_delegation(&self, name: &str) -> bool;

    /// Reads a file, if no more than `most` values have to be kept while it is read.
    ///
    /// An error means that it is no envelope. Faults that are told later are left in the envelope.
    fn read(&self, role: &Role, bytes: &[u8], most: usize) -> Result<Envelope, DecodeError>;

    /// Reads what a stored snapshot or timestamp lists, without what verifying it or making its
    /// successor takes.
    fn read_listing(&self, role: &Role, bytes: &[u8]) -> Result<Envelope, DecodeError>;

    /// Reads nothing but the version of a file that was validated when it was stored.
    fn read_version(&self, bytes: &[u8]) -> Result<i64, DecodeError>;

    /// Checks that every reader finds the same in a file, and that clients can decode it; `most`
    /// bounds how many there are of each, which is the answer.
    fn check_reading(
        &self,
        role: &Role,
        bytes: &[u8],
        most: &dyn Fn(Count) -> usize,
    ) -> Result<Sizes, ReadingFault>;

    /// How many there are of what is limited in an upload; `None` if the bytes are not JSON.
    fn measure(&self, role: &Role, bytes: &[u8]) -> Option<Sizes>;

    /// The root in a file, if it is whole.
    fn check_root<'e>(&self, file: Checked<'e>) -> Result<&'e Root, Fault>;

    /// The delegations in a file of the targets tree, if it is whole.
    fn check_targets<'e>(&self, file: Checked<'e>) -> Result<&'e Delegations, Fault>;

    /// What a snapshot or timestamp lists, if it is whole.
    fn check_meta<'e>(&self, file: Checked<'e>) -> Result<&'e Meta, Fault>;

    /// The parts of a file by which changes are found; `None` if it cannot be read.
    fn parts(&self, role: &Role, bytes: &[u8]) -> Option<Parts>;

    /// Tells `each` of the targets that the text of a file lists; `None` if it cannot be read.
    fn each_target(&self, text: &str, each: &mut dyn FnMut(Listing<'_>)) -> Option<()>;

    /// The entry under which a snapshot or timestamp lists `file`.
    fn entry(&self, file: &File) -> Entry;

    /// Composes the signed part of a snapshot or timestamp that lists `meta`.
    fn compose(
        &self,
        role: &Role,
        version: i64,
        expires: OffsetDateTime,
        meta: BTreeMap<String, Entry>,
    ) -> Composed;

    /// The whole file that `composed` and its signatures make.
    fn seal(&self, composed: &Composed, signatures: &[(KeyId, Method, Vec<u8>)]) -> Vec<u8>;

    /// `fault` in the words that the format's clients know.
    fn words(&self, fault: &Fault) -> String;
}

/// The signed part of a file to be, in both of its spellings.
#[derive(Clone)]
pub(crate) struct Composed {
    /// The canonical bytes that are signed.
    pub(crate) message: Vec<u8>,
    /// What the file holds; differs from `message` only where names hold characters that JSON or Go
    /// escape.
    text: Vec<u8>,
}

/// One entry of a snapshot or timestamp as its format spells it, to be carried over into the next
/// one with members that mean nothing here.
#[derive(Clone, Debug)]
pub(crate) struct Entry(Value<'static>);

impl Entry {
    /// Whether these are the same entry, down to members that mean nothing here. Entries without a
    /// canonical form are the same as none.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let form = |entry: &Self| canonical::message(&entry.0).ok();
        form(self).is_some_and(|own| form(other) == Some(own))
    }
}

/// What of a file may change.
pub(crate) struct Parts {
    /// SHA-256 of the targets that it lists; `None` if there are none.
    pub(crate) targets: Option<Vec<u8>>,
    /// Everything else that is not known to be harmless, in canonical form; `None` if it has none.
    pub(crate) rest: Option<Vec<u8>>,
}

impl MetadataFormat {
    /// The format of Notary 0.7, which Docker speaks.
    pub const NOTARY: Self = Self(&notary::Notary);

    /// All formats that this crate knows.
    const ALL: [Self; 1] = [Self::NOTARY];

    /// What the format is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The format of that [name](Self::name).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Reads the name of a role of the format. [`Role::parse`] takes the names of all formats.
    pub fn role(self, name: &str) -> Result<Role, InvalidRole> {
        let role = Role::parse(name)?;
        let is_foreign = matches!(role, Role::Delegation(_)) && !self.0.is_delegation(name);
        if is_foreign {
            return Err(InvalidRole::new(name));
        }
        Ok(role)
    }

    /// `fault` in the words that clients of the format know.
    #[must_use]
    pub fn words(self, fault: &Fault) -> String {
        self.0.words(fault)
    }

    /// The format of an uploaded file: Notary's, if no other recognises it.
    pub(crate) fn of_upload(bytes: &[u8]) -> Self {
        let found = Self::ALL
            .into_iter()
            .find(|format| format.0.recognises(bytes));
        found.unwrap_or(Self::NOTARY)
    }

    /// Whether any format lets a role below targets have this name.
    pub(crate) fn any_has_delegation(name: &str) -> bool {
        Self::ALL.iter().any(|format| format.0.is_delegation(name))
    }

    pub(crate) fn spelling(self) -> &'static dyn Spelling {
        self.0
    }
}

/// Every repository has it, until another format is noted for it.
impl Default for MetadataFormat {
    fn default() -> Self {
        Self::NOTARY
    }
}

impl PartialEq for MetadataFormat {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for MetadataFormat {}

impl fmt::Debug for MetadataFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
