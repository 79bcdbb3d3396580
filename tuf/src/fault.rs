//! What can be wrong with a file, as values. What a client is told is for its format to say, in
//! [`MetadataFormat::words`](crate::MetadataFormat::words). The texts here are for logs and
//! operators.

mod certificate;
mod delegation;
mod envelope;
mod file;
mod meta;
mod refusal;
mod root;
mod signatures;
mod structure;
mod update;

pub(crate) use certificate::MIN_RSA_BITS;
pub use certificate::{CertificateDates, CertificateFault};
pub use delegation::DelegationFault;
pub use envelope::{EnvelopeFault, MalformedJson};
pub use file::{Damaged, Fault};
pub use meta::MetaFault;
pub use refusal::Refusal;
pub use root::{RootFault, SharedKey};
pub use signatures::SignatureFault;
pub use structure::{StructureFault, StructureProblem};
pub use update::UpdateFault;

pub use crate::encoding::{
    base64::Base64Error,
    canonical::CanonicalError,
    json::{Count, DecodeError, Misreading, Place, ReadingFault, ReadingProblem, SyntaxError},
};
