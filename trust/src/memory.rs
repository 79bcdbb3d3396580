//! How much memory stored files may take while updates are checked against them.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, MutexGuard, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// How much, in KiB, is free for every update: all that an ordinary one needs.
const FREE: u32 = 256;

/// How long an update waits for others to make room.
const ROOM_TIME: Duration = Duration::from_secs(10);

/// How much memory stored files may take.
#[derive(Debug)]
pub struct MemoryLimits {
    /// The most for one update, in bytes.
    most: u64,
    /// For stored files that updates are checked against, in KiB.
    stored: Arc<Semaphore>,
    /// How long an update waits for others to make room.
    patience: Duration,
    /// Held while stored files are read: of two that each hold a part, neither could go on.
    reading: Mutex<()>,
    /// Held while a large stored snapshot is read.
    snapshots: SnapshotLine,
}

impl MemoryLimits {
    /// Enough for the files that updates of at most `upload_bytes` are checked against.
    #[must_use]
    pub fn new(upload_bytes: u64) -> Self {
        let most = upload_bytes.saturating_mul(2).max(1 << 20);
        Self {
            most,
            stored: Arc::new(Semaphore::new(kibibytes(most) as usize)),
            patience: ROOM_TIME,
            reading: Mutex::default(),
            snapshots: SnapshotLine::default(),
        }
    }

    /// The memory of stored files that an update is checked against; none is taken yet.
    pub(crate) fn no_stored(&self) -> StoredSpace<'_> {
        StoredSpace {
            limits: self,
            reading: None,
            held: Vec::new(),
            kibibytes: 0,
            bytes: 0,
        }
    }

    async fn acquire(&self, kibibytes: u32) -> Option<OwnedSemaphorePermit> {
        let permit = self.stored.clone().acquire_many_owned(kibibytes);
        timeout(self.patience, permit).await.ok()?.ok()
    }

    /// A turn to read a large stored snapshot: one at a time.
    pub(crate) async fn turn_to_read(&self) -> OwnedMutexGuard<()> {
        self.snapshots.turn().await
    }

    /// The line of those who read large stored snapshots.
    pub(crate) fn snapshot_line(&self) -> SnapshotLine {
        self.snapshots.clone()
    }
}

/// The line of those who read large stored snapshots. Each takes many times its size while it is
/// read, so one is read at a time.
#[derive(Clone, Debug, Default)]
pub struct SnapshotLine(Arc<Mutex<()>>);

impl SnapshotLine {
    pub(crate) async fn turn(&self) -> OwnedMutexGuard<()> {
        self.0.clone().lock_owned().await
    }
}

/// The memory of stored files that one update is checked against; given back when dropped.
pub(crate) struct StoredSpace<'l> {
    limits: &'l MemoryLimits,
    reading: Option<MutexGuard<'l, ()>>,
    held: Vec<OwnedSemaphorePermit>,
    /// What is held.
    kibibytes: u32,
    bytes: u64,
}

/// Why stored files do not fit into memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSpace {
    /// Others need the memory at the moment.
    Busy,
    /// There is never so much; how much there is, in bytes.
    TooMuch(u64),
}

impl StoredSpace<'_> {
    /// Counts a file of `bytes`. The first [`FREE`] KiB are not counted.
    pub(crate) async fn add(&mut self, bytes: u64) -> Result<(), NoSpace> {
        let most = self.limits.most;
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > most {
            return Err(NoSpace::TooMuch(most));
        }
        if kibibytes(self.bytes) <= FREE {
            return Ok(());
        }
        if self.reading.is_none() {
            let turn = timeout(self.limits.patience, self.limits.reading.lock()).await;
            self.reading = Some(turn.map_err(|_| NoSpace::Busy)?);
        }
        let (limits, wanted) = (self.limits, kibibytes(self.bytes));
        let more = wanted.saturating_sub(self.kibibytes);
        let permit = limits.acquire(more).await;
        self.held.push(permit.ok_or(NoSpace::Busy)?);
        self.kibibytes = wanted;
        Ok(())
    }

    /// All files have been read: others may begin.
    pub(crate) fn complete(&mut self) {
        self.reading = None;
    }
}

fn kibibytes(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX / 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn limits(upload_bytes: u64) -> MemoryLimits {
        MemoryLimits {
            patience: Duration::from_millis(50),
            ..MemoryLimits::new(upload_bytes)
        }
    }

    #[tokio::test]
    async fn many_small_stored_files_count_for_what_they_are() {
        let limits = limits(1000);
        let mut stored = limits.no_stored();
        for _ in 0..1020 {
            assert_eq!(stored.add(1025).await, Ok(()));
        }
    }

    #[tokio::test]
    async fn stored_files_have_a_limit_together() {
        let limits = limits(32 * MIB);
        let mut stored = limits.no_stored();
        assert_eq!(stored.add(40 * MIB).await, Ok(()));
        let mut other = limits.no_stored();
        assert_eq!(other.add(1000).await, Ok(()), "small ones do not wait");
        assert_eq!(other.add(MIB).await, Err(NoSpace::Busy));
        stored.complete();
        assert_eq!(other.add(MIB).await, Ok(()));
        assert_eq!(stored.add(40 * MIB).await, Err(NoSpace::TooMuch(64 * MIB)));
    }

    #[tokio::test]
    async fn room_is_given_back() {
        let limits = limits(32 * MIB);
        for _ in 0..20 {
            let mut stored = limits.no_stored();
            assert_eq!(stored.add(40 * MIB).await, Ok(()));
        }
    }
}
