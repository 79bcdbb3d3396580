//! Following the changefeed, and walking through all repositories where that does not do.
//!
//! Every replica may follow: what two of them compute at once is written once. The position is
//! stored after the rows, so a follower that is killed does its last page again. The feed counts as
//! another one (a backup was restored, lines were removed) if the line at the position is gone or
//! says something else: then all repositories are walked through.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use trust::{
    Clock,
    memory::SnapshotLine,
    store::{Change, Page, StoreError, TrustStore},
};
use tuf::Gun;

use crate::{EDITION, Position, Tables, Written, compute::compute, rows::Mark};

/// How many lines of the feed, or names, are read with one statement.
const PAGE: u32 = 200;

/// How often a repository is computed again that changes meanwhile. Whatever changes it once more
/// adds a line to the feed.
const ATTEMPTS: usize = 5;

/// How often a follower looks.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How long to rest between two looks at the feed.
    pub rest: Duration,
    /// How long to rest after a failure, and while the tables are missing.
    pub after_failure: Duration,
    /// How often to walk through all repositories: servers that write no line, and roles that
    /// expire, show up then.
    pub walk: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            rest: Duration::from_secs(3),
            after_failure: Duration::from_secs(30),
            walk: Duration::from_hours(1),
        }
    }
}

/// Whether the tables say what the files say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// As far as the feed is settled.
    Current,
    /// Since then, changes were not followed; `None` if the tables were never filled.
    Since(Option<OffsetDateTime>),
}

/// What becomes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// It is computed if it is not of the newest timestamp, or has something that expired since.
    IfChanged,
    /// It is computed.
    Always,
}

/// Keeps the tables as the files are.
#[derive(Clone)]
pub struct Follower {
    store: Arc<dyn TrustStore>,
    tables: Arc<dyn Tables>,
    clock: Clock,
    line: SnapshotLine,
}

impl Follower {
    /// A follower of `store` that writes to `tables`.
    #[must_use]
    pub fn new(
        store: Arc<dyn TrustStore>,
        tables: Arc<dyn Tables>,
        clock: impl Fn() -> OffsetDateTime + Send + Sync + 'static,
    ) -> Self {
        Self {
            store,
            tables,
            clock: Arc::new(clock),
            line: SnapshotLine::default(),
        }
    }

    /// Lets it wait for its turn in the line of a server that reads large snapshots too.
    #[must_use]
    pub fn in_line(self, line: SnapshotLine) -> Self {
        Self { line, ..self }
    }

    /// Follows until `shutdown`.
    pub async fn run(self, pace: Pace, shutdown: CancellationToken) {
        shutdown
            .run_until_cancelled(self.keep_following(pace))
            .await;
    }

    async fn keep_following(&self, pace: Pace) {
        let mut is_told = false;
        loop {
            match self.follow_once(pace).await {
                Ok(true) => {
                    is_told = false;
                    tokio::time::sleep(pace.rest).await;
                    continue;
                }
                Ok(false) if !is_told => {
                    tracing::warn!(
                        "the tables of the inventory are missing, so it stays empty; \
                         `notary-server migrate` makes them, and `inventory.enabled` set to false \
                         does without"
                    );
                }
                Err(error) if !is_told => {
                    tracing::warn!(%error, "cannot bring the inventory up to date; trying again");
                }
                _ => {}
            }
            is_told = true;
            tokio::time::sleep(pace.after_failure).await;
        }
    }

    /// Whether there are tables; brings them up to date.
    async fn follow_once(&self, pace: Pace) -> Result<bool, StoreError> {
        let position = match self.tables.position().await {
            Ok(position) => position,
            Err(error) => {
                return match self.tables.survey().await {
                    Ok(survey) if !survey.is_ready() => Ok(false),
                    _ => Err(error),
                };
            }
        };
        self.catch_up(&mut |_| {}).await?;
        let rest = i64::try_from(pace.walk.as_secs()).unwrap_or(i64::MAX);
        let now = (self.clock)().unix_timestamp();
        // A time that is still to come was written by a clock that was wrong.
        let is_due = |walked_at: i64| now < walked_at || now >= walked_at.saturating_add(rest);
        if position.is_some_and(|position| is_due(position.walked_at)) {
            self.walk(Manner::IfChanged, &mut |_| {}).await?;
        }
        Ok(true)
    }

    /// Brings the tables up to the end of the feed. Where they were never filled, or for another
    /// feed, it walks through all repositories, and tells `progress` of each.
    ///
    /// # Errors
    ///
    /// If the database failed; what was done stays done.
    pub async fn catch_up(&self, progress: &mut (dyn FnMut(u64) + Send)) -> Result<(), StoreError> {
        loop {
            let Some(position) = self.tables.position().await? else {
                return self.walk(Manner::IfChanged, progress).await;
            };
            let from = i32::try_from(position.line.saturating_sub(1).max(0)).unwrap_or(i32::MAX);
            let page = Page::After {
                id: from,
                limit: PAGE + 1,
            };
            let mut changes = self.store.changes(None, page).await?;
            let is_end = changes.len() <= PAGE as usize;
            if position.line > 0 {
                if changes.first().is_some_and(|line| is_at(&position, line)) {
                    changes.remove(0);
                } else if self.is_gone(&position).await? {
                    tracing::info!("the changefeed is another one; walking through everything");
                    return self.walk(Manner::IfChanged, progress).await;
                } else {
                    // It is there, and not settled yet in the eyes of this process.
                    return Ok(());
                }
            }
            self.follow_page(&changes).await?;
            let end = changes.last().map(|line| (line.id, line.fingerprint()));
            let is_moved = end.is_some();
            if is_moved || self.is_due(&position) {
                let (line, line_sum) = end.unwrap_or((position.line, position.line_sum.clone()));
                let moved = Position {
                    line,
                    line_sum,
                    reached_at: (self.clock)().unix_timestamp(),
                    walked_at: position.walked_at,
                };
                self.tables.set_position(Some(&moved)).await?;
            }
            if is_end {
                return Ok(());
            }
        }
    }

