//! What `notary-server` and `notary-signer` both need of SQL: where their databases differ
//! ([`Dialect`]), from a URL to a pool of connections ([`connect`]), migrations ([`migrate`],
//! [`schema_state`]), taking over databases that Notary made ([`adopt`]), and telling failures
//! apart.
//!
//! The meaning of the tables belongs to the programs. Statements are written once, with `?` for
//! parameters, in the SQL that the databases share, and handed to
//! [`Dialect::sql`].

pub mod adopt;
mod connect;
mod dialect;
mod error;
mod int;
mod metrics;
mod pool;
mod retry;
mod schema;
mod settle;
mod sqlite;
mod tables;
mod time;
mod url;

pub use connect::{Backend, Connected, DatabaseUrl, connect};
pub use dialect::{Dialect, Sql};
pub use error::{
    DatabaseError, Fault, fault, is_isolation_refused, is_transient, is_unique_violation,
};
pub use int::Int;
pub use metrics::describe_metrics;
pub use pool::{Condition, Lane, Pool, PoolLimits, Runner, Transaction};
pub use retry::Retries;
pub use schema::{SchemaError, SchemaState, is_current, migrate, schema_state};
pub use settle::{Settle, Watch};
pub use sqlite::{OpenMode, SqliteUrl, connect_sqlite};
pub use tables::{WholeTable, WholeTables, extent, first_filled};
pub use time::{MySqlTime, PostgresTime, SqliteTime, Time};
pub use url::without_secrets;
