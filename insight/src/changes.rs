//! The changefeed as far as a caller may see it, and waiting for more of it.
//!
//! A page goes on behind the last line that was looked at, visible or not, so nothing is lost and
//! nothing is read twice. Those who wait are woken by one of them, which looks at the end of the
//! feed for all.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::{
    sync::{Mutex as AsyncMutex, watch},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use trust::store::{Change, Page, StoreError};

use super::{Overview, OverviewError, Sight, Turn, cursor::Manner};

/// How many lines of the feed are read with one statement.
const BATCH: u32 = 500;

/// How many lines are looked at for one page.
const MOST_LINES: u32 = 5_000;

/// How often the end of the feed is looked at while a caller waits for it.
const TICK: Duration = Duration::from_millis(500);

/// How many callers wait at once.
const MOST_WAITING: usize = 200;

/// How many requests of one caller wait at once.
const MOST_OF_ONE: usize = 10;

/// What a cursor of the feed is good for.
const ABOUT: &str = "changes";

/// A change that a caller may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenChange {
    /// Tells it from all others, and is the same for everybody. The number in the feed would tell
    /// how many changes there are that a caller may not see.
    pub id: String,
    /// When it was stored.
    pub at: OffsetDateTime,
    /// The repository.
    pub gun: String,
    /// The version of the timestamp that it made; `None` for a deletion.
    pub version: Option<i64>,
    /// The SHA-256 of that timestamp in hex; `None` for a deletion.
    pub sha256: Option<String>,
}

/// A page of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangesPage {
    /// The oldest first.
    pub changes: Vec<SeenChange>,
    /// What to go on with; there is always something.
    pub next: String,
    /// The line that was looked at last, if there is nothing behind it for now.
    end: Option<i64>,
}

/// Where a page ended.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Place {
    line: i64,
    /// What tells that line from another one with its id.
    sum: String,
}

/// Who waits for the feed.
pub(super) struct Waiting {
    callers: Mutex<HashMap<String, usize>>,
    /// Held by the one that looks at the end of the feed for all.
    lead: AsyncMutex<()>,
    /// The last line of the feed.
    newest: watch::Sender<i64>,
    closing: CancellationToken,
}

impl Default for Waiting {
    fn default() -> Self {
        Self {
            callers: Mutex::default(),
            lead: AsyncMutex::default(),
            newest: watch::Sender::new(0),
            closing: CancellationToken::new(),
        }
    }
}

/// A place among those who wait.
struct Seat<'w> {
    waiting: &'w Waiting,
    caller: String,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut callers = self
            .waiting
            .callers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = callers.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                callers.remove(&self.caller);
            }
        }
    }
}

impl Waiting {
    fn sit(&self, caller: &str) -> Result<Seat<'_>, OverviewError> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = callers.values().sum();
        let of_one = callers.get(caller).copied().unwrap_or_default();
        if all >= MOST_WAITING || of_one >= MOST_OF_ONE {
            return Err(OverviewError::TooManyWaiting);
        }
        callers.insert(caller.to_owned(), of_one + 1);
        Ok(Seat {
            waiting: self,
            caller: caller.to_owned(),
        })
    }
}

impl Overview {
    /// A page of the changefeed behind a cursor, of what `sight` shows; without one, from its
    /// beginning.
    ///
    /// # Errors
    ///
    /// [`OverviewError`]
    pub async fn changes(
        &self,
        sight: &Sight,
        after: Option<&str>,
        limit: u32,
    ) -> Result<ChangesPage, OverviewError> {
        let turn = self.turn().await?;
        let place = turn.open(ABOUT, after).await?.unwrap_or_default();
        turn.read_changes(sight, place, limit.max(1) as usize).await
    }

