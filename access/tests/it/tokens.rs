//! Which tokens are believed.

mod algorithms;
mod chains;
mod claims;
mod jwks;
mod making;
mod minting;
mod recorded;
mod text;
