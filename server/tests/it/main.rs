//! `notary-server` in process: the whole of it behind its routes, on `SQLite` in memory, with keys
//! and time of the test's own.

mod access;
mod auth_command;
mod backup;
mod changefeed;
mod closed;
mod config;
mod doctor;
mod inventory;
mod keys;
mod observed;
mod overload;
mod planted;
mod process;
mod publishing;
mod races;
mod reading;
mod reference;
mod renewal;
mod secrets;
mod support;
mod token_service;
mod ui;
mod upload;
mod vectors;
mod webhooks;
