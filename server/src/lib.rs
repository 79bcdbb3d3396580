//! `notary-server`: stores the trust data of repositories, vouches for it with snapshots and
//! timestamps, and serves it.
//!
//! `http → trust → tuf`. Handlers extract, call one thing and answer; what happens to trust data is
//! decided in `trust`.

pub mod audit;
mod auth;
pub mod backup;
pub mod config;
pub mod doctor;
pub mod health;
pub mod http;
mod key_limiter;
mod serve;
mod uploads;

pub use http::{App, Parts};
pub use key_limiter::KeyLimiter;
pub use serve::run;
pub use uploads::UploadLimits;
