//! Authentication: who is calling.
//!
//! An [`Authenticator`] turns what a request presents (a password, a token, a client certificate)
//! into an [`access::Caller`], or says why it cannot. It knows one scheme at a time: passwords with
//! the built-in [`token_service`], tokens of outside issuers, or none. It follows the files that it
//! was given, remembers verified passwords for a minute and slows down guessing. What a caller may
//! do is decided in the crate `access`, by an [`access::Policy`].
//!
//! Nothing here knows HTTP routes, or where its [`settings`] were read from.

mod authenticator;
mod certificate;
mod outside;
mod passwords;
mod rules;
pub mod settings;
mod slots;
mod throttle;
pub mod token_service;
mod watched;

pub use authenticator::{AuthenticationError, Authenticator, Presented, load_policy};
pub use outside::{fetch_keys, without_query};
pub use throttle::network;
