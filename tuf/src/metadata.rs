//! The model of a metadata file, whatever format it was written in. Plain data: what it means is
//! for the rules to say.

mod checksums;
mod delegations;
mod envelope;
mod meta;
mod role_keys;
mod root;
mod target;

pub use checksums::Checksums;
pub(crate) use delegations::{Delegation, Delegations};
pub(crate) use envelope::{Body, Envelope, Statement};
pub(crate) use meta::{Entry, Meta, MetaFile};
pub(crate) use role_keys::RoleKeys;
pub use root::Root;
pub use target::Digest;
pub(crate) use target::Listing;
