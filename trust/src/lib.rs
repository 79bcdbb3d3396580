//! Trust data of repositories: publishing, reading and renewing it, the store it is kept in, and
//! the client of the signer that vouches for it.
//!
//! `publish, reading, keys, deletion → renewal → repository → events, cache, locks, store, signer →
//! tuf`.
//! Services decide, take the time as a value and tell what they did as an [`Event`](events::Event);
//! stores and signers do as told. Nothing here knows HTTP or who is calling.

mod attempts;
pub mod cache;
pub mod clients;
pub mod deletion;
mod either;
mod error;
pub mod events;
pub mod follower;
pub mod keys;
pub mod locks;
pub mod memory;
mod metrics;
pub mod publish;
pub mod reading;
pub mod renewal;
mod repositories;
pub mod repository;
mod roots;
pub mod signer;
pub mod store;

pub use metrics::describe_metrics;
pub use repositories::{Clock, Repositories};
