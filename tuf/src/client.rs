//! What a client does with a repository: from the root down, it believes nothing that is not
//! vouched for.
//!
//! [`walk`] reads stored bytes as a client would, for the check of a repository or of a backup. It
//! fails on what time cannot heal; what has merely expired is listed, since timestamps and
//! snapshots are renewed when they are served.

mod chain;
mod error;
mod outcome;
mod request;
mod signed;
mod source;
mod tree;
mod walk;

pub use chain::RootCertificate;
pub use error::WalkError;
pub use outcome::{ClientFile, ClientOutcome, SkippedDelegation};
pub use request::FileRequest;
pub(crate) use signed::SignedFile;
pub(crate) use source::request;
pub(crate) use tree::{verify_delegation, verify_targets};
pub use walk::walk;
pub(crate) use walk::{Followed, follow};
