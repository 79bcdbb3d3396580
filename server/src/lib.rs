//! `notary-server`: stores the trust data of repositories, vouches for it with snapshots and
//! timestamps, and serves it.
//!
//! `http → trust → tuf`. Handlers extract, call one thing and answer; what happens to trust data is
//! decided in `trust`.

pub mod backup;
mod command;
pub mod config;
mod days;
pub mod doctor;
pub mod health;
pub mod http;
mod key_limiter;
mod password_file;
mod refused;
mod serve;
mod uploads;

pub use command::run;
pub use http::{App, Parts, describe_metrics};
pub use key_limiter::KeyLimiter;
pub use uploads::UploadLimits;

/// The command line, for its completions and manual pages.
#[must_use]
pub fn command_line() -> clap::Command {
    daemon::flags::command_line(&command::program())
}
