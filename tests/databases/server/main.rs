//! The server on PostgreSQL and MariaDB: the behaviours of its store, Notary's own rows, every
//! schema there is, and databases that fail.

mod adoption;
mod backup;
#[path = "../../../trust/tests/it/store/behaviour.rs"]
mod behaviour;
mod dropped;
mod failures;
mod feed;
mod galera;
mod plans;
mod pooler;
mod recorded;
mod stores;
mod support;
mod tls;
mod vanished;
