//! What crate `access` promises, seen from outside.

mod challenge;
mod credentials;
mod passwords;
mod rules;

mod tokens;
