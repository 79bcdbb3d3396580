//! The server on PostgreSQL and MariaDB: the behaviours of its store, Notary's own rows, every
//! schema there is, and databases that fail.

mod adoption;
mod backup;
#[path = "../../../trust/tests/it/store/behaviour.rs"]
mod behaviour;
mod chains;
mod counts;
mod dropped;
mod failures;
mod feed;
mod galera;
mod inventory;
#[path = "../../../inventory/tests/it/behaviour.rs"]
mod inventory_behaviour;
#[path = "../../../trust/tests/it/reads/model.rs"]
mod model;
#[path = "../../../trust/tests/it/reads/observed.rs"]
mod observed;
mod pages;
mod plans;
mod pooler;
mod reads;
mod recorded;
mod stores;
mod support;
mod tls;
mod vanished;
mod webhooks;
#[path = "../../../webhooks/tests/it/behaviour.rs"]
mod webhooks_behaviour;
