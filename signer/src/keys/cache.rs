//! Keys that are ready to sign: few, for a while, and wiped when they go.
//!
//! A map under a lock instead of a concurrent cache: those drop entries some time after they
//! left, while here the last owner of a key wipes it at once.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{custody::SigningKey, keystore::KeyId, metrics};

/// Which part of a full cache pending keys may take: one in so many.
const PENDING_SHARE: usize = 10;

/// How much the cache may hold.
#[derive(Clone, Copy, Debug)]
pub struct CacheLimits {
    /// The most keys. Of those, one in ten may be pending once there is no room for more.
    pub keys: NonZeroUsize,
    /// How long a key stays after its last use.
    pub idle: Duration,
    /// How long a key stays at most, used or not: for so long a change by another signer on the
    /// same database may go unnoticed.
    pub age: Duration,
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self {
            keys: NonZeroUsize::new(10_000).expect("not zero"),
            idle: Duration::from_mins(15),
            age: Duration::from_hours(1),
        }
    }
}

/// A key that is ready to sign. Wiped when its last owner drops it.
pub struct OpenKey {
    /// The key.
    pub key: Arc<dyn SigningKey>,
    /// The role that it was made for.
    pub role: String,
    /// Whether the database knows that it has signed.
    used: AtomicBool,
}

impl OpenKey {
    /// A key that its custody just opened; `used` as its row says.
    #[must_use]
    pub fn new(key: Arc<dyn SigningKey>, role: String, used: bool) -> Self {
        Self {
            key,
            role,
            used: AtomicBool::new(used),
        }
    }

    /// Whether it never signed, as far as the database knows.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        !self.used.load(Ordering::Acquire)
    }

    /// The database knows now.
    pub fn set_used(&self) {
        self.used.store(true, Ordering::Release);
    }
}

/// Keys that are ready to sign, by id.
pub struct KeyCache {
    limits: CacheLimits,
    entries: Mutex<HashMap<KeyId, Entry>>,
    /// How often a key was removed; written while `entries` is locked.
    removals: AtomicU64,
    locks: KeyLocks,
}

struct Entry {
    key: Arc<OpenKey>,
    since: Instant,
    used: Instant,
}

impl Entry {
    fn is_stale(&self, limits: &CacheLimits, now: Instant) -> bool {
        now.saturating_duration_since(self.used) >= limits.idle
            || now.saturating_duration_since(self.since) >= limits.age
    }
}

impl KeyCache {
    /// An empty cache.
    #[must_use]
    pub fn new(limits: CacheLimits) -> Self {
        Self {
            limits,
            entries: Mutex::default(),
            removals: AtomicU64::default(),
            locks: KeyLocks::default(),
        }
    }

    /// The key called `id`, if it is here and fresh.
    pub fn get(&self, id: &KeyId, now: Instant) -> Option<Arc<OpenKey>> {
        let mut entries = self.entries();
        let entry = entries.get_mut(id)?;
        if entry.is_stale(&self.limits, now) {
            entries.remove(id);
            return None;
        }
        entry.used = now;
        Some(Arc::clone(&entry.key))
    }

    /// Keeps `key`; if there is no room, another one goes.
    pub fn insert(&self, id: KeyId, key: Arc<OpenKey>, now: Instant) {
        self.insert_into(&mut self.entries(), id, key, now);
    }

    /// Keeps `key`, which was made after `removals` was read; unless some key was removed since
    /// then, which may have been this one. Its id was not known before, so no lock could keep a
    /// deletion from coming between its row and this call.
    pub fn insert_new(&self, id: KeyId, key: Arc<OpenKey>, now: Instant, removals: u64) {
        let mut entries = self.entries();
        if self.removals() == removals {
            self.insert_into(&mut entries, id, key, now);
        }
    }

    /// How often a key was removed so far, for [`insert_new`](Self::insert_new).
    pub fn removals(&self) -> u64 {
        self.removals.load(Ordering::Acquire)
    }

    fn insert_into(
        &self,
        entries: &mut HashMap<KeyId, Entry>,
        id: KeyId,
        key: Arc<OpenKey>,
        now: Instant,
    ) {
        if entries.len() >= self.limits.keys.get()
            && !entries.contains_key(&id)
            && let Some(next) = self.choose_next_out(entries)
        {
            entries.remove(&next);
        }
        entries.insert(
            id,
            Entry {
                key,
                since: now,
                used: now,
            },
        );
        metrics::cache_size(entries.len());
    }

    /// The key that makes room: the one that was longest unused, of the pending ones if those have
    /// all of their share. A caller who may begin repositories can make thousands of keys, and
    /// they must not push out the keys that sign.
    fn choose_next_out(&self, entries: &HashMap<KeyId, Entry>) -> Option<KeyId> {
        let share = self.limits.keys.get().div_ceil(PENDING_SHARE);
        let pending = entries.values().filter(|entry| entry.key.is_pending());
        let is_full_of_pending = pending.count() >= share;
        let candidates = entries
            .iter()
            .filter(|(_, entry)| !is_full_of_pending || entry.key.is_pending());
        let next = candidates.min_by_key(|(_, entry)| entry.used);
        next.map(|(id, _)| id.clone())
    }

    /// Forgets the key called `id`.
    pub fn remove(&self, id: &KeyId) {
        let mut entries = self.entries();
        self.removals.fetch_add(1, Ordering::Release);
        entries.remove(id);
        metrics::cache_size(entries.len());
    }

