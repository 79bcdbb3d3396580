//! What this process remembers of metadata, bounded in bytes.
//!
//! Two memories. Files by GUN, role and checksum: immutable, so never stale; leaving GUN or role
//! out of the key would let a reader of one repository fetch the files of another. And, for each
//! GUN, what its newest timestamp opens (a [`View`]), or that it has none.
//!
//! Both can become untrue, so each GUN has two counters (several GUNs share them): of deletions,
//! and of everything that may have changed it. What is remembered carries the count of the moment
//! before it was asked for, and counts only while that is still the count: a file until the next
//! deletion, what is current until the next change. So an answer that was asked for before that
//! never counts, however late it comes, and what is current never takes the place of what is newer.
//! Readers bring that moment along as a [`Ticket`].
//!
//! Nothing depends on the moment at which an entry leaves the cache underneath: that only gives
//! memory back.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use moka::{ops::compute::Op, sync::Cache};
use time::OffsetDateTime;
use tuf::{Gun, Listed, Role};

use crate::{
    either::Either,
    locks::GunLocks,
    store::{Change, Head, StoredMetadata},
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

    /// Whether its timestamp or its snapshot has expired.
    #[must_use]
    pub fn is_expired(&self, now: OffsetDateTime) -> bool {
        self.timestamp_expires < now || self.snapshot_expires < now
    }

    fn weight(&self) -> usize {
        size_of::<Self>() + self.timestamp.bytes.len() + self.listed.memory()
    }
}

/// What is remembered of a GUN.
#[derive(Clone, Debug)]
pub enum Remembered {
    /// It has no trust data.
    Absent,
    /// It has a repository.
    Repository(Arc<View>),
}

impl Remembered {
    /// The repository, if there is one.
    #[must_use]
    pub fn view(&self) -> Option<&Arc<View>> {
        match self {
            Self::Absent => None,
            Self::Repository(view) => Some(view),
        }
    }

    fn weight(&self) -> usize {
        self.view().map_or(0, |view| view.weight())
    }
}

/// How often something happened to a GUN, and to everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Stamp {
    everything: u64,
    gun: u64,
}

/// How often something happened.
#[derive(Debug, Default)]
struct Counters {
    /// Deletions.
    deletions: AtomicU64,
    /// Whatever may have changed what is current.
    changes: AtomicU64,
}

/// A file that is remembered.
#[derive(Clone)]
struct Kept {
    /// It counts while so many deletions are known of the GUN.
    deletions: Stamp,
    file: StoredMetadata,
}

/// What is remembered of a GUN, and since when.
#[derive(Clone, Debug)]
struct Entry {
    /// It counts while so many changes are known of the GUN.
    stamp: Stamp,
    /// A moment before the database was asked for it.
    asked: Instant,
    /// When this process came to know it: a moment after the database answered.
    known: Instant,
    what: Remembered,
}

impl Entry {
    /// Keeps the moment from which `old` was known, if both are of the same timestamp.
    fn known_as(mut self, old: &Self) -> Self {
        if let (Some(new), Some(before)) = (self.what.view(), old.what.view())
            && new.head == before.head
        {
            self.known = old.known;
        }
        self
    }
}

type FileKey = (Gun, Role, [u8; 32]);

/// How long files are remembered.
const LIFETIME: Duration = Duration::from_hours(1);

/// How long what is remembered of a GUN counts before the database is asked for it again, whatever
/// the changefeed says: rows may have been changed by hand, or by servers that write no feed.
pub const CONFIRMATION: Duration = Duration::from_secs(10);

/// How long the files of a repository are served without a question after the repository was seen.
/// So long may a deletion by another server go unnoticed by those who know a checksum.
pub const SIGHT: Duration = Duration::from_secs(1);

/// How many GUNs have counters of their own; the others share them, and what changes one of them is
/// asked for again for all.
const COUNTERS: usize = 1 << 15;

