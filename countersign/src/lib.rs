//! One command that sets up and runs a whole content-trust service for people.
//!
//! [`up`] is the command. It lets [`setup`] lay out a data folder (certificates by [`pki`],
//! passphrases, configuration files), runs server and signer as processes of their own
//! ([`process`]), asks them how they are ([`health`]) and prints what to paste into a shell. It
//! knows both programs by their command lines and configuration files alone: whatever it does, an
//! operator can do by hand.
//!
//! [`prepare`] makes what the services of a composition start from, each in a container of its own.

pub mod files;
pub mod health;
pub mod names;
pub mod pki;
pub mod prepare;
pub mod process;
pub mod set;
pub mod setup;
pub mod up;

pub use daemon::address;