    /// Forgets what has been here too long.
    pub fn sweep(&self, now: Instant) {
        let mut entries = self.entries();
        entries.retain(|_, entry| !entry.is_stale(&self.limits, now));
        metrics::cache_size(entries.len());
    }

    /// How many keys are here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries().len()
    }

    /// Whether no key is here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until no other task loads or deletes the key called `id`. Of many requests for one
    /// key, one opens it; and no key comes back into the cache while it is being deleted.
    pub async fn lock(&self, id: &KeyId) -> tokio::sync::MutexGuard<'_, ()> {
        self.locks.find(id).lock().await
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<KeyId, Entry>> {
        // Nothing panics while it holds the lock; if it did, the map would still be whole.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fixed number of locks shared by all keys: few keys share one, and none leaks.
struct KeyLocks {
    hasher: RandomState,
    locks: [tokio::sync::Mutex<()>; 64],
}

impl Default for KeyLocks {
    fn default() -> Self {
        let locks = std::array::from_fn(|_| tokio::sync::Mutex::default());
        Self {
            hasher: RandomState::new(),
            locks,
        }
    }
}

impl KeyLocks {
    fn find(&self, id: &KeyId) -> &tokio::sync::Mutex<()> {
        let count = u64::try_from(self.locks.len()).expect("64 fits");
        let index = usize::try_from(self.hasher.hash_one(id) % count).expect("below 64");
        &self.locks[index]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use async_trait::async_trait;
    use bytes::Bytes;
    use tuf::{KeyAlgorithm, PrivateKey, PublicKey};

    use super::*;
    use crate::custody::CustodyError;

    /// A key that is only kept.
    struct KeptKey(PrivateKey);

    #[async_trait]
    impl SigningKey for KeptKey {
        fn public(&self) -> &PublicKey {
            self.0.public()
        }

        async fn sign(&self, _: Bytes) -> Result<Vec<u8>, CustodyError> {
            unreachable!("a cache does not sign")
        }
    }

    fn cache(keys: usize) -> KeyCache {
        let keys = NonZeroUsize::new(keys).unwrap();
        let idle = Duration::from_secs(10);
        KeyCache::new(CacheLimits {
            keys,
            idle,
            age: Duration::from_secs(30),
        })
    }

    /// Puts a new key into `cache`; its last owner is the cache.
    fn put(cache: &KeyCache, now: Instant) -> (KeyId, Weak<OpenKey>) {
        let key = PrivateKey::generate(KeyAlgorithm::Ed25519).unwrap();
        let id = KeyId::from(key.public().id());
        let key = Arc::new(KeptKey(key));
        let key = Arc::new(OpenKey::new(key, "timestamp".to_owned(), false));
        let weak = Arc::downgrade(&key);
        cache.insert(id.clone(), key, now);
        (id, weak)
    }

    #[test]
    fn the_key_longest_unused_makes_room_and_is_dropped_at_once() {
        let (cache, start) = (cache(2), Instant::now());
        let (first, first_key) = put(&cache, start);
        let (_, second_key) = put(&cache, start + Duration::from_secs(1));
        cache.get(&first, start + Duration::from_secs(2)).unwrap();
        put(&cache, start + Duration::from_secs(3));
        assert_eq!(cache.len(), 2);
        assert!(second_key.upgrade().is_none(), "still in memory");
        assert!(first_key.upgrade().is_some());
    }

    #[test]
    fn pending_keys_push_out_no_more_than_their_share_of_those_that_sign() {
        let (cache, start) = (cache(20), Instant::now());
        let mut signing = Vec::new();
        for _ in 0..20 {
            let (_, key) = put(&cache, start);
            key.upgrade().unwrap().set_used();
            signing.push(key);
        }
        let still_open = |keys: &[Weak<OpenKey>]| {
            let open = keys.iter().filter(|key| key.upgrade().is_some());
            open.count()
        };
        let mut pending = Vec::new();
        for age in 1..50 {
            let (_, key) = put(&cache, start + Duration::from_millis(age));
            pending.push(key);
        }
        assert_eq!((still_open(&signing), still_open(&pending)), (18, 2));
        assert_eq!(still_open(&pending[47..]), 2, "the newest");
        // Keys that sign take the place of pending ones that had it while there was room.
        let cache = self::cache(20);
        let late = start + Duration::from_secs(2);
        let pending: Vec<_> = (0..20).map(|_| put(&cache, late).1).collect();
        for _ in 0..30 {
            let (_, key) = put(&cache, start + Duration::from_secs(1));
            key.upgrade().unwrap().set_used();
        }
        assert_eq!((cache.len(), still_open(&pending)), (20, 1));
    }

    #[test]
    fn a_key_leaves_when_it_is_not_used_and_when_it_is_old() {
        let (cache, start) = (cache(2), Instant::now());
        let (id, key) = put(&cache, start);
        for seconds in [9, 18, 27] {
            assert!(
                cache
                    .get(&id, start + Duration::from_secs(seconds))
                    .is_some(),
                "{seconds}"
            );
        }
        assert!(
            cache.get(&id, start + Duration::from_secs(30)).is_none(),
            "too old"
        );
        assert!(key.upgrade().is_none());
        let (_, idle) = put(&cache, start);
        cache.sweep(start + Duration::from_secs(10));
        assert!(idle.upgrade().is_none() && cache.is_empty());
    }

    #[test]
    fn a_removed_key_is_dropped_at_once() {
        let cache = cache(2);
        let (id, key) = put(&cache, Instant::now());
        cache.remove(&id);
        assert!(key.upgrade().is_none());
    }
}
