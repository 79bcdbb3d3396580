//! The harness of the end-to-end tests: it starts real daemons in folders and on ports of their
//! own, and speaks to them through the clients people use.
//!
//! Nothing here knows how the programs under test work inside. A scenario is played in a
//! [`Sandbox`], against a [`Trust`] made of a server and a signer, each of which is either ours or
//! Go's ([`Make`]): a scenario that passes against Notary 0.7 is a fair one for Countersign.

pub mod accounts;
pub mod auth_setup;
pub mod balancer;
pub mod callgrind;
pub mod certificates;
pub mod database;
mod disk;
pub mod docker;
pub mod galera;
pub mod http;
pub mod issuer;
pub mod network;
pub mod notary;
pub mod operator;
pub mod pair;
pub mod process;
pub mod proxy;
pub mod registry;
pub mod rows;
pub mod sandbox;
pub mod storage;
pub mod trust;
pub mod wiretap;

pub use accounts::{Account, htpasswd, scan_for_secrets};
pub use auth_setup::AuthSetup;
pub use callgrind::{Callgrind, Effort};
pub use database::{Fresh, MariaDb, PgBouncer, Postgres};
pub use docker::{Cli, Engine, Person};
pub use galera::Galera;
pub use http::{Answer, Entrance};
pub use network::{Condition, Network};
pub use notary::Collaborator;
pub use pair::{Make, Pair};
pub use process::{Daemon, Said};
pub use registry::RegistryAuth;
pub use sandbox::{Sandbox, play, play_beside_notary, play_on};
pub use storage::{Backend, Database, Owner};
pub use trust::{Placement, Routes, Trust};
pub use wiretap::{Talk, Wiretap};
