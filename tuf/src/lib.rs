//! TUF, in the format of Notary: names, canonical JSON, keys, signatures, metadata, and whether an
//! update is to be believed.
//!
//! Nothing here does IO, reads a clock or logs: bytes, stored files and the time come in as values,
//! verdicts and files go out. A caller that publishes walks through these, in this order:
//!
//! 1. [`Uploaded::read`] for every part of an upload, [`Update::insert`] for each file;
//! 2. [`Update::needed`] says which stored files of the targets tree to bring along in [`Stored`];
//! 3. [`check`] judges; its [`Accepted`] holds the files to store and the [`Draft`]s that the
//!    server has to sign;
//! 4. [`Draft::seal`] turns signatures into a [`File`] again.
//!
//! [`walk`] is the other side: what a client finds that reads a repository from root down.

mod certificate;
mod client;
mod draft;
mod encoding;
mod envelope;
mod fault;
mod file;
mod gun;
mod key;
mod limits;
mod metadata;
mod private_key;
mod renewal;
mod role;
mod rules;
mod signature;
mod stored;
mod update;
mod upload;
mod view;
mod wire;

pub use client::{
    ClientFile, ClientOutcome, FileRequest, RootCertificate, SkippedDelegation, WalkError, walk,
};
pub use draft::{Draft, SealError};
pub use encoding::canonical;
pub use fault::{
    Base64Error, CanonicalError, CertificateDates, CertificateFault, Count, Damaged, DecodeError,
    DelegationFault, EnvelopeFault, Fault, MetaFault, Misreading, Place, ReadingFault,
    ReadingProblem, RootFault, SignatureFault, StructureFault, StructureProblem, SyntaxError,
    UpdateFault,
};
pub use file::{Checksums, File, MalformedJson};
pub use gun::{Gun, InvalidGun};
pub use key::{KeyId, KeyType, PublicKey};
pub use limits::Limits;
pub use metadata::{Root, SharedKey};
pub use private_key::{KeyAlgorithm, PrivateKey, SigningError, StoredKeyError};
pub use renewal::{renew_snapshot, renew_timestamp, role_keys, shared_keys};
pub use role::{DelegationName, InvalidRole, Role};
pub use signature::{Method, Signature};
pub use stored::{Stored, StoredFile};
pub use update::{
    Accepted, Change, Difference, Digest, MAX_VERSION_STEP, MOST_NAMED, MovedTag, Named, Refusal,
    Signer, Tag, Update, check,
};
pub use upload::{CheckedUpload, InvalidUpload, Uploaded};
pub use view::{Listed, SnapshotView, TimestampView};
pub use wire::MetadataFormat;
