//! What reads bytes from strangers, fed with bytes of the strangest kind.
//!
//! Each module is a target: a function `run` that takes any bytes and panics if a property does
//! not hold. They run in two ways: by [`drive`] on the stable compiler, a fixed number of times
//! from a fixed beginning, which `tests/run` does; and by libFuzzer, as long as one likes, with
//! `just fuzz TARGET`. The folder `seeds` has examples for each, which both begin from.

pub mod archives;
pub mod canonical_json;
pub mod credentials;
pub mod database_urls;
pub mod json;
pub mod key_envelopes;
pub mod multipart;
pub mod paths;
pub mod rules;
pub mod tokens;
pub mod uploads;

mod drive;
mod edits;
mod random;
mod values;

pub use drive::drive;
