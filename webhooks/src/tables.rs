//! The tables: the trait, and SQL for all databases.
//!
//! A webhook has a row with its position in the changefeed and a lease. The holder of the lease
//! knows its fence, a number that grows with each holder, and can write only as long as the row has
//! that number. A holder shows that it lives by its beat: who sees a row unchanged for long enough
//! may take the lease. No clocks of different machines are compared.

mod sql;

use async_trait::async_trait;
use database::adopt::Survey;
pub use sql::SqlTables;
use trust::store::StoreError;

/// A place in the changefeed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The last line that was looked at; 0 before the first.
    pub line: i64,
    /// What tells it from another line with its id.
    pub line_sum: Vec<u8>,
    /// When it was stored, in seconds of Unix time.
    pub line_at: i64,
}

/// Up to which times what expires was looked for, in seconds of Unix time; 0 before the first time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scans {
    /// What publishers renew.
    pub publishers: i64,
    /// What the server renews.
    pub server: i64,
}

/// What is kept of a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Grows with each holder of the lease.
    pub fence: i64,
    /// Grows while the holder lives.
    pub beat: i64,
    /// Who holds the lease; empty if it was given back.
    pub holder: Vec<u8>,
    /// How far the changefeed is followed. All lines up to there are delivered, but for those of
    /// repositories that have a [`Delay`].
    pub position: Position,
    /// Up to which times what expires was looked for.
    pub scans: Scans,
    /// Grows when an operator wants everything to be tried again.
    pub wake: i64,
    /// When the receiver last took an event, in seconds of Unix time; 0 if it never did.
    pub delivered_at: i64,
}

/// What a receiver did not take yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delay {
    /// The repository.
    pub gun: String,
    /// What it is about.
    pub item: Item,
    /// When the first of it happened, in seconds of Unix time.
    pub happened: i64,
    /// How often in a row the receiver did not take it.
    pub tries: u32,
    /// Since when, in milliseconds of Unix time; 0 if it was not tried yet.
    pub failing: i64,
    /// When it is to be tried again, in milliseconds of Unix time.
    pub due: i64,
    /// Whether it is tried only when an operator wants it.
    pub is_parked: bool,
    /// What was wrong the last time.
    pub error: String,
}

/// What a [`Delay`] is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// The lines of the changefeed about the repository from this one to the position of the
    /// webhook.
    Lines {
        /// The first one that is not delivered.
        line: i64,
        /// How many of its events are.
        part: u32,
    },
    /// The expiry of a role.
    Expiry(Deadline),
}

/// A role that expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// The role.
    pub role: String,
    /// The version of its file.
    pub version: i64,
    /// When it expires, in seconds of Unix time.
    pub expires: i64,
    /// The window that it came into: so many days before; 0 if the server should have renewed it.
    pub days: u16,
}

impl Delay {
    /// What tells it from others of the same webhook: the repository, and the role for an expiry.
    pub(crate) fn key(&self) -> Key {
        let role = match &self.item {
            Item::Lines { .. } => "",
            Item::Expiry(deadline) => &deadline.role,
        };
        (self.gun.clone(), role.to_owned())
    }
}

impl Delay {
    /// Is due at once, as if it had not failed yet.
    pub(crate) fn try_again(&mut self) {
        self.is_parked = false;
        self.tries = 0;
        self.failing = 0;
        self.due = 0;
    }
}

/// What tells a [`Delay`] from others.
pub(crate) type Key = (String, String);

/// What changed since the last time that it was stored.
#[derive(Debug, Default)]
pub struct Progress {
    /// The new position.
    pub position: Position,
    /// See [`Row::scans`].
    pub scans: Scans,
    /// See [`Row::delivered_at`].
    pub delivered_at: i64,
    /// What has to be delivered later.
    pub delays: Vec<Delay>,
    /// What is delivered: repositories and roles.
    pub done: Vec<(String, String)>,
}

/// The tables of webhooks.
#[async_trait]
pub trait Tables: Send + Sync + 'static {
    /// What is missing of the tables.
    async fn survey(&self) -> Result<Survey, StoreError>;

    /// What is kept of a webhook.
    async fn find(&self, name: &str) -> Result<Option<Row>, StoreError>;

    /// Begins at `position`, with the lease; says whether it was not there yet.
    async fn begin(
        &self,
        name: &str,
        holder: &[u8],
        position: &Position,
    ) -> Result<bool, StoreError>;

    /// Takes the lease, if fence and beat are still those of `seen`; says whether.
    async fn take(&self, name: &str, holder: &[u8], seen: &Row) -> Result<bool, StoreError>;

    /// Shows that the holder with this fence lives; says whether it still has the lease.
    async fn beat(&self, name: &str, fence: i64) -> Result<bool, StoreError>;

    /// Gives the lease back.
    async fn release(&self, name: &str, fence: i64) -> Result<(), StoreError>;

    /// Stores all of `progress` or nothing; says whether the holder with this fence still has the
    /// lease.
    async fn save(&self, name: &str, fence: i64, progress: &Progress) -> Result<bool, StoreError>;

    /// What is to be delivered later, behind a repository and role; at most `limit`.
    async fn delays(
        &self,
        name: &str,
        after: &(String, String),
        limit: u32,
    ) -> Result<Vec<Delay>, StoreError>;

    /// Has everything tried again, by the holder of the lease or the next one; says whether the
    /// webhook is there.
    async fn wake(&self, name: &str) -> Result<bool, StoreError>;
}

/// Everything that is to be delivered later.
pub(crate) async fn all_delays(tables: &dyn Tables, name: &str) -> Result<Vec<Delay>, StoreError> {
    const PAGE: u32 = 500;
    let (mut delays, mut after) = (Vec::new(), Key::default());
    loop {
        let page = tables.delays(name, &after, PAGE).await?;
        let is_end = page.len() < PAGE as usize;
        delays.extend(page);
        match delays.last() {
            Some(last) if !is_end => after = last.key(),
            _ => return Ok(delays),
        }
    }
}
