//! `notary-server` in process: the whole of it behind its routes, on `SQLite` in memory, with keys and
//! time of the test's own.

mod backup;
mod changefeed;
mod config;
mod doctor;
mod keys;
mod observed;
mod publishing;
mod reading;
mod remote;
mod renewal;
mod store;
mod support;
mod upload;
mod vectors;
