//! Trust data of repositories: publishing, reading and renewing it, the store it is kept in, and the
//! client of the signer that vouches for it.
//!
//! `publish, repository, renewal → cache, locks, store, signer → tuf`. Services decide and take the
//! time as a value; stores and signers do as told. Nothing here knows HTTP or who is calling.

pub mod cache;
pub mod clients;
pub mod locks;
pub mod memory;
mod metrics;
pub mod publish;
pub mod renewal;
pub mod repository;
pub mod signer;
pub mod store;

use std::sync::Arc;

use time::OffsetDateTime;

pub use metrics::describe_metrics;

use crate::{
    cache::MetadataCache, locks::GunLocks, memory::MemoryLimits, signer::Signer, store::TrustStore,
};

/// What time it is; tests bring their own.
pub type Clock = Arc<dyn Fn() -> OffsetDateTime + Send + Sync>;

/// Everything that publishing, reading and renewing work with; cheap to clone.
#[derive(Clone)]
pub struct Repositories {
    /// Where trust data is kept.
    pub store: Arc<dyn TrustStore>,
    /// Who signs snapshots and timestamps.
    pub signer: Arc<dyn Signer>,
    /// What this process remembers.
    pub cache: Arc<MetadataCache>,
    /// One publish or renewal of a GUN at a time.
    pub locks: Arc<GunLocks>,
    /// How much memory stored files may take while they are read.
    pub memory: Arc<MemoryLimits>,
    /// What time it is.
    pub clock: Clock,
}

impl Repositories {
    /// The time of this moment.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        (self.clock)()
    }
}
