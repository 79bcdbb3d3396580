//! What the crate promises, against recordings of Notary 0.7 and against a publisher of its own.

mod archive;
mod changes;
mod client;
mod delegations;
mod difference;
mod effort;
mod given;
mod layers;
mod overview;
mod pair;
mod private_keys;
mod properties;
mod publish;
mod refusals;
mod renewal;
mod roots;
mod shared_keys;
mod snapshots;
mod stored;
mod uploads;
mod vectors;
