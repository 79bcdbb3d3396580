//! What it takes to read and write files of a metadata format.

use std::collections::BTreeMap;

use bytes::Bytes;
use time::OffsetDateTime;

use super::conventions::Conventions;
use crate::{
    encoding::json::{Count, DecodeError, ReadingFault, Sizes},
    fault::Fault,
    key::{KeyId, Method},
    metadata::{Checksums, Delegations, Entry, Envelope, Listing, Meta, Root, Statement},
    role::Role,
};

/// What a metadata format is.
pub(crate) trait Spelling: Sync {
    /// What the format is called.
    fn name(&self) -> &'static str;

    /// Whether an uploaded file is in this format.
    fn recognises(&self, bytes: &[u8]) -> bool;

    /// The rules that the format has of its own.
    fn conventions(&self) -> &'static dyn Conventions;

    /// Whether `name` can be that of a role below targets.
    fn is_delegation(&self, name: &str) -> bool;

    /// Reads a file, if no more than `most` values have to be kept while it is read.
    ///
    /// An error means that it is no envelope. Faults that are told later are left in the envelope.
    fn read(&self, role: &Role, bytes: &Bytes, most: usize) -> Result<Envelope, DecodeError>;

    /// The same of a stored file, without what only making its successor takes.
    fn read_to_verify(&self, role: &Role, bytes: &Bytes) -> Result<Envelope, DecodeError> {
        self.read(role, bytes, usize::MAX)
    }

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
    fn check_root<'e>(&self, file: Statement<'e>) -> Result<&'e Root, Fault>;

    /// The delegations in a file of the targets tree, if it is whole.
    fn check_targets<'e>(&self, file: Statement<'e>) -> Result<&'e Delegations, Fault>;

    /// What a snapshot or timestamp lists, if it is whole.
    fn check_meta<'e>(&self, file: Statement<'e>) -> Result<&'e Meta, Fault>;

    /// The parts of a file by which changes are found; `None` if it cannot be read.
    fn parts(&self, role: &Role, bytes: &[u8]) -> Option<Parts>;

    /// Tells `each` of the targets that the text of a file lists; `None` if it cannot be read.
    fn each_target(&self, text: &str, each: &mut dyn FnMut(Listing<'_>)) -> Option<()>;

    /// The beginnings of the names that each role below may list, as a file that was checked says;
    /// `None` if it cannot be read.
    fn paths(&self, bytes: &[u8]) -> Option<BTreeMap<String, Vec<String>>>;

    /// The entry under which a snapshot or timestamp lists a file.
    fn entry(&self, version: i64, checksums: &Checksums) -> Entry;

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
    pub(crate) text: Vec<u8>,
}

/// What of a file may change.
pub(crate) struct Parts {
    /// SHA-256 of the targets that it lists; `None` if there are none.
    pub(crate) targets: Option<Vec<u8>>,
    /// Everything else that is not known to be harmless, in canonical form; `None` if it has none.
    pub(crate) rest: Option<Vec<u8>>,
}