/// A clock that no correction moves; tests bring their own.
pub type SteadyClock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// The memory of one process.
pub struct MetadataCache {
    files: Cache<FileKey, Kept>,
    guns: Cache<Gun, Entry>,
    everything: Counters,
    of_guns: Box<[Counters]>,
    hasher: RandomState,
    clock: SteadyClock,
    file_lookups: Either,
    head_lookups: Either,
    /// One load of a file at a time: a large one would otherwise be in memory for each of its
    /// readers.
    pub(crate) loads: GunLocks,
    /// One question for the newest timestamp of a GUN at a time, which answers all who wait for it.
    pub(crate) questions: GunLocks,
}

/// The right to remember what was read, as long as nothing changed since it was issued.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    stamp: Stamp,
    deletions: Stamp,
    asked: Instant,
}

impl MetadataCache {
    /// A memory of at most `bytes`, the larger part for files.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        let weigh = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        Self {
            files: Cache::builder()
                .max_capacity(bytes / 4 * 3)
                .weigher(move |(gun, ..): &FileKey, kept: &Kept| {
                    weigh(kept.file.bytes.len() + gun.as_str().len() + 176)
                })
                .time_to_live(LIFETIME)
                .build(),
            guns: Cache::builder()
                .max_capacity(bytes / 4)
                .weigher(move |gun: &Gun, entry: &Entry| {
                    weigh(entry.what.weight() + gun.as_str().len() + 240)
                })
                .build(),
            everything: Counters::default(),
            of_guns: (0..COUNTERS).map(|_| Counters::default()).collect(),
            hasher: RandomState::new(),
            clock: Arc::new(Instant::now),
            file_lookups: Either::default(),
            head_lookups: Either::default(),
            loads: GunLocks::default(),
            questions: GunLocks::default(),
        }
    }

    /// The same memory with another clock.
    #[must_use]
    pub fn with_clock(self, clock: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        Self {
            clock: Arc::new(clock),
            ..self
        }
    }

    /// The moment, by the clock that decides how old something is.
    #[must_use]
    pub fn now(&self) -> Instant {
        (self.clock)()
    }

    /// To be taken before reading what may be remembered of `gun`, and before storing what will be.
    pub fn ticket(&self, gun: &Gun) -> Ticket {
        Ticket {
            stamp: self.stamp(gun),
            deletions: self.deletions(gun),
            asked: self.now(),
        }
    }

    /// A file, if remembered.
    pub fn file(&self, gun: &Gun, role: &Role, sha256: &[u8; 32]) -> Option<StoredMetadata> {
        let found = self.kept(gun, role, sha256);
        count(&self.file_lookups, "file", found.is_some());
        found.map(|kept| kept.file)
    }

    fn kept(&self, gun: &Gun, role: &Role, sha256: &[u8; 32]) -> Option<Kept> {
        let deletions = self.deletions(gun);
        self.files
            .get(&(gun.clone(), role.clone(), *sha256))
            .filter(|kept| kept.deletions == deletions)
    }

    /// Counts whether what is current of a repository was remembered.
    pub(crate) fn count_head(&self, is_hit: bool) {
        count(&self.head_lookups, "head", is_hit);
    }

    /// Whether a file is remembered.
    pub fn holds_file(&self, gun: &Gun, role: &Role, sha256: &[u8; 32]) -> bool {
        self.kept(gun, role, sha256).is_some()
    }

    /// Remembers a file, unless the repository was deleted since the ticket was issued.
    pub fn keep_file(
        &self,
        ticket: Ticket,
        gun: &Gun,
        role: &Role,
        sha256: [u8; 32],
        file: &StoredMetadata,
    ) {
        if self.deletions(gun) == ticket.deletions {
            let kept = Kept {
                deletions: ticket.deletions,
                file: file.clone(),
            };
            self.files.insert((gun.clone(), role.clone(), sha256), kept);
        }
    }

    /// What is remembered of `gun`, whether or not that is confirmed.
    pub fn remembered(&self, gun: &Gun) -> Option<Remembered> {
        self.guns.get(gun).map(|entry| entry.what)
    }

    /// The view that the timestamp `head` opens, if remembered; it is the same for ever.
    pub fn view(&self, gun: &Gun, head: &Head) -> Option<Arc<View>> {
        let remembered = self.remembered(gun)?;
        remembered.view().filter(|view| view.head == *head).cloned()
    }

    /// What was confirmed of `gun` and not changed since, as far as this process was told, and the
    /// moment before the database was asked. It counts for [`CONFIRMATION`].
    pub fn confirmed(&self, gun: &Gun) -> Option<(Remembered, Instant)> {
        let entry = self.confirmed_entry(gun)?;
        Some((entry.what, entry.asked))
    }

    /// The same, however long ago it was.
    pub fn undoubted(&self, gun: &Gun) -> Option<(Remembered, Instant)> {
        let entry = self.undoubted_entry(gun)?;
        Some((entry.what, entry.asked))
    }

    /// Since when the repository is known that is confirmed of `gun`. A poll that began later has
    /// told of everything that happened to the name before.
    pub fn known_since(&self, gun: &Gun) -> Option<Instant> {
        let entry = self.confirmed_entry(gun)?;
        entry.what.view().map(|_| entry.known)
    }

    fn confirmed_entry(&self, gun: &Gun) -> Option<Entry> {
        let now = self.now();
        self.undoubted_entry(gun)
            .filter(|entry| now.saturating_duration_since(entry.asked) < CONFIRMATION)
    }

    fn undoubted_entry(&self, gun: &Gun) -> Option<Entry> {
        self.guns
            .get(gun)
            .filter(|entry| entry.stamp == self.stamp(gun))
    }

    /// Remembers what the database answered to a question that was asked after the ticket was
    /// issued, unless `gun` has changed since.
    pub fn keep(&self, ticket: Ticket, gun: &Gun, what: Remembered) {
        if ticket.stamp == self.stamp(gun) {
            self.put(gun, ticket.stamp, ticket.asked, what);
        }
    }

    /// Remembers `view`, which this process has just published on top of `base`. To be called after
    /// the commit and before it is acknowledged; the ticket is from before the transaction began.
    /// What was asked for before that is void from now on. If something else changed `gun` since the
    /// ticket was issued, the database is asked what is current; only a publish may build on it.
    pub fn keep_published(&self, ticket: Ticket, gun: &Gun, base: Option<&Head>, view: &Arc<View>) {
        let everything = self.everything.changes.load(Ordering::Acquire);
        let before = self.counters(gun).changes.fetch_add(1, Ordering::AcqRel);
        let last = Stamp {
            everything,
            gun: before,
        };
        if ticket.stamp == last {
            let stamp = Stamp {
                gun: before + 1,
                ..last
            };
            self.put(
                gun,
                stamp,
                ticket.asked,
                Remembered::Repository(Arc::clone(view)),
            );
        } else if ticket.deletions == self.deletions(gun) {
            let new = Entry {
                stamp: ticket.stamp,
                asked: ticket.asked,
                known: self.now(),
                what: Remembered::Repository(Arc::clone(view)),
            };
            self.guns.entry_by_ref(gun).and_compute_with(|old| {
                let old = old.as_ref().and_then(|old| old.value().what.view());
                if old.map(|old| &old.head) == base {
                    Op::Put(new)
                } else {
                    Op::Nop
                }
            });
        }
    }

    /// Takes note that `gun` may have changed: the database is asked before its memory counts
    /// again.
    pub fn doubt(&self, gun: &Gun) {
        self.counters(gun).changes.fetch_add(1, Ordering::AcqRel);
    }

    /// Takes note that everything may have changed.
    pub fn doubt_all(&self) {
        self.everything.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// Takes note of a line of the changefeed that was not seen before.
    pub fn notice(&self, change: &Change) {
        let Ok(gun) = Gun::parse(&change.gun) else {
            return;
        };
        let mut sha256 = [0; 32];
        if change.is_deletion() {
            self.forget(&gun);
        } else if hex::decode_to_slice(&change.sha256, &mut sha256).is_ok() {
            self.notice_timestamp(&gun, change.version, &sha256);
        } else {
            self.doubt(&gun);
        }
    }

    /// Takes note that `gun` got this timestamp. If it is the one that is remembered, that counts
    /// on; what was asked for meanwhile is void all the same, since it may be older.
    pub fn notice_timestamp(&self, gun: &Gun, version: i64, sha256: &[u8; 32]) {
        let before = Stamp {
            everything: self.everything.changes.load(Ordering::Acquire),
            gun: self.counters(gun).changes.fetch_add(1, Ordering::AcqRel),
        };
        let after = Stamp {
            gun: before.gun + 1,
            ..before
        };
        let is_remembered = |entry: &Entry| {
            let view = entry.what.view();
            entry.stamp == before
                && view
                    .is_some_and(|view| view.head.version == version && view.head.sha256 == *sha256)
        };
        self.guns.entry_by_ref(gun).and_compute_with(|entry| {
            let entry = entry.map(moka::Entry::into_value);
            match entry.filter(is_remembered) {
                Some(entry) => Op::Put(Entry {
                    stamp: after,
                    ..entry
                }),
                None => Op::Nop,
            }
        });
    }

    /// Forgets everything about a GUN, and voids the tickets for it. To be called after a deletion
    /// was stored and before it is acknowledged.
    pub fn forget(&self, gun: &Gun) {
        self.counters(gun).deletions.fetch_add(1, Ordering::AcqRel);
        self.doubt(gun);
        self.guns.invalidate(gun);
    }

    /// Forgets everything, and voids every ticket.
    pub fn forget_all(&self) {
        self.everything.deletions.fetch_add(1, Ordering::AcqRel);
        self.doubt_all();
        self.guns.invalidate_all();
        self.files.invalidate_all();
    }

    /// Bytes in use, as far as the cache has counted them, for metrics.
    pub fn bytes(&self) -> u64 {
        self.files.weighted_size() + self.guns.weighted_size()
    }

    fn counters(&self, gun: &Gun) -> &Counters {
        let hash = self.hasher.hash_one(gun);
        let at = usize::try_from(hash % COUNTERS as u64).expect("there are few counters");
        &self.of_guns[at]
    }

    /// How often `gun` may have changed.
    fn stamp(&self, gun: &Gun) -> Stamp {
        Stamp {
            everything: self.everything.changes.load(Ordering::Acquire),
            gun: self.counters(gun).changes.load(Ordering::Acquire),
        }
    }

    /// How often `gun` was deleted, as far as this process was told.
    fn deletions(&self, gun: &Gun) -> Stamp {
        Stamp {
            everything: self.everything.deletions.load(Ordering::Acquire),
            gun: self.counters(gun).deletions.load(Ordering::Acquire),
        }
    }

    /// Puts an entry in the place of an older one.
    fn put(&self, gun: &Gun, stamp: Stamp, asked: Instant, what: Remembered) {
        let new = Entry {
            stamp,
            asked,
            known: self.now(),
            what,
        };
        self.guns.entry_by_ref(gun).and_compute_with(|old| {
            let is_newer = |old: &Entry| (old.stamp, old.asked) > (new.stamp, new.asked);
            match old {
                Some(old) if is_newer(old.value()) => Op::Nop,
                Some(old) => Op::Put(new.known_as(old.value())),
                None => Op::Put(new),
            }
        });
    }
}

