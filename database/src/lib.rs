//! What `notary-server` and `notary-signer` both need of SQL: where their databases differ
//! ([`Dialect`]), from a URL to a pool of connections ([`connect_sqlite`]), migrations
//! ([`migrate`], [`schema_state`]), and telling failures apart.
//!
//! The meaning of the tables belongs to the programs. Statements are written once, with `?` for
//! parameters, in the SQL that the databases share, and handed to
//! [`Dialect::sql`].

mod dialect;
mod error;
mod pool;
mod schema;
mod sqlite;
mod time;

pub use dialect::{Dialect, Sql};
pub use error::{DatabaseError, Fault, fault, is_unique_violation};
pub use pool::{PoolLimits, record_pool};
pub use schema::{SchemaError, SchemaState, is_current, migrate, schema_state};
pub use sqlite::{SqliteUrl, connect_sqlite};
pub use time::{SqliteTime, Time};
