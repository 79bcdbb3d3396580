//! The signer on PostgreSQL and MariaDB: Notary's tables and new ones, its rows and its program.

mod backup;
#[path = "../../../signer/tests/it/behaviour.rs"]
mod behaviour;
mod costs;
mod go;
mod pooler;
mod schema;
mod stores;
mod support;
mod wire;