fn count(lookups: &Either, kind: &'static str, is_hit: bool) {
    lookups.count(is_hit, || {
        let outcome = if is_hit { "hit" } else { "miss" };
        metrics::counter!("notary_server_cache_lookups_total", "kind" => kind, "outcome" => outcome)
    });
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, atomic::AtomicBool};

    use tuf::MetadataFormat;

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

    fn view(version: u8) -> Arc<View> {
        Arc::new(View {
            head: Head {
                sha256: [version; 32],
                version: version.into(),
                format: MetadataFormat::NOTARY,
            },
            timestamp: file(b"{}"),
            timestamp_expires: OffsetDateTime::UNIX_EPOCH,
            snapshot: [0; 32],
            snapshot_expires: OffsetDateTime::UNIX_EPOCH,
            listed: Listed::from_iter([]),
        })
    }

    fn change(name: &str, version: u8) -> Change {
        let category = if version == 0 { "deletion" } else { "update" };
        Change {
            id: 1,
            created_at: OffsetDateTime::UNIX_EPOCH,
            gun: name.to_owned(),
            version: version.into(),
            sha256: hex::encode([version; 32]),
            category: category.to_owned(),
        }
    }

    /// The version that is confirmed; 0 for "no trust data".
    fn confirmed(cache: &MetadataCache, gun: &Gun) -> Option<i64> {
        let (what, _) = cache.confirmed(gun)?;
        Some(what.view().map_or(0, |view| view.head.version))
    }

    fn keep(cache: &MetadataCache, ticket: Ticket, gun: &Gun, version: u8) {
        cache.keep(ticket, gun, Remembered::Repository(view(version)));
    }

    #[test]
    fn a_file_is_found_under_its_own_gun_and_role_only() {
        let cache = MetadataCache::new(1 << 20);
        let a = gun("a");
        cache.keep_file(cache.ticket(&a), &a, &Role::Root, [1; 32], &file(b"x"));
        assert!(cache.file(&a, &Role::Root, &[1; 32]).is_some());
        assert!(cache.file(&gun("b"), &Role::Root, &[1; 32]).is_none());
        assert!(cache.file(&a, &Role::Targets, &[1; 32]).is_none());
    }

    #[test]
    fn a_reader_that_began_before_a_deletion_cannot_undo_it() {
        let cache = MetadataCache::new(1 << 20);
        let a = gun("a");
        let before = cache.ticket(&a);
        for _ in 0..2 {
            cache.keep_file(before, &a, &Role::Root, [1; 32], &file(b"x"));
            keep(&cache, before, &a, 1);
            cache.forget(&a);
            assert!(cache.file(&a, &Role::Root, &[1; 32]).is_none());
            assert_eq!(confirmed(&cache, &a), None);
        }
    }

    /// The library underneath removes what a condition names in the background, and may miss an
    /// entry that was put there at the same time.
    #[test]
    fn no_file_outlives_a_deletion_however_many_others_come_and_go() {
        let cache = MetadataCache::new(1 << 20);
        let [a, b] = ["a", "b"].map(gun);
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    cache.keep_file(cache.ticket(&b), &b, &Role::Root, [1; 32], &file(b"x"));
                    cache.forget(&b);
                    cache.files.run_pending_tasks();
                }
            });
            let mut numbers = 0..100_000_u32;
            let survivor = numbers.find(|n| {
                let mut sum = [0; 32];
                sum[..4].copy_from_slice(&n.to_be_bytes());
                cache.keep_file(cache.ticket(&a), &a, &Role::Root, sum, &file(b"x"));
                cache.forget(&a);
                cache.holds_file(&a, &Role::Root, &sum)
            });
            is_over.store(true, Ordering::Relaxed);
            assert_eq!(survivor, None);
        });
    }

    #[test]
    fn an_answer_from_before_the_last_own_publish_never_takes_its_place() {
        let cache = MetadataCache::new(1 << 20);
        let a = gun("a");
        let reader = cache.ticket(&a);
        let publisher = cache.ticket(&a);
        cache.keep_published(publisher, &a, None, &view(2));
        assert_eq!(confirmed(&cache, &a), Some(2));
        keep(&cache, reader, &a, 1);
        cache.keep(reader, &a, Remembered::Absent);
        assert_eq!(confirmed(&cache, &a), Some(2));
        // Nor does an older publish that comes late.
        cache.keep_published(publisher, &a, None, &view(1));
        assert_eq!(confirmed(&cache, &a), None);
        assert!(cache.view(&a, &view(2).head).is_some());
    }

    #[test]
    fn what_a_change_names_has_to_be_asked_for_unless_it_is_remembered_already() {
        let cache = MetadataCache::new(1 << 20);
        let a = gun("a");
        keep(&cache, cache.ticket(&a), &a, 1);
        let reader = cache.ticket(&a);
        cache.notice(&change("a", 1));
        assert_eq!(confirmed(&cache, &a), Some(1));
        // What was asked for before the change was noticed may be older than it.
        keep(&cache, reader, &a, 0);
        assert_eq!(confirmed(&cache, &a), Some(1));
        cache.notice(&change("a", 2));
        assert_eq!(confirmed(&cache, &a), None);
        keep(&cache, cache.ticket(&a), &a, 2);
        assert_eq!(confirmed(&cache, &a), Some(2));
        cache.notice(&change("a", 0));
        assert_eq!(confirmed(&cache, &a), None);
        cache.keep(cache.ticket(&a), &a, Remembered::Absent);
        assert_eq!(confirmed(&cache, &a), Some(0));
        cache.notice(&change("a", 1));
        assert_eq!(confirmed(&cache, &a), None);
    }

    #[test]
    fn of_two_answers_the_one_that_was_asked_for_last_stays() {
        let (start, seconds) = (Instant::now(), Arc::new(Mutex::new(0)));
        let clock = Arc::clone(&seconds);
        let cache = MetadataCache::new(1 << 20)
            .with_clock(move || start + Duration::from_secs(*clock.lock().unwrap()));
        let a = gun("a");
        let first = cache.ticket(&a);
        *seconds.lock().unwrap() += 1;
        let second = cache.ticket(&a);
        keep(&cache, second, &a, 2);
        keep(&cache, first, &a, 1);
        assert_eq!(confirmed(&cache, &a), Some(2));
        *seconds.lock().unwrap() += CONFIRMATION.as_secs() - 1;
        assert_eq!(confirmed(&cache, &a), Some(2));
        *seconds.lock().unwrap() += 1;
        assert_eq!(confirmed(&cache, &a), None);
    }

    #[test]
    fn a_repository_is_known_from_when_its_timestamp_came_to_be_known() {
        let (start, seconds) = (Instant::now(), Arc::new(Mutex::new(0)));
        let clock = Arc::clone(&seconds);
        let cache = MetadataCache::new(1 << 20)
            .with_clock(move || start + Duration::from_secs(*clock.lock().unwrap()));
        let a = gun("a");
        let known = || Some(cache.known_since(&a)?.duration_since(start).as_secs());
        assert_eq!(known(), None);
        let ticket = cache.ticket(&a);
        *seconds.lock().unwrap() = 1;
        keep(&cache, ticket, &a, 1);
        assert_eq!(known(), Some(1), "not from when it was asked for");
        *seconds.lock().unwrap() = 2;
        keep(&cache, cache.ticket(&a), &a, 1);
        assert_eq!(known(), Some(1), "the same as before");
        *seconds.lock().unwrap() = 3;
        cache.keep_published(cache.ticket(&a), &a, None, &view(2));
        assert_eq!(known(), Some(3));
        cache.keep(cache.ticket(&a), &a, Remembered::Absent);
        assert_eq!(known(), None);
    }

    #[test]
    fn it_holds_no_more_bytes_than_it_may() {
        let cache = MetadataCache::new(64 << 10);
        let a = gun("a");
        for n in 0..1000_u32 {
            let mut sum = [0; 32];
            sum[..4].copy_from_slice(&n.to_be_bytes());
            let ticket = cache.ticket(&a);
            cache.keep_file(ticket, &a, &Role::Targets, sum, &file(&[0; 1024]));
            let other = gun(&format!("b{n}"));
            cache.keep(cache.ticket(&other), &other, Remembered::Absent);
        }
        cache.files.run_pending_tasks();
        cache.guns.run_pending_tasks();
        assert!(cache.bytes() <= 64 << 10, "{}", cache.bytes());
    }
}
