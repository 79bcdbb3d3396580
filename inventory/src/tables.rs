//! The tables: the trait, and SQL for all databases.
//!
//! Each row has a revision, and is replaced only by someone who has read that revision before
//! computing. So of two followers that compute one repository at once the later one to write finds
//! that it has to compute again, and an older state never stays.

mod sql;

use async_trait::async_trait;
use database::adopt::Survey;
pub use sql::SqlTables;
use time::OffsetDateTime;
use trust::store::StoreError;

use crate::{
    Batch, Expiry, ExpiryCursor, Filter, Health, Owner, Page, Position, Row, Signature,
    SignatureCursor, Signer, Sort, Summary, SummaryCursor, Tag, TagCursor, Tally,
    rows::{Entry, Mark},
};

/// What came of writing a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is stored.
    Done,
    /// Another follower was first.
    Overtaken,
}

/// The tables of the inventory. A page begins behind `after`, in the order of the bytes of names.
#[async_trait]
pub trait Tables: Send + Sync + 'static {
    /// What is missing of the tables.
    async fn survey(&self) -> Result<Survey, StoreError>;

    /// What the row of `gun` was computed from.
    async fn mark(&self, gun: &[u8]) -> Result<Option<Mark>, StoreError>;

    /// The same of at most `limit` rows behind `after`.
    async fn marks(&self, after: &[u8], limit: u32) -> Result<Vec<Mark>, StoreError>;

    /// Stores `entry`, if the row is still the one of `revision`; without one, if there is none.
    async fn put(&self, entry: &Entry, revision: Option<i64>) -> Result<Written, StoreError>;

    /// Removes the row that `mark` is of, with all that belongs to it.
    async fn remove(&self, mark: &Mark) -> Result<Written, StoreError>;

    /// How far the changefeed is followed; `None` before the first time.
    async fn position(&self) -> Result<Option<Position>, StoreError>;

    /// Says how far.
    async fn set_position(&self, position: Option<&Position>) -> Result<(), StoreError>;

    /// Repositories by name.
    async fn repositories(
        &self,
        filter: &Filter,
        after: &str,
        limit: u32,
    ) -> Result<Page<Row>, StoreError>;

    /// Looks at no more than `limit` repositories with one statement, or two. All filters go with
    /// [`Sort::Name`]; with the others, those by signer, tag and digest do not count.
    async fn summaries(
        &self,
        filter: &Filter,
        sort: Sort,
        after: Option<&SummaryCursor>,
        limit: u32,
    ) -> Result<Batch<Summary, SummaryCursor>, StoreError>;

    /// How many repositories there are of each health, up to a million.
    async fn count_by_health(&self) -> Result<Vec<(Health, u64)>, StoreError>;

    /// One repository.
    async fn repository(&self, gun: &str) -> Result<Option<Row>, StoreError>;

    /// The tags of a repository, by role and name.
    async fn tags(
        &self,
        gun: &str,
        after: &TagCursor,
        limit: u32,
    ) -> Result<Page<Tag, TagCursor>, StoreError>;

    /// The keys that may sign for a repository's roles.
    async fn signers(&self, gun: &str) -> Result<Vec<Signer>, StoreError>;

    /// Which key may sign for what, by key, repository and role.
    async fn signatures(
        &self,
        after: &SignatureCursor,
        limit: u32,
    ) -> Result<Page<Signature, SignatureCursor>, StoreError>;

    /// What one key may sign for, by repository and role, among names that begin with `prefix`.
    async fn signatures_of(
        &self,
        key_id: &str,
        prefix: &str,
        after: &SignatureCursor,
        limit: u32,
    ) -> Result<Page<Signature, SignatureCursor>, StoreError>;

    /// A secret of all servers on this database, which is made when it is first asked for. Whoever
    /// reads the tables knows it: it hides nothing that is not in them.
    async fn secret(&self) -> Result<Vec<u8>, StoreError>;

    /// Roles that `owner` renews and that expire before `before`, the first ones first.
    async fn expiring(
        &self,
        owner: Owner,
        before: OffsetDateTime,
        after: Option<&ExpiryCursor>,
        limit: u32,
    ) -> Result<Page<Expiry, ExpiryCursor>, StoreError>;

    /// How much there is of everything at the time `now`.
    async fn tally(&self, now: OffsetDateTime) -> Result<Tally, StoreError>;
}
