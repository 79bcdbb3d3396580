//! TUF, in the format of Notary: names, canonical JSON, keys, signatures, metadata, and whether an
//! update is to be believed.
//!
//! Nothing here does IO, reads a clock or logs: bytes, stored files and the time come in as values,
//! verdicts and files go out. A caller that publishes walks through these, in this order:
//!
//! 1. [`Uploaded::read`] for every part of an upload, [`Update::insert`] for each file;
//! 2. [`Update::needed_roles`] says which stored files of the targets tree to bring along in
//!    [`Stored`];
//! 3. [`check`] judges; its [`Accepted`] holds the files to store and the [`Draft`]s that the
//!    server has to sign;
//! 4. [`Draft::seal`] turns signatures into a [`File`] again.
//!
//! [`walk`] is the other side: what a client finds that reads a repository from root down.
//! [`overview()`] tells operators what such a walk shows of a repository.

mod client;
mod encoding;
mod fault;
mod files;
mod gun;
mod history;
mod key;
mod metadata;
mod overview;
mod renewal;
mod role;
mod rules;
#[cfg(test)]
mod second_format;
mod update;
mod wire;
pub mod words;

pub use client::{
    ClientFile, ClientOutcome, FileRequest, RootCertificate, SkippedDelegation, WalkError, walk,
};
pub use encoding::canonical;
pub use fault::{
    Base64Error, CanonicalError, CertificateDates, CertificateFault, Count, Damaged, DecodeError,
    DelegationFault, EnvelopeFault, Fault, MalformedJson, MetaFault, Misreading, Place,
    ReadingFault, ReadingProblem, Refusal, RootFault, SharedKey, SignatureFault, StructureFault,
    StructureProblem, SyntaxError, UpdateFault,
};
pub use files::{
    CheckedUpload, Draft, File, InvalidUpload, Limits, Listed, Pair, Piece, SealError,
    SnapshotView, Stored, StoredFile, TimestampView, Uploaded,
};
pub use gun::{Gun, InvalidGun};
pub use history::{TagChange, TagVersion};
pub use key::{
    KeyAlgorithm, KeyId, KeyType, Method, PrivateKey, PublicKey, Signature, SigningError,
    StoredKeyError,
};
pub use metadata::{Checksums, Digest, Root};
pub use overview::{
    Inspection, Overview, Owner, Problem, ProblemKind, RoleOverview, Severity, SignerCertificate,
    SignerOverview, TagOverview, overview,
};
pub use renewal::{renew_snapshot, renew_timestamp, role_keys, shared_keys};
pub use role::{DelegationName, InvalidRole, Role};
pub use rules::version_step::MAX_VERSION_STEP;
pub use update::{
    Accepted, Change, Difference, MOST_NAMED, MovedTag, Named, Signer, Tag, Update, check,
};
pub use wire::MetadataFormat;
