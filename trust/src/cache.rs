//! What this process remembers of metadata, bounded in bytes.
//!
//! Two memories. Files by GUN, role and checksum: immutable, so never stale; leaving GUN or role
//! out of the key would let a reader of one repository fetch the files of another. And, for each
//! GUN, the [`View`] that its newest timestamp opens; it is used only while that timestamp is still
//! the newest, which every read asks the store.
//!
//! A deletion must not be undone by a reader that began before it: readers put files in through a
//! [`Ticket`] that a deletion voids.

use std::{
    sync::{
        Arc, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use moka::sync::Cache;
use time::OffsetDateTime;
use tuf::{Gun, Listed, Role};

use crate::{
    locks::GunLocks,
    store::{Head, StoredMetadata},
};

/// What a repository looks like from its newest timestamp.
#[derive(Debug)]
pub struct View {
    /// Names the timestamp.
    pub head: Head,
    /// The timestamp itself.
    pub timestamp: StoredMetadata,
    /// When it expires.
    pub timestamp_expires: OffsetDateTime,
    /// SHA-256 of the snapshot it names.
    pub snapshot: [u8; 32],
    /// When that snapshot expires.
    pub snapshot_expires: OffsetDateTime,
    /// SHA-256 of each role that the snapshot lists.
    pub listed: Listed,
}

impl View {
    /// The checksum under which `role` is current.
    pub fn checksum(&self, role: &Role) -> Option<[u8; 32]> {
        match role {
            Role::Timestamp => Some(self.head.sha256),
            Role::Snapshot => Some(self.snapshot),
            role => self.listed.sha256(role.as_str()),
        }
    }

    fn weight(&self) -> usize {
        size_of::<Self>() + self.timestamp.bytes.len() + self.listed.memory()
    }
}

type FileKey = (Gun, Role, [u8; 32]);

/// How long files are remembered if they are not served unasked.
const LIFETIME: Duration = Duration::from_hours(1);

/// The memory of one process.
#[derive(Debug)]
pub struct MetadataCache {
    files: Cache<FileKey, StoredMetadata>,
    views: Cache<Gun, Arc<View>>,
    deletions: AtomicU64,
    gate: RwLock<()>,
    is_trusted: bool,
    /// One load of a file at a time: a large one would otherwise be in memory for each of its
    /// readers.
    pub(crate) loads: GunLocks,
}

/// The right to remember what was read, as long as nothing was deleted since it was issued.
#[derive(Clone, Copy, Debug)]
pub struct Ticket(u64);

impl MetadataCache {
    /// A memory of at most `bytes`, the larger part for files.
    ///
    /// For `unasked`, a file is served by checksum without asking the store whether it is still
    /// there; with zero the store is always asked.
    #[must_use]
    pub fn new(bytes: u64, unasked: Duration) -> Self {
        let lifetime = if unasked.is_zero() { LIFETIME } else { unasked };
        let weigh = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        Self {
            files: Cache::builder()
                .max_capacity(bytes / 4 * 3)
                .weigher(move |(gun, ..): &FileKey, file: &StoredMetadata| {
                    weigh(file.bytes.len() + gun.as_str().len() + 160)
                })
                .time_to_live(lifetime)
                .support_invalidation_closures()
                .build(),
            views: Cache::builder()
                .max_capacity(bytes / 4)
                .weigher(move |_: &Gun, view: &Arc<View>| weigh(view.weight()))
                .build(),
            deletions: AtomicU64::new(0),
            gate: RwLock::new(()),
            is_trusted: !unasked.is_zero(),
            loads: GunLocks::default(),
        }
    }

    /// Whether what is remembered may be served without asking the store.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.is_trusted
    }

    /// To be taken before reading what may be remembered.
    pub fn ticket(&self) -> Ticket {
        Ticket(self.deletions.load(Ordering::Acquire))
    }

    /// A file, if remembered.
    pub fn file(&self, gun: &Gun, role: &Role, sha256: &[u8; 32]) -> Option<StoredMetadata> {
        let found = self.files.get(&(gun.clone(), role.clone(), *sha256));
        count("file", found.is_some());
        found
    }

    /// Remembers a file.
    pub fn keep_file(
        &self,
        ticket: Ticket,
        gun: &Gun,
        role: &Role,
        sha256: [u8; 32],
        file: &StoredMetadata,
    ) {
        self.keep(ticket, || {
            self.files
                .insert((gun.clone(), role.clone(), sha256), file.clone());
        });
    }

    /// The view that the timestamp `head` opens, if remembered.
    pub fn view(&self, gun: &Gun, head: &Head) -> Option<Arc<View>> {
        let found = self.views.get(gun).filter(|view| view.head == *head);
        count("view", found.is_some());
        found
    }

    /// Remembers a view, in place of an older one.
    pub fn keep_view(&self, ticket: Ticket, gun: &Gun, view: &Arc<View>) {
        self.keep(ticket, || self.views.insert(gun.clone(), view.clone()));
    }

    /// Forgets everything about a GUN, and voids every ticket. To be called after the deletion was
    /// stored and before it is acknowledged.
    pub fn forget(&self, gun: &Gun) {
        let _gate = self
            .gate
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        self.deletions.fetch_add(1, Ordering::AcqRel);
        self.views.invalidate(gun);
        let gun = gun.clone();
        self.files
            .invalidate_entries_if(move |(name, ..), _| *name == gun)
            .expect("the cache was built with support for invalidation closures");
    }

    fn keep(&self, ticket: Ticket, insert: impl FnOnce()) {
        let _gate = self
            .gate
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if self.deletions.load(Ordering::Acquire) == ticket.0 {
            insert();
        }
    }

    /// Bytes in use, as far as the cache has counted them, for metrics.
    pub fn bytes(&self) -> u64 {
        self.files.weighted_size() + self.views.weighted_size()
    }
}

fn count(kind: &'static str, hit: bool) {
    let outcome = if hit { "hit" } else { "miss" };
    metrics::counter!("notary_server_cache_lookups_total", "kind" => kind, "outcome" => outcome)
        .increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &'static [u8]) -> StoredMetadata {
        StoredMetadata {
            bytes: bytes::Bytes::from_static(bytes),
            created_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    fn gun(name: &str) -> Gun {
        Gun::parse(name).unwrap()
    }

    #[test]
    fn a_file_is_found_under_its_own_gun_and_role_only() {
        let cache = MetadataCache::new(1 << 20, Duration::ZERO);
        cache.keep_file(cache.ticket(), &gun("a"), &Role::Root, [1; 32], &file(b"x"));
        assert!(cache.file(&gun("a"), &Role::Root, &[1; 32]).is_some());
        assert!(cache.file(&gun("b"), &Role::Root, &[1; 32]).is_none());
        assert!(cache.file(&gun("a"), &Role::Targets, &[1; 32]).is_none());
    }

    #[test]
    fn a_reader_that_began_before_a_deletion_cannot_undo_it() {
        let cache = MetadataCache::new(1 << 20, Duration::ZERO);
        let before = cache.ticket();
        cache.keep_file(before, &gun("a"), &Role::Root, [1; 32], &file(b"x"));
        cache.forget(&gun("a"));
        assert!(cache.file(&gun("a"), &Role::Root, &[1; 32]).is_none());
        cache.keep_file(before, &gun("a"), &Role::Root, [1; 32], &file(b"x"));
        assert!(cache.file(&gun("a"), &Role::Root, &[1; 32]).is_none());
    }

    #[test]
    fn it_holds_no_more_bytes_than_it_may() {
        let cache = MetadataCache::new(64 << 10, Duration::ZERO);
        for n in 0..1000_u32 {
            let mut sum = [0; 32];
            sum[..4].copy_from_slice(&n.to_be_bytes());
            cache.keep_file(
                cache.ticket(),
                &gun("a"),
                &Role::Targets,
                sum,
                &file(&[0; 1024]),
            );
        }
        cache.files.run_pending_tasks();
        assert!(cache.bytes() <= 64 << 10, "{}", cache.bytes());
    }
}
