//! What operators see of all repositories: what there is, who signs it, what expires when, and what
//! is wrong.
//!
//! `gauges, follow → compute, tables → rows, schema, statements → trust, tuf, database`. The
//! follower reads the changefeed, which publishes of any server write, and computes what it names
//! from the files: no publish waits for it or does anything for it. All that is kept can be
//! computed again. `history` keeps nothing: it compares the stored versions of one repository.
//! Nothing here knows HTTP, settings, or who is asking.

mod compute;
mod follow;
mod gauges;
mod history;
mod rows;
mod schema;
pub mod statements;
mod tables;

use std::sync::Arc;

use database::{
    Connected,
    adopt::{self, AdoptError, Survey},
    with_pool,
};
pub use follow::{Follower, Freshness, Pace};
pub use gauges::{Gauges, describe_metrics};
pub use history::{HistoryCursor, Past, history};
pub use rows::{
    Batch, Detail, Entry, Expiry, ExpiryCursor, ExpiryTally, Filter, Health, Mark, NextExpiry,
    Owner, Page, Position, ProblemDetail, RoleDetail, Row, Signature, SignatureCursor, Signer,
    Sort, Summary, SummaryCursor, Tag, TagCursor, Tally,
};
pub use schema::BLUEPRINT;
pub use tables::{SqlTables, Tables, Written};

/// The edition of what is computed and kept. Rows of another edition are computed again; it grows
/// whenever the same files give another row.
pub(crate) const EDITION: i64 = 1;

/// The tables of an open database, which may lack them.
#[must_use]
pub fn tables(connected: &Connected) -> Arc<dyn Tables> {
    with_pool!(connected.clone(), pool => Arc::new(SqlTables::new(pool)))
}

/// Makes the tables, adding only; says what had to be done.
///
/// # Errors
///
/// Before anything was changed, or in the middle, after which it may be run again.
pub async fn migrate(connected: &Connected) -> Result<Survey, AdoptError> {
    with_pool!(connected, pool => adopt::adopt(pool, &BLUEPRINT).await)
}

/// What [`migrate`] would do.
///
/// # Errors
///
/// If the database cannot be read.
pub async fn plan(connected: &Connected) -> Result<Survey, AdoptError> {
    with_pool!(connected, pool => adopt::survey(pool, &BLUEPRINT).await)
}

/// What names of any length are found by.
fn sum(bytes: &[u8]) -> Vec<u8> {
    ring::digest::digest(&ring::digest::SHA256, bytes)
        .as_ref()
        .to_vec()
}
