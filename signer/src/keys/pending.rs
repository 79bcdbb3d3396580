//! Keys that wait for their first signature: which were handed out, and how many there may be.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::keystore::{KeyId, KeyStore, Purpose, StoreError};

/// For how many purposes it is remembered which key was handed out.
const REMEMBERED: usize = 10_000;
/// How long a count is used while there is room: other signers on the same database make keys, too.
const RECOUNT: Duration = Duration::from_mins(5);
/// How long a count is used when there is no room.
const RECOUNT_WHEN_FULL: Duration = Duration::from_secs(10);

/// The keys that were handed out last, by purpose, so that asking again before the first signature
/// reads one key even where the table has no index for it.
#[derive(Default)]
pub(crate) struct HandedOut(Mutex<HashMap<Purpose, KeyId>>);

impl HandedOut {
    /// The key that was handed out for `purpose`.
    pub(crate) fn find(&self, purpose: &Purpose) -> Option<KeyId> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(purpose).cloned()
    }

    /// `id` was handed out for `purpose`.
    pub(crate) fn remember(&self, purpose: Purpose, id: KeyId) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED {
            all.clear();
        }
        all.insert(purpose, id);
    }

    /// The key of `purpose` is pending no more.
    pub(crate) fn forget(&self, purpose: &Purpose) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(purpose);
    }
}

/// How many keys may be pending in total, and how many are.
pub(crate) struct PendingLimit {
    /// The most; 0: as many as are asked for.
    most: u32,
    known: tokio::sync::Mutex<Option<Count>>,
}

struct Count {
    pending: u64,
    at: Instant,
}

impl PendingLimit {
    /// At most `most` pending keys; any number if that is 0.
    pub(crate) fn new(most: u32) -> Self {
        Self {
            most,
            known: tokio::sync::Mutex::default(),
        }
    }

    /// The most keys that may be pending; 0: as many as are asked for.
    pub(crate) fn most(&self) -> u32 {
        self.most
    }

    /// Whether another key may be made. Counts pending ones now and then only.
    pub(crate) async fn allows_another(&self, store: &dyn KeyStore) -> Result<bool, StoreError> {
        if self.most == 0 {
            return Ok(true);
        }
        let mut known = self.known.lock().await;
        let is_fresh = |count: &Count| {
            let is_full = count.pending >= u64::from(self.most);
            count.at.elapsed() < if is_full { RECOUNT_WHEN_FULL } else { RECOUNT }
        };
        if !known.as_ref().is_some_and(is_fresh) {
            *known = Some(Count {
                pending: store.count_pending(self.most).await?,
                at: Instant::now(),
            });
        }
        Ok(known
            .as_ref()
            .is_none_or(|count| count.pending < u64::from(self.most)))
    }

    /// One more key is pending.
    pub(crate) async fn count_new(&self) {
        if let Some(count) = &mut *self.known.lock().await {
            count.pending += 1;
        }
    }

    /// One key has signed for the first time.
    pub(crate) async fn count_signed(&self) {
        if let Some(count) = &mut *self.known.lock().await {
            count.pending = count.pending.saturating_sub(1);
        }
    }
}
