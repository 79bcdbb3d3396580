//! The signer on PostgreSQL and MariaDB: Notary's tables and new ones, its rows and its program.

#[path = "../../signer/tests/it/behaviour.rs"]
mod behaviour;
mod signer_backup;
mod signer_go;
mod signer_pooler;
mod signer_schema;
mod signer_stores;
mod signer_support;
