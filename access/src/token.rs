//! Tokens: JSON Web Tokens as the registry's token protocol uses them.
//!
//! Which tokens are believed is Notary's own choice, recorded token by token; what goes beyond it
//! (JWK sets, several issuers) is marked.

mod algorithm;
mod chain;
mod claims;
mod error;
mod jwk;
mod jwks;
mod keys;
mod mint;
mod parse;
mod public_key;
mod trusted;
mod verify;

pub use error::TokenError;
pub use jwks::{InvalidJwks, jwks_document};
pub use keys::{InvalidBundle, TrustedKeys};
pub use mint::{Claims, Mint, MintError};
pub use verify::{Issuer, Verified, verify};

/// How far the clocks of issuer and server may be apart (Notary 0.7).
pub const LEEWAY: time::Duration = time::Duration::seconds(60);
