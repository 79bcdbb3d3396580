//! Looking for repositories that clients cannot read, so that operators hear of them before users
//! do.
//!
//! What is uploaded is checked for it. What Notary stored, or a Notary server that runs beside this
//! one stores, is not.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
};

use tuf::{Gun, WalkError};

use crate::{Repositories, clients, store::Aging};

/// How many repositories are inspected in one walk: each means reading all of its current files.
const INSPECTIONS: u32 = 1_000;

/// How many inspections are remembered, at a few bytes each.
const REMEMBERED: usize = 1_000_000;

/// Inspects each repository once, and again after its timestamp changed; one that clients cannot
/// read, in every walk.
#[derive(Default)]
pub(super) struct Inspector {
    hasher: RandomState,
    /// Hashes of names and of when the timestamps were made.
    inspected: HashSet<u64>,
    /// How many inspections are left in this walk.
    left: u32,
    /// How many repositories of this walk clients cannot read.
    unreadable: u32,
}

impl Inspector {
    /// Begins a walk.
    pub(super) fn begin(&mut self) {
        self.left = INSPECTIONS;
        self.unreadable = 0;
        if self.inspected.len() > REMEMBERED {
            self.inspected.clear();
        }
    }

    /// Warns if clients cannot read the repository.
    pub(super) async fn inspect(&mut self, repositories: &Repositories, aging: &Aging) {
        let Some(gun) = &aging.gun else { return };
        let fingerprint = self.hasher.hash_one((&aging.name, aging.created_at));
        if self.left == 0 || self.inspected.contains(&fingerprint) {
            return;
        }
        self.left -= 1;
        if is_readable(repositories, gun).await {
            self.inspected.insert(fingerprint);
        } else {
            self.unreadable += 1;
        }
    }

    /// Ends a walk.
    pub(super) fn end(&self) {
        metrics::gauge!("notary_server_unreadable_repositories").set(f64::from(self.unreadable));
    }
}

async fn is_readable(repositories: &Repositories, gun: &Gun) -> bool {
    let walked = clients::walk_stored(
        repositories.store.clone(),
        &repositories.memory.snapshot_line(),
        gun,
        repositories.now(),
    )
    .await;
    // Anything else that is wrong may be a publish or a deletion meanwhile.
    let Ok(Err(error @ WalkError::Unreadable { .. })) = walked else {
        return true;
    };
    let cure = error.cure();
    tracing::warn!(%gun, %error, cure, "clients cannot read a repository");
    false
}
