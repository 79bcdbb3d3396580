//! `notary-signer`: creates the timestamp and snapshot keys of `notary-server`, keeps them
//! encrypted, and signs with them for callers whose certificates it accepts.
//!
//! A request goes [`grpc`] → [`keys`] → its cache, or [`keystore`] and [`custody`]. Protocol, table
//! and encryption at rest are those of Notary 0.7: either program can take over from the other.

mod command;
pub mod config;
pub mod custody;
pub mod grpc;
pub mod health;
pub mod keys;
pub mod keystore;
pub mod metrics;
pub mod open;
pub mod rotation;
pub mod serve;
pub mod trial;

use std::{ffi::OsString, process::ExitCode};

/// The command line, for its completions and manual pages.
#[must_use]
pub fn command_line() -> clap::Command {
    daemon::flags::command_line(&command::program())
}

/// Runs `notary-signer` with the command line `arguments` (the program's name first) in
/// `environment`, inside a runtime of the caller, until its command is done or a signal ends it.
pub async fn run(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> ExitCode {
    command::run(arguments, environment.into_iter().collect()).await
}