    /// Waits until there may be more behind `page`, at most until `deadline`; says whether there
    /// may be. Only so many wait at once, of all callers and of `caller`.
    ///
    /// # Errors
    ///
    /// [`OverviewError::TooManyWaiting`]
    pub async fn wait_behind(
        &self,
        page: &ChangesPage,
        caller: &str,
        deadline: Instant,
    ) -> Result<bool, OverviewError> {
        let inner = self.0.as_deref().ok_or(OverviewError::Off)?;
        let Some(end) = page.end else {
            return Ok(true);
        };
        let waiting = &inner.waiting;
        let _seat = waiting.sit(caller)?;
        let moves = async {
            loop {
                sleep(TICK).await;
                let mut newest = waiting.newest.subscribe();
                if *newest.borrow_and_update() != end {
                    return;
                }
                tokio::select! {
                    _ = newest.changed() => {}
                    () = self.lead() => {}
                }
            }
        };
        Ok(tokio::select! {
            () = waiting.closing.cancelled() => false,
            () = tokio::time::sleep_until(deadline) => false,
            () = moves => true,
        })
    }

    /// Looks at the end of the feed again and again until it changes, unless another caller does.
    async fn lead(&self) {
        let Some(inner) = self.0.as_deref() else {
            return;
        };
        let _lead = inner.waiting.lead.lock().await;
        loop {
            let last = Page::Before { id: None, limit: 1 };
            // While the database is away, nothing is seen to move.
            if let Ok(found) = inner.store.changes(None, last).await {
                let line = found.last().map_or(0, |change| change.id);
                let is_moved = inner.waiting.newest.send_if_modified(|newest| {
                    let is_moved = *newest != line;
                    *newest = line;
                    is_moved
                });
                if is_moved {
                    return;
                }
            }
            sleep(TICK).await;
        }
    }

    /// Answers all who wait, at the end of the program.
    pub fn end_waiting(&self) {
        if let Some(inner) = self.0.as_deref() {
            inner.waiting.closing.cancel();
        }
    }
}

impl Turn<'_> {
    async fn read_changes(
        &self,
        sight: &Sight,
        mut place: Place,
        limit: usize,
    ) -> Result<ChangesPage, OverviewError> {
        let mut changes = Vec::new();
        let mut end = None;
        let mut looked_at = 0;
        'pages: while looked_at < MOST_LINES && changes.len() < limit {
            let found = self.lines_behind(&place).await?;
            let is_end = found.len() < BATCH as usize;
            looked_at += BATCH;
            for change in found {
                if changes.len() == limit {
                    break 'pages;
                }
                place = Place {
                    line: change.id,
                    sum: sum(&change),
                };
                if sight.sees(&change.gun) {
                    changes.push(self.show(change, &place).await?);
                }
            }
            if is_end {
                end = Some(place.line);
                break;
            }
        }
        let next = self.seal(ABOUT, Some((place, Manner::Unlike))).await?;
        Ok(ChangesPage {
            changes,
            next: next.unwrap_or_default(),
            end,
        })
    }

    /// Lines of the feed behind a place, if that is in it.
    async fn lines_behind(&self, place: &Place) -> Result<Vec<Change>, OverviewError> {
        let store = &self.inner.store;
        let from = i32::try_from(place.line.saturating_sub(1).max(0)).unwrap_or(i32::MAX);
        let is_first = place.line == 0;
        let page = Page::After {
            id: from,
            limit: BATCH + u32::from(!is_first),
        };
        let mut found = self.settle(store.changes(None, page).await).await?;
        if is_first {
            return Ok(found);
        }
        let is_at = |change: &Change| change.id == place.line && sum(change) == place.sum;
        if found.first().is_some_and(is_at) {
            found.remove(0);
            return Ok(found);
        }
        // A process that has just started may not know yet that the line is settled.
        let lines: Result<_, StoreError> = store.changes_from(place.line, 1).await;
        if self.settle(lines).await?.first().is_some_and(is_at) {
            return Ok(Vec::new());
        }
        Err(OverviewError::OtherFeed)
    }

    async fn show(&self, change: Change, place: &Place) -> Result<SeenChange, OverviewError> {
        let name = format!("{} {}", place.line, place.sum);
        let is_deletion = change.is_deletion();
        Ok(SeenChange {
            id: self.sealer().await?.name(&name),
            at: change.created_at,
            gun: change.gun,
            version: (!is_deletion).then_some(change.version),
            sha256: (!is_deletion).then_some(change.sha256),
        })
    }
}

/// What tells a line from another one with its id, as after a backup was restored.
fn sum(change: &Change) -> String {
    let text = format!(
        "{}\n{}\n{}\n{}",
        change.gun, change.version, change.sha256, change.category
    );
    hex::encode(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()))
}
