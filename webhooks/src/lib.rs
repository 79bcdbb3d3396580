//! Tells other programs what happens to repositories, by signed requests: `CloudEvents` 1.0 in
//! JSON, with signatures of Standard Webhooks.
//!
//! `dispatch → deliver → feed, expiry → event`; `lease`, `tables → schema, statements` beside them.
//! A webhook follows the changefeed, to which publishes of any server add, and makes events of the
//! stored files when it delivers them: no publish waits for it or does anything for it. Nothing
//! here knows HTTP routes, settings files, or who is asking.

mod backoff;
mod deliver;
mod dispatch;
mod event;
mod expiry;
mod feed;
mod lease;
mod meters;
mod receiver;
mod refusals;
mod schema;
mod signature;
pub mod statements;
mod tables;
mod webhook;

use std::sync::Arc;

use database::{
    Connected,
    adopt::{self, AdoptError, Survey},
    with_pool,
};
pub use dispatch::Dispatcher;
pub use event::{Event, Kind, MEDIA_TYPE};
pub use lease::Term;
pub use meters::describe_metrics;
pub use receiver::{DeliveryError, Receiver, ReceiverSettings, origin};
pub use refusals::{Refusal, RefusalSender, Refusals, refusals};
pub use schema::BLUEPRINT;
pub use signature::{InvalidSecret, Secret, sign};
pub use tables::{Deadline, Delay, Item, Position, Progress, Row, Scans, SqlTables, Tables};
pub use webhook::Pace;

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