    /// Whether to write down again that the end was reached, while nothing is published.
    fn is_due(&self, position: &Position) -> bool {
        const MINUTE: i64 = 60;
        (self.clock)().unix_timestamp() - position.reached_at >= MINUTE
    }

    /// Whether the line at `position` is not in the feed any more.
    async fn is_gone(&self, position: &Position) -> Result<bool, StoreError> {
        let lines = self.store.changes_from(position.line, 1).await?;
        Ok(!lines.first().is_some_and(|line| is_at(position, line)))
    }

    async fn follow_page(&self, changes: &[Change]) -> Result<(), StoreError> {
        let names: BTreeSet<&str> = changes.iter().map(|change| change.gun.as_str()).collect();
        for name in names {
            if let Ok(gun) = Gun::parse(name) {
                self.refresh(&gun, Manner::IfChanged).await?;
            }
        }
        // Notary's server deletes all names that the collation takes for the one that it names.
        if self.store.merges_names() && changes.iter().any(Change::is_deletion) {
            self.sweep().await?;
        }
        Ok(())
    }

    /// Computes every repository, whether or not it has changed; tells `progress` how many there
    /// were so far.
    ///
    /// # Errors
    ///
    /// If the database failed; what was done stays done.
    pub async fn rebuild(&self, progress: &mut (dyn FnMut(u64) + Send)) -> Result<(), StoreError> {
        self.walk(Manner::Always, progress).await
    }

    async fn walk(
        &self,
        manner: Manner,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(), StoreError> {
        let end = Page::Before { id: None, limit: 1 };
        let start = self.store.changes(None, end).await?.pop();
        let (mut after, mut count) = (String::new(), 0);
        loop {
            let page = self.store.timestamps(&after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.name);
            for aging in &page {
                if let Some(gun) = &aging.gun {
                    self.refresh(gun, manner).await?;
                }
                count += 1;
                progress(count);
            }
        }
        self.sweep().await?;
        let now = (self.clock)().unix_timestamp();
        let position = Position {
            line: start.as_ref().map_or(0, |line| line.id),
            line_sum: start.as_ref().map(Change::fingerprint).unwrap_or_default(),
            reached_at: now,
            walked_at: now,
        };
        self.tables.set_position(Some(&position)).await
    }

    /// Removes what is kept of repositories that are no more.
    async fn sweep(&self) -> Result<(), StoreError> {
        let mut after = Vec::new();
        loop {
            let page = self.tables.marks(&after, PAGE).await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after.clone_from(&last.gun);
            for mark in page {
                let gun = std::str::from_utf8(&mark.gun)
                    .ok()
                    .and_then(|name| Gun::parse(name).ok());
                let is_there = match gun {
                    Some(gun) => self.store.head(&gun).await?.is_some(),
                    None => false,
                };
                if !is_there {
                    // If it was overtaken, the repository was published again.
                    self.tables.remove(&mark).await?;
                }
            }
        }
    }

    /// Makes the row of one repository what it has to be.
    async fn refresh(&self, gun: &Gun, manner: Manner) -> Result<(), StoreError> {
        for _ in 0..ATTEMPTS {
            // The row is read before the files: a write in between is seen.
            let mark = self.tables.mark(gun.as_str().as_bytes()).await?;
            let now = (self.clock)();
            let head = self.store.head(gun).await?;
            let written = match (&head, &mark) {
                (None, None) => return Ok(()),
                (None, Some(mark)) => self.tables.remove(mark).await?,
                (Some(head), mark) => {
                    let is_known = mark
                        .as_ref()
                        .is_some_and(|mark| is_current(mark, head.version, &head.sha256, now));
                    if is_known && manner == Manner::IfChanged {
                        return Ok(());
                    }
                    let entry = compute(&self.store, &self.line, gun, head, now).await?;
                    if self.store.head(gun).await?.as_ref() != Some(head) {
                        continue;
                    }
                    let revision = mark.as_ref().map(|mark| mark.revision);
                    self.tables.put(&entry, revision).await?
                }
            };
            if written == Written::Done {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether the tables say what the files say, as far as the feed tells.
    ///
    /// # Errors
    ///
    /// If the database failed.
    pub async fn freshness(&self) -> Result<Freshness, StoreError> {
        let Some(position) = self.tables.position().await? else {
            return Ok(Freshness::Since(None));
        };
        let next = position.line.saturating_add(1);
        let is_current = self.store.changes_from(next, 1).await?.is_empty()
            && (position.line == 0 || !self.is_gone(&position).await?);
        if is_current {
            return Ok(Freshness::Current);
        }
        let reached = OffsetDateTime::from_unix_timestamp(position.reached_at);
        Ok(Freshness::Since(reached.ok()))
    }
}

fn is_current(mark: &Mark, version: i64, sha256: &[u8; 32], now: OffsetDateTime) -> bool {
    mark.edition == EDITION
        && mark.version == version
        && mark.sha256 == sha256
        && now.unix_timestamp() < mark.stale_at
}

fn is_at(position: &Position, line: &Change) -> bool {
    position.line == line.id && position.line_sum == line.fingerprint()
}
